"""What passes between the steps. Frozen; raw objects stop at `observe`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from inferfleet import names
from inferfleet.api.hardware_pool import HardwarePoolSpec
from inferfleet.api.model import ModelSpec, Workload
from inferfleet.api.model_status import ModelStatus
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.planning import room
from inferfleet.planning.performance import replicas_for
from inferfleet.planning.types import Evaluated, Measured, Question, Rejection
from inferfleet.planning.unit import counted

Obj = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""
State = Literal["Serving", "Starting", "Retiring", "Frozen", "Recommended"]


@dataclass(frozen=True)
class Problem:
    """Input that cannot be used: becomes a condition, never an exception."""

    reason: str
    message: str


@dataclass(frozen=True)
class Node:
    """What placing needs to know of a node. Cores and bytes that pods may request."""

    name: str
    labels: Mapping[str, str]
    cores: Decimal
    memory: int
    usable: bool
    """Ready and not cordoned."""
    extended: Mapping[str, int] = field(default_factory=dict)
    """Devices that pods may request, by extended resource."""


@dataclass(frozen=True)
class PoolView:
    """A HardwarePool as it was read."""

    name: str
    labels: Mapping[str, str]
    spec: HardwarePoolSpec


@dataclass(frozen=True)
class Live:
    """A placement that runs: its Deployment and what its pods say."""

    name: str
    class_: str
    pool: str
    variant: str
    engine: str
    slots: int
    profile: str
    replicas: int
    ready: int
    created: str
    deleting: bool
    failure: str
    """What keeps its pods from starting, or empty."""
    image: str = ""
    """Runtime image that its pods are told to run."""
    dialect: int = 1
    """What that image understands of its configuration (`fleet.build.dialect`)."""
    version: str = ""
    """Of its engine (`planning.content.version`)."""
    scaled_by: str = ""
    """Field manager, other than this operator, that owns the replicas; empty for none."""
    doing: str = ""
    """What its pods do before they serve, or empty."""
    served: bool = False
    """Whether all its replicas were ready once."""
    spill: bool = False
    """Whether it takes only what the pool of its workload's placement has no room for."""
    goes: bool = False
    """Whether that has room again, and all of its replicas."""

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.pool, self.variant, self.engine


@dataclass(frozen=True)
class Observed:
    """Everything that one reconcile looks at."""

    namespace: str
    name: str
    uid: str
    generation: int
    namespace_labels: Mapping[str, str]
    spec: ModelSpec | Problem
    status: ModelStatus
    """As last written."""
    classes: Mapping[str, WorkloadClassSpec | Problem]
    pools: Mapping[str, PoolView | Problem]
    nodes: tuple[Node, ...]
    ledger: Mapping[str, Measured]
    live: tuple[Live, ...]
    served_by: Mapping[str, str]
    """The class label that the Service of each class selects; absent: there is no Service."""
    held: Mapping[tuple[str, str, str], Mapping[str, int]]
    """Replicas by pool of each workload (namespace, model, class) of the fleet."""
    children: Mapping[tuple[str, str], Obj]
    """Live children of the Model by kind and name, as JSON: only `apply` looks inside."""

    def running(self, label: str) -> list[Live]:
        """What is there under a class label, and stays."""
        return [p for p in self.live if p.class_ == label and not p.deleting]

    @cached_property
    def holders(self) -> Mapping[str, Mapping[tuple[str, str, str], int]]:
        """What is `held`, by pool: not to look through the whole fleet for each."""
        found: dict[str, dict[tuple[str, str, str], int]] = {}
        for owner, pools in self.held.items():
            for pool, replicas in pools.items():
                found.setdefault(pool, {})[owner] = replicas
        return found


def declared_demand(workload: Workload, spec: WorkloadClassSpec) -> float:
    """Tokens per second of the class's unit; 0 where none is declared."""
    return workload.demand.per_second * counted(spec).p50 if workload.demand else 0.0


@dataclass(frozen=True)
class Valid:
    """A workload that can be planned."""

    workload: Workload
    spec: WorkloadClassSpec
    """With the workload's own traffic."""
    question: Question
    keeps_image: bool = False
    """Whether a new release leaves its runtime image as it is."""
    moves_paused: bool = False
    """Whether nothing that serves may be replaced."""
    members: "tuple[Valid, ...]" = ()
    """Of several classes on one placement: each by itself; then `workload.class_` is the label of all of them."""

    def replicas_for_demand(self, tokens_per_second: float) -> int:
        """For the declared demand, with this capacity of a replica; 0 where none is declared."""
        return replicas_for(self.declared_demand, tokens_per_second, float(self.spec.scaling.target_utilization))

    def least(self, tokens_per_second: float) -> int:
        """Replicas that always run: the minimum, and what a guaranteed demand needs, within the maximum."""
        return room.least(self.question, tokens_per_second)

    @property
    def declared_demand(self) -> float:
        """Tokens per second to plan for until traffic is observed; 0 where none is declared."""
        return declared_demand(self.workload, self.spec)

    @property
    def classes(self) -> tuple[str, ...]:
        """Whom it is for."""
        return names.classes_of(self.workload.class_)

    @property
    def weight(self) -> float:
        """Requests per second that are declared: its part in a mix of several classes."""
        return self.workload.demand.per_second if self.workload.demand else 0.0

    @property
    def external(self) -> bool:
        """Whether another autoscaler moves the replicas."""
        return self.workload.replicas.mode == "External"

    @property
    def advised(self) -> bool:
        """Whether the choice is only shown."""
        return self.workload.placement.mode == "Recommend"


@dataclass(frozen=True)
class Blocked:
    """A workload that cannot be planned now: what serves it keeps serving."""

    class_: str
    problem: Problem


@dataclass(frozen=True)
class Placement:
    """One placement of a plan."""

    name: str
    identity: tuple[str, str, str]
    state: State
    replicas: int
    evaluated: Evaluated | None
    """What to build it from; None: it stays as it is."""
    image: str | None = None
    """The runtime image that it keeps; None: this release's."""
    scaled_elsewhere: bool = False
    """Another manager owns the replicas: they are no part of the apply."""
    wanted: int = 0
    """Replicas that it would have if its pool had room for them, without those that others do the work of."""
    spill: str = ""
    """Why it stands beside the placement that was chosen: that one's pool is full. Empty: it does not."""
    runs: tuple[str, int] | None = None
    """Runtime image of what runs now, and the dialect that it understands; None for a new placement."""

    @property
    def taken(self) -> int:
        """Of its pool, whose room is counted in replicas of one accelerator; what stays as it is has such replicas."""
        return self.replicas * (self.evaluated.candidate.parallelism.accelerators if self.evaluated else 1)


@dataclass(frozen=True)
class Spread:
    """What other pools do for a full one, in replicas of the workload's first placement."""

    served: int = 0
    """That are there, or that others do the work of."""
    spilled: int = 0
    """Of these, the others."""
    room: int = 0
    """In all pools together."""


@dataclass(frozen=True)
class WorkloadPlan:
    """What shall be for one workload, or for several on one placement."""

    class_: str
    """The class label of its pods."""
    planned: bool
    reason: str
    message: str
    placements: tuple[Placement, ...]
    rejected: tuple[Rejection, ...] = ()
    valid: Valid | None = None
    spread: Spread | None = None
    """Where the load of the first placement goes that its pool has no room for; None: there is no first."""
    asked: Valid | None = None
    """What the fleet's program may decide about, whether a placement was found or not; None: it keeps what it has."""
    several: bool = False
    """Whether a part of it on a cheaper pool, beside what runs, would save enough."""
    slow: bool = False
    """Whether what serves misses a target by what was measured, and goes on since nothing else meets it."""

    selects: Mapping[str, str] = field(default_factory=dict)
    """By class, the class label of the pods that shall serve it now."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Whom it is for."""
        return names.classes_of(self.class_)

    @property
    def spills(self) -> tuple[Placement, ...]:
        """Those that take what the first has no room for."""
        return tuple(p for p in self.placements if p.spill and p.state != "Retiring")


@dataclass(frozen=True)
class Plan:
    """What shall be for a Model."""

    workloads: tuple[WorkloadPlan, ...]
    keep_all: bool = False
    """The Model could not be read: nothing of it may be removed."""
    unobeyed: tuple[tuple[str, str], ...] = ()
    """Fields that are set and not acted on, each with what is done instead."""


@dataclass(frozen=True)
class Told:
    """What the fleet's program chose for a workload."""

    identity: tuple[str, str, str]
    replicas: int
    """That it planned with."""


@dataclass(frozen=True)
class Applied:
    """What became of a plan."""

    writes: int
    problem: Problem | None = None
    """The first write that the API server refused."""
