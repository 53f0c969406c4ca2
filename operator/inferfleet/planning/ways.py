"""A way to serve: hardware, a variant of the model, an engine, and how a replica is spread. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from inferfleet.api.artifacts import Accuracy
from inferfleet.api.external import External, ExternalModel
from inferfleet.api.hardware_pool import HardwarePoolSpec
from inferfleet.catalog.loader import Accelerator
from inferfleet.performance.types import Parallelism

ALONE = Parallelism()
"""A replica of one accelerator, or of the cores of one CPU."""


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
    yielding: int = 0
    """Replicas beyond these whose pods the scheduler evicts for more important ones."""
    accelerators_per_node: int | None = None
    """Of its nodes as they are; None: what is declared, if anything."""

    @property
    def node_accelerators(self) -> int | None:
        """Accelerators of a node; None where nobody says."""
        declared = self.spec.nodes.accelerators_per_node if self.spec and self.spec.nodes else None
        return self.accelerators_per_node or declared


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
    parallelism: Parallelism = ALONE
    offer: ExternalModel | None = None
    """What a provider outside the cluster serves; then `variant` is made of it."""

    @property
    def accelerators(self) -> float:
        """Of one replica; for CPUs, cores."""
        return self.pool.cores * self.parallelism.accelerators

    @property
    def memory(self) -> int:
        """Bytes of one replica."""
        return self.pool.memory * self.parallelism.accelerators

    @property
    def free(self) -> int:
        """Replicas that fit beside what other workloads hold; none spans nodes."""
        spread, per_node = self.parallelism.accelerators, self.pool.node_accelerators
        if spread == 1:
            return self.pool.free
        room = self.pool.free // spread
        if per_node is None or not self.pool.nodes:
            return room
        return min(room, self.pool.nodes * (per_node // spread))

    @cached_property
    def how(self) -> str:
        """Engine, and over how many accelerators it spreads a replica: `vllm`, `vllm.tp4`, `vllm.tp2.pp2`."""
        return ".".join([self.engine, *spread_words(self.parallelism)])

    @cached_property
    def identity(self) -> tuple[str, str, str]:
        """Pool, variant and engine with its parallelism: what a placement is known by."""
        return self.pool.name, self.variant.name, self.how


def spread_words(spread: Parallelism) -> list[str]:
    """Of what is more than one: tp4, pp2, dp8, ep8."""
    degrees = {"tp": spread.tensor, "pp": spread.pipeline, "dp": spread.data, "ep": spread.expert}
    return [f"{kind}{degree}" for kind, degree in degrees.items() if degree > 1]


def accelerators_of(how: str) -> int:
    """Pieces of its pool that a replica spans, from the words of `Candidate.how`: 8 of `vllm.tp4.pp2`.

    Experts share the pieces of the other kinds. What is not read counts as one, as does a name of a later release.
    """
    found = 1
    for word in how.split(".")[1:]:
        if word[:2] in ("tp", "pp", "dp") and word[2:].isdecimal():
            found *= int(word[2:])
    return found
