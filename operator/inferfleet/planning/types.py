"""What the planner is given and what it returns. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from inferfleet.api.artifacts import Accuracy
from inferfleet.api.external import External
from inferfleet.api.hardware_pool import HardwarePoolSpec
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Accelerator, ModelArchitecture, Quantization
from inferfleet_runtime.engines import EngineProfile


@dataclass(frozen=True)
class Pool:
    """A HardwarePool with what its nodes can still take."""

    name: str
    accelerator_name: str
    accelerator: Accelerator | None
    """None: the catalog has no such preset."""
    engines: tuple[str, ...]
    selector: Mapping[str, str]
    """Labels of its nodes."""
    cores: float
    """Accelerators of one replica; for CPUs, cores."""
    memory: int
    """Bytes of one replica."""
    price: Decimal | None
    """USD for one accelerator-hour."""
    nodes: int
    """Matching nodes that may be used."""
    free: int
    """Replicas that fit beside what other workloads hold, within the namespace's quota."""
    quota: str | None = None
    """The namespace whose quota says what is free; None: the nodes do."""
    allowed: bool = True
    """Whether the Model's namespace may use it."""
    watts: float | None = None
    """Power of one accelerator at full load; None where nobody says."""
    external: External | None = None
    """A provider outside the cluster: no nodes."""
    spec: HardwarePoolSpec | None = None
    """As declared: what building pods needs of it."""


@dataclass(frozen=True)
class Variant:
    """A servable artifact of the Model."""

    name: str
    quantization: str
    scheme: str = "file"
    """Of the URI that its bytes come from."""
    accuracy: tuple[Accuracy, ...] = ()
    """Evidence of how much quantization cost."""
    gguf: bool = False
    """Whether its source is known to be one GGUF file."""
    companions: str = ""
    """Why the Model's speculators and adapters cannot be brought beside it; empty while they can."""


@dataclass(frozen=True)
class Pin:
    """What the user chose instead of the planner; None is left to the planner."""

    pool: str
    variant: str
    engine: str | None = None
    tensor_parallel: int | None = None

    @property
    def words(self) -> str:
        """What was chosen."""
        return f"{self.variant} on {self.pool}" + (f" with {self.engine}" if self.engine else "")

    def admits(self, pool: str, variant: str, engine: str) -> bool:
        """Whether that is what the user chose."""
        return (self.pool, self.variant) == (pool, variant) and (self.engine or engine) == engine


@dataclass(frozen=True)
class Candidate:
    """One way to serve a workload, before anything is known of it."""

    pool: Pool
    variant: Variant
    engine: str


@dataclass(frozen=True)
class Measured:
    """A capacity from the ledger."""

    tokens_per_second: float
    source: Literal["Declared", "Benchmarked", "Observed"]


@dataclass(frozen=True)
class Prediction:
    """Expected behaviour of one replica. Seconds, tokens per second (of the class's unit), bytes."""

    slots: int
    ttft: float
    tpot: float
    end_to_end: float
    tokens_per_second: float
    memory: float


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

    @property
    def joules_per_token(self) -> float | None:
        """Power at full load over throughput; None where the power is not known."""
        pool = self.candidate.pool
        return None if pool.watts is None else pool.watts * pool.cores / self.tokens_per_second

    @property
    def identity(self) -> tuple[str, str, str]:
        """Pool, variant and engine: what a placement is known by."""
        return self.candidate.pool.name, self.candidate.variant.name, self.candidate.engine


@dataclass(frozen=True)
class Rejection:
    """A candidate that may not serve, or was not the best, and why."""

    candidate: Candidate
    reason: str
    message: str
    binding: str | None = None


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
    max_replicas: int = 1000
    guaranteed: float = 0.0
    """Tokens per second for which replicas always run."""
    running: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """Replicas of the incumbents."""
    speculators: Mapping[str, str] = field(default_factory=dict)
    """Methods that the Model declares, best first, with a digest of where their weights come from."""
    adapted: bool = False
    """Whether the Model has LoRA adapters."""
    trusted_headers: bool = False
    """Whether a gateway in front of all pods sets tenant and priority of requests."""
    untold: frozenset[tuple[str, str, str]] = frozenset()
    """Identities of what runs an image of a release that knew no settings, and keeps it: it measures without them."""
    unselected: frozenset[str] = frozenset()
    """Pools that are there, and that the workload's selector leaves out."""

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
