"""What the planner is given and what it returns. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import ModelArchitecture, Quantization
from inferfleet.performance.types import Coefficients, Interval
from inferfleet.planning.evidence import worst_loss
from inferfleet.planning.measured import Measured
from inferfleet.planning.ways import Candidate, Pin, Pool, Variant
from inferfleet_runtime.engines import EngineProfile

__all__ = [
    "Answer",
    "Bounds",
    "Candidate",
    "Evaluated",
    "Measured",
    "Pin",
    "Pool",
    "Prediction",
    "Question",
    "Rejection",
    "TokenCosts",
    "Unplaced",
    "Variant",
]


@dataclass(frozen=True)
class Prediction:
    """Expected behaviour of one replica. Seconds, tokens per second (of the class's unit), bytes."""

    slots: int
    ttft: float
    tpot: float
    end_to_end: float
    tokens_per_second: float
    memory: float
    bounds: "Bounds | None" = None
    """None: nothing is known of the error."""
    watts: float | None = None
    """Of all its accelerators under this load; None: not predicted."""
    measured: bool = False
    """Whether its latencies follow from what pods of the candidate itself have shown."""
    outside: str = ""
    """Why the prediction is outside of what the model was fitted on; empty: it is not."""

    def believed(self, margin: float) -> "Prediction":
        """With latencies so far from the middle towards the high end of their intervals: 0 the middle, 1 the end."""
        if self.bounds is None or not margin:
            return self
        ends = (self.bounds.ttft, self.bounds.tpot, self.bounds.end_to_end)
        ttft, tpot, whole = (i.mid + margin * (i.high - i.mid) for i in ends)
        return replace(self, ttft=ttft, tpot=tpot, end_to_end=whole)


@dataclass(frozen=True)
class Bounds:
    """Within which 90 % of measurements are expected."""

    ttft: Interval
    tpot: Interval
    end_to_end: Interval
    tokens_per_second: Interval


@dataclass(frozen=True)
class TokenCosts:
    """USD per million tokens of each kind at the planned utilization: `evaluate.price` says how they are split."""

    input: Decimal
    output: Decimal
    """Zero where nothing is generated."""


@dataclass(frozen=True)
class Evaluated:
    """A candidate that may serve, with its price."""

    candidate: Candidate
    profile: str
    """Name of the CapacityProfile that holds (or will hold) its measurement."""
    prediction: Prediction
    tokens_per_second: float
    """Of one replica, in the class's unit (`unit`): measured where the ledger has it."""
    capacity_source: Literal["Estimated", "Declared", "Benchmarked", "Observed"]
    cost: Decimal
    """USD per million of these tokens at the planned utilization."""
    costs: TokenCosts | None = None
    """The same by kind of token."""
    missed: str = ""
    """The target that it misses by what was measured, in words: it goes on since nothing else meets it either."""
    startup_seconds: float = 0.0
    """From the start of a pod to its first answer: a bound. Compilation for fixed shapes is part of it."""

    @property
    def joules_per_token(self) -> float | None:
        """Power over throughput: predicted for the load, else at full load; None where the power is not known."""
        watts, pool = self.prediction.watts, self.candidate.pool
        if watts is None and pool.watts is not None:
            watts = pool.watts * self.candidate.accelerators
        return None if watts is None else watts / self.tokens_per_second

    @property
    def guessed(self) -> bool:
        """Whether its capacity comes from a prediction outside of all measurements."""
        return self.capacity_source == "Estimated" and bool(self.prediction.outside)

    @property
    def accuracy_loss(self) -> Decimal | None:
        """Percent of the baseline on the benchmark where the variant lost most; None without evidence."""
        return worst_loss(self.candidate.variant)

    @property
    def hourly(self) -> float:
        """USD of one replica for one hour; 0 of a provider, who charges by token."""
        price = self.candidate.pool.price
        return float(price) * self.candidate.accelerators if price is not None else 0.0

    @property
    def identity(self) -> tuple[str, str, str]:
        """Of the candidate."""
        return self.candidate.identity


@dataclass(frozen=True)
class Rejection:
    """A candidate that may not serve, or was not the best, and why."""

    candidate: Candidate
    reason: str
    message: str
    binding: str | None = None
    excess: float | None = None
    """How many times what is allowed was found; None where nothing is measured against a limit."""


@dataclass(frozen=True)
class Unplaced:
    """An engine on an accelerator that the catalog knows and this release does not deploy."""

    profile: EngineProfile
    spreads: frozenset[str]
    """Kinds of parallelism that it has: Tensor, Pipeline, Data, Expert."""
    static_shapes: bool = False
    """Whether it compiles for fixed shapes: lengths and batches are padded to the next power of two."""


@dataclass(frozen=True)
class Question:
    """All that decides about one workload."""

    architecture: ModelArchitecture
    architecture_key: str
    variants: tuple[Variant, ...]
    pools: tuple[Pool, ...]
    workload: WorkloadClassSpec
    min_replicas: int
    incumbents: frozenset[tuple[str, str, str]]
    """Identities of the placements that run now."""
    engines: Mapping[str, EngineProfile]
    quantizations: Mapping[str, Quantization]
    ledger: Mapping[str, Measured]
    """Measured capacity by name of the CapacityProfile."""
    move_saving: float
    """Share of its score by which another must be better; infinite where moves are paused."""
    pin: Pin | None = None
    assigned: tuple[str, str, str] | None = None
    """Identity of what was chosen for the fleet as a whole; None: the workload chooses alone."""
    max_replicas: int = 1000
    guaranteed: float = 0.0
    """Tokens per second for which replicas always run."""
    running: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """Replicas of the incumbents."""
    slots: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """Slots of the incumbents' replicas."""
    speculators: Mapping[str, str] = field(default_factory=dict)
    """Methods that the Model declares, best first, with a digest of where their weights come from."""
    adapted: bool = False
    """Whether the Model has LoRA adapters."""
    trusted_headers: bool = False
    """Whether a gateway in front of all pods sets tenant and priority of requests."""
    untold: frozenset[tuple[str, str, str]] = frozenset()
    """Identities of what runs an image of a release that knew no settings, and keeps it: it measures without them."""
    versions: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    """Of the engines of what runs an image that stays, as `content.version`, by identity."""
    unselected: frozenset[str] = frozenset()
    """Pools that are there, and that the workload's selector leaves out."""
    plan_unplaced: bool = False
    """Whether what this release cannot deploy yet is judged and priced, too: engines of `unplaced`, providers."""
    unplaced: Mapping[tuple[str, str], "Unplaced"] = field(default_factory=dict)
    """By engine and accelerator: `candidates.engines.unplaced`."""
    robust_margin: float | None = None
    """How far towards the high end of a 90 % interval an expected latency is taken for the comparison with its target:
    0 the middle, 1 the end. None: 1 for what is only planned; 0 for what this release deploys, since its pods measure
    themselves within minutes and evidence replaces the estimate."""
    believes_physics: bool = False
    """Whether predictions outside of all measurements count, too."""
    coefficients: Coefficients | None = None
    """Of the performance model, for engines of `unplaced`; None: physics with a wide interval."""

    def engine(self, name: str) -> EngineProfile:
        """As the workload's class has it configured."""
        return self.engines[name].with_kv_cache(self.workload.serving.kv_cache.dtype)

    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Pools that cannot be used, with what is wrong."""


@dataclass(frozen=True)
class Answer:
    """The choice for one workload, best first among the rejected."""

    chosen: Evaluated | None
    reason: str
    message: str
    rejected: tuple[Rejection, ...]
    possible: tuple[Evaluated, ...]
    """All that may serve, best first."""
    able: tuple[Evaluated, ...] = ()
    """The same, and those whose pools lack room for the whole and may serve a part; best first."""
    several: bool = False
    """Whether a part of it on a cheaper pool, beside what runs, would save enough for the workload alone."""
