"""What passes between the steps. Frozen; raw objects stop at `observe`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from inferfleet.api.hardware_pool import HardwarePoolSpec
from inferfleet.api.model import ModelSpec, ModelStatus, Source, Variant, Workload
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.planning.types import Evaluated, Measured, Question, Rejection

Obj = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""
State = Literal["Serving", "Starting", "Retiring", "Frozen"]


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
    cores: float
    memory: int
    usable: bool
    """Ready and not cordoned."""


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
    spec: ModelSpec | Problem
    status: ModelStatus
    """As last written."""
    classes: Mapping[str, WorkloadClassSpec | Problem]
    pools: Mapping[str, PoolView | Problem]
    nodes: tuple[Node, ...]
    ledger: Mapping[str, Measured]
    live: tuple[Live, ...]
    held: Mapping[tuple[str, str, str], Mapping[str, int]]
    """Replicas by pool of each workload (namespace, model, class) of the fleet."""
    children: Mapping[tuple[str, str], Obj]
    """Live children of the Model by kind and name, as JSON: only `apply` looks inside."""


@dataclass(frozen=True)
class Valid:
    """A workload that can be planned."""

    workload: Workload
    spec: WorkloadClassSpec
    question: Question

    @property
    def declared_demand(self) -> float:
        """Output tokens per second to plan for until traffic is observed; 0 where none is declared."""
        demand = self.workload.demand
        return demand.requests_per_second * float(self.spec.traffic.output_tokens.p50) if demand else 0.0


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


@dataclass(frozen=True)
class WorkloadPlan:
    """What shall be for one workload."""

    class_: str
    planned: bool
    reason: str
    message: str
    placements: tuple[Placement, ...]
    rejected: tuple[Rejection, ...] = ()
    valid: Valid | None = None


@dataclass(frozen=True)
class Plan:
    """What shall be for a Model."""

    workloads: tuple[WorkloadPlan, ...]
    keep_all: bool = False
    """The Model could not be read: nothing of it may be removed."""


@dataclass(frozen=True)
class Applied:
    """What became of a plan."""

    writes: int
    problem: Problem | None = None
    """The first write that the API server refused."""


@dataclass(frozen=True)
class ModelView:
    """The parts of a valid Model that building needs."""

    namespace: str
    name: str
    uid: str
    variants: Mapping[str, Variant]

    def source(self, variant: Variant) -> Source:
        """Of the file that is fetched: its own, or that of the variant it is quantized from."""
        found = (self.variants[variant.quantize_from] if variant.quantize_from else variant).source
        assert found  # a rule of the CRD
        return found
