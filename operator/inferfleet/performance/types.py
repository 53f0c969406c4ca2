"""What the performance model is asked and what it answers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inferfleet.catalog.hardware_entries import Accelerator
from inferfleet.catalog.model_entries import ModelArchitecture
from inferfleet.catalog.quantization_entries import Quantization

if TYPE_CHECKING:  # they build on these types
    from inferfleet.performance.caution import Caution
    from inferfleet.performance.envelope import Known
    from inferfleet.performance.intervals import Bounds
    from inferfleet.performance.model import Fitted
    from inferfleet.performance.power import Power
    from inferfleet.performance.recall import Recall


@dataclass(frozen=True)
class Parallelism:
    """How one replica is spread over accelerators."""

    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    """Ranks that routed experts are spread over; they share the accelerators of the other kinds."""
    data: int = 1
    """Attention data parallel ranks."""

    @property
    def accelerators(self) -> int:
        """Of one replica."""
        return self.tensor * self.pipeline * self.data


@dataclass(frozen=True)
class Speculation:
    """Tokens that a cheap method guesses and one step of the model checks."""

    method: str
    tokens: int
    """Guessed per step."""
    acceptance: float
    """Share of guesses that hold, 0 to 1, each as probable as the one before."""
    draft_parameters: float = 0.0
    """Weights that one guess passes; 0 for look-up methods."""


@dataclass(frozen=True)
class Setup:
    """One replica, before any load."""

    model: ModelArchitecture
    quantization: Quantization
    accelerator: Accelerator
    engine: str
    """By the catalog's name: vllm, sglang, tensorrt-llm, llama-cpp, ..."""
    parallelism: Parallelism = Parallelism()
    kv_bytes_per_element: float = 2.0
    cores: float = 1.0
    """CPU replicas: cores of the accelerator entry; else 1."""
    prefill_chunk: int | None = None
    """Most prompt tokens of one step; None: the engine's default."""
    speculation: Speculation | None = None
    apart: bool = False
    """Whether prompts are prefilled on some of the accelerators and the others decode (arXiv:2401.09670)."""


@dataclass(frozen=True)
class Load:
    """What the replica is asked, in a closed loop: a finished request is followed by the next."""

    input_tokens: int
    output_tokens: int
    concurrency: int
    """Requests in flight in one replica."""
    prefix_hit: float = 0.0
    """Share of input tokens found in the prefix cache."""
    steps: int = 0
    """Denoising steps of a picture or video."""
    pixels: int = 0
    """Width x height x frames of a picture or video."""


@dataclass(frozen=True)
class Run:
    """What tells apart measurements of one configuration; the default is what is installed today."""

    version: str = ""
    day: str = ""
    """ISO 8601, of the measurement or, where nobody says, of the version's release."""
    brief: bool = False
    """Whether the load was not the closed loop of ten rounds that most measurements are."""


@dataclass(frozen=True)
class Interval:
    """A prediction with the interval in which 90 % of measurements are expected."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """What one replica does under a load."""

    ttft: Interval
    """Seconds, mean over requests of a closed loop."""
    tpot: Interval
    """Seconds between tokens of one request, mean; zero where nothing is generated token by token."""
    tokens_per_second: Interval
    """Of the replica: generated tokens, or prompt tokens of embeddings, or pictures."""
    watts: float | None
    """All accelerators of the replica; None where the catalog has no power."""
    regime: str
    """How far from measured truth: by this name intervals were calibrated."""
    abstained: str | None
    """Why the model should not be trusted there; the figures are still physics."""


@dataclass(frozen=True)
class Coefficients:
    """Everything that was fitted; `coefficients.parse` reads it."""

    tpot: "Fitted"
    ttft: "Fitted"
    tpot_recall: "tuple[Recall, ...]"
    ttft_recall: "tuple[Recall, ...]"
    tpot_caution: "Caution"
    ttft_caution: "Caution"
    tpot_bounds: "Bounds"
    ttft_bounds: "Bounds"
    measured: "Known"
    power: "Power"
    provenance: Mapping[str, str]
    version: str
    """Digest of the file: what memoized predictions are keyed by."""
