"""What a plan comes to, in figures and words: what every output is rendered from. Frozen. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from inferfleet.names import classes_of

WorkloadKey = tuple[str, str, str]
"""Namespace, Model and class label."""


@dataclass(frozen=True)
class Place:
    """Where a workload is declared; lines and columns are counted from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True)
class Target:
    """A latency that is expected, and what the class allows of it. Seconds."""

    name: str
    """`ttft`, `tpot`, `endToEnd` or `deadline`, as in a class's `slo`."""
    expected: float
    allowed: float | None
    high: float | None = None
    """Of an interval in which 90 % of measurements are expected; None: nobody says."""

    @property
    def headroom(self) -> float | None:
        """Share of what is allowed that is left; negative where the target is missed."""
        return None if not self.allowed else 1 - self.expected / self.allowed


@dataclass(frozen=True)
class PlacementRow:
    """One placement of a plan."""

    name: str
    state: str
    pool: str
    variant: str
    engine: str
    replicas: int
    usd_per_hour: Decimal | None
    """Of all its replicas; None where nobody says what they cost."""
    evaluated: bool = False
    """Whether the figures below are known."""
    slots: int = 0
    tokens_per_second: float = 0.0
    """Of one replica, in the class's unit."""
    capacity_source: str = ""
    cost: Decimal | None = None
    """USD per million tokens of the class's unit."""
    joules_per_token: float | None = None
    targets: tuple[Target, ...] = ()
    input_cost: Decimal | None = None
    """USD per million prompt tokens."""
    output_cost: Decimal | None = None
    provider: bool = False
    """Whether it is outside the cluster, and has no replicas."""
    accelerators: str = ""
    """What one replica has: `1 x nvidia-l40s`, `0.4 cores of cpu-x86-avx2`."""
    each: float = 0.0
    """The same as a number: accelerators, or cores."""
    guess: str = ""
    """Why its figures are a guess; empty: they are no worse than their interval says."""

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.pool, self.variant, self.engine

    @property
    def words(self) -> str:
        """`q8-0 on cpu-small with llama-cpp`."""
        return f"{self.variant} on {self.pool} with {self.engine}"

    @property
    def stays(self) -> bool:
        """Whether it is part of what shall be; a retiring one goes."""
        return self.state != "Retiring"


@dataclass(frozen=True)
class RejectedRow:
    """A candidate that was not chosen, and why."""

    pool: str
    variant: str
    engine: str
    reason: str
    message: str
    binding: str | None = None

    @property
    def words(self) -> str:
        return f"{self.variant} on {self.pool}" + (f" with {self.engine}" if self.engine else "")


@dataclass(frozen=True)
class Violation:
    """A target, a limit or a capacity that the plan breaks."""

    reason: str
    message: str
    binding: str | None = None


@dataclass(frozen=True)
class WorkloadRow:
    """What was decided for one workload."""

    key: WorkloadKey
    planned: bool
    reason: str
    message: str
    placements: tuple[PlacementRow, ...] = ()
    rejected: tuple[RejectedRow, ...] = ()
    violations: tuple[Violation, ...] = ()
    objective: str = ""
    demand: float = 0.0
    """Tokens per second that are planned for."""
    unit: str = ""
    """Which tokens: `generated` or `prompt`."""
    undeployed: str = ""
    """What of it this release cannot deploy; empty: it can."""
    place: Place | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Whom it is for."""
        return classes_of(self.key[2])

    @property
    def name(self) -> str:
        """`assistants/llama:chat`, or `assistants/llama:chat+search` of classes that share a placement."""
        namespace, model, class_ = self.key
        return f"{namespace}/{model}" + (f":{'+'.join(self.classes)}" if class_ else "")

    @property
    def staying(self) -> tuple[PlacementRow, ...]:
        """Without those that go."""
        return tuple(p for p in self.placements if p.stays)

    @property
    def usd_per_hour(self) -> Decimal:
        """Of what shall be."""
        return sum((p.usd_per_hour or Decimal(0) for p in self.staying), Decimal(0))

    @property
    def counts(self) -> Mapping[str, int]:
        """Rejected candidates by reason, most first."""
        found: dict[str, int] = {}
        for row in self.rejected:
            found[row.reason] = found.get(row.reason, 0) + 1
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True)
class PoolRow:
    """A HardwarePool and what the plan takes of it. Replicas."""

    name: str
    accelerator: str
    price: Decimal | None
    """USD for one accelerator-hour."""
    used: int
    usd_per_hour: Decimal
    nodes: int | None
    """That may be used; None: as many as needed. Of an external provider 0."""
    problem: str = ""
    unit: str = ""
    """What there is of it: `accelerators`, `cores`; of an external provider nothing."""
    taken: float = 0.0
    """Of what there is."""
    room: float | None = None
    """What there is; None: as much as needed, or a provider."""


@dataclass(frozen=True)
class Report:
    """A whole plan."""

    workloads: tuple[WorkloadRow, ...]
    pools: tuple[PoolRow, ...] = ()
    assumptions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """About the input: what is odd and not wrong."""
    frontiers: Mapping[WorkloadKey, "Frontier"] = field(default_factory=dict)
    """Only where they were asked for."""

    @property
    def usd_per_hour(self) -> Decimal:
        return sum((w.usd_per_hour for w in self.workloads), Decimal(0))

    @property
    def violations(self) -> tuple[tuple[WorkloadRow, Violation], ...]:
        """All, with whose they are."""
        return tuple((w, v) for w in self.workloads for v in w.violations)


@dataclass(frozen=True)
class Point:
    """A candidate with so many slots: what it costs and how fast it is."""

    words: str
    slots: int
    cost: Decimal
    """USD per million tokens."""
    latency: Mapping[str, float]
    """Seconds, by `ttft`, `tpot` and `endToEnd`."""
    status: str
    """`Chosen`, `Possible` or `Rejected`."""
    why: str = ""
    """Of a rejected one."""


@dataclass(frozen=True)
class Frontier:
    """The cost and latency of everything that could serve a workload if no target bound."""

    points: tuple[Point, ...]
    allowed: Mapping[str, float]
    """Targets in seconds, by name."""
    cost_limit: Decimal | None = None
