"""What is fitted: terms with their prior coefficients, how freely kinds of setups may differ, kernels. Pure.

Priors are what hardware does: 70-90 % of bandwidth, 40-60 % of arithmetic. Scales and amplitudes of the kernels were
chosen by marginal likelihood on every third cell (`likelihood`), then rounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

import numpy as np

from inferfleet.performance.columns import Vector
from inferfleet.performance.model import DESIGN, Kernel

BASE_STIFFNESS = 0.5
"""Of the coefficients that all setups share."""
STIFFNESS: Mapping[str, float] = {
    "tensorrt-llm": 14.0,
    "vllm": 14.0,
    "sglang": 14.0,
    "blackwell": 6.0,
    "mixture": 8.0,
    "unmarked": 0.7,
    "below8": 8.0,
    "above8": 9.0,
    "data": 8.0,
    "expert": 12.0,
    "latent": 12.0,
    "linear": 12.0,
    "brief": 12.0,
    "apart": 1.0,
    "age": 12.0,
}
"""Of differences between kinds, chosen on held-out models, systems and days: looser ones describe the rows better and
predict new ones worse."""
FIRST_STIFFNESS: Mapping[str, float] = {
    **STIFFNESS,
    "tensorrt-llm": 2.0,
    "vllm": 2.0,
    "sglang": 2.0,
    "blackwell": 10.0,
    "below8": 10.0,
    "mixture": 4.0,
    "linear": 6.0,
    "expert": 8.0,
    "age": 20.0,
}
"""Of TTFT: engines queue prompts each in their way."""


@dataclass(frozen=True)
class Specification:
    """One target."""

    priors: Mapping[str, float]
    """Factor of every term."""
    kernels: tuple[Kernel, ...]
    noise: float
    """Of a logarithm: what repeats and versions differ by."""
    delta: float
    """Residual (of a logarithm) from which rows count linearly: see `solve`."""
    stiffnesses: Mapping[str, float]

    @property
    def terms(self) -> tuple[str, ...]:
        """In the order of the coefficients."""
        return tuple(self.priors)

    def centre(self) -> Vector:
        """Design x terms."""
        found = np.zeros((len(DESIGN), len(self.priors)))
        found[0] = [log(factor) for factor in self.priors.values()]
        return found

    def stiffness(self) -> Vector:
        """Design x terms."""
        column = np.array([BASE_STIFFNESS, *(self.stiffnesses[kind] for kind in DESIGN[1:])])
        return np.tile(column[:, None], (1, len(self.priors)))


def _kernel(group: str, amplitude: float, **scales: float) -> Kernel:
    return Kernel(group, amplitude, scales)


_KINDS: Mapping[str, float] = {
    "bits": 2.3,
    "is_data": 2.5,
    "is_expert": 4.9,
    "is_blackwell": 2.0,
    "is_tensorrt-llm": 3.8,
    "is_vllm": 3.2,
    "is_sglang": 3.9,
}
_NETWORK: Mapping[str, float] = {
    "active": 2.4,
    "weights": 1.8,
    "is_mixture": 0.6,
    "is_latent": 0.8,
    "is_linear": 0.5,
    "layers": 0.6,
    "hidden": 1.2,
}
"""A third of the likeliest: what one network leaves says less of another than it seems to where models are few."""
_LOAD: Mapping[str, float] = {"requests": 3.0, "context": 9.0, "output": 11.0, "accelerators": 3.8}
_MIXED: Mapping[str, float] = {"bits": 2.4, "is_blackwell": 2.3, "is_data": 2.2, "is_expert": 2.5}
_ALIKE: Mapping[str, float] = {"bandwidth": 0.3, "speed16": 0.4}
"""In powers of two: accelerators a tenth apart behave alike, H100 and H200 (half a power) already less."""
_FIRST: Mapping[str, float] = {
    "requests": 6.3,
    "context": 3.9,
    "output": 9.4,
    "accelerators": 3.0,
    "bits": 5.5,
    "is_data": 0.7,
    "is_expert": 5.0,
    "is_blackwell": 0.7,
    "is_tensorrt-llm": 2.9,
    "is_vllm": 2.8,
    "is_sglang": 4.3,
    "active": 8.8,
    "weights": 6.7,
    "is_mixture": 2.2,
    "is_latent": 3.2,
    "is_linear": 2.1,
    "layers": 2.4,
    "hidden": 2.8,
}

TPOT = Specification(
    priors={
        "dense": 1.2,
        "output_matrix": 1.2,
        "experts_read": 1.6,
        "cache": 1.6,
        "arithmetic": 2.0,
        "attention": 2.7,
        "hops": 4.5,
        "exchange": 1.35,
        "launch": 4.5,
        "launch_experts": 4.5,
        "launch_linear": 4.5,
        "host": 1.0,
        "host_request": 1.0,
        "prefill_arithmetic": 1.8,
        "prefill_attention": 2.7,
        "prefill_read": 0.37,
        "prefill_exchange": 1.35,
        "prefill_launch": 1.0,
        "prefill_tokens": 1.0,
    },
    kernels=(
        _kernel(
            "all",
            0.15,
            share_weights=0.9,
            share_cache=0.36,
            share_links=1.1,
            share_overhead=0.4,
            share_prefill=0.9,
            **_LOAD,
            **_KINDS,
            **_NETWORK,
        ),
        _kernel("architecture", 0.06, requests=2.3, context=5.0, output=5.5, accelerators=3.9, **_KINDS),
        _kernel("family", 0.25, requests=7.6, context=13.0, output=9.0, accelerators=6.8, age=3.0, **_MIXED),
        _kernel(
            "kind",
            0.18,
            requests=3.4,
            context=11.6,
            output=5.4,
            accelerators=6.2,
            is_data=2.7,
            is_expert=0.6,
            age=3.0,
            **_ALIKE,
        ),
        _kernel("config", 0.02, requests=3.7, context=4.0, output=3.8),
        _kernel("run", 0.04, requests=13.0, context=14.0, output=14.0),
    ),
    noise=0.05,
    delta=0.05,
    stiffnesses=STIFFNESS,
)

TTFT = Specification(
    priors={
        "arithmetic": 2.0,
        "attention": 2.7,
        "read": 0.5,
        "exchange": 1.35,
        "launch": 20.0,
        "host": 15.0,
        "tokens": 2.0,
        "burst": 1.0,
        "contention": 1.0,
        "step": 0.7,
        "stream": 0.15,
        "chunks": 1.0,
        "turn": 0.03,
        "overflow": 1.0,
        "near": 0.3,
    },
    kernels=(
        _kernel(
            "all",
            0.2,
            share_prefill=0.6,
            share_overhead=0.7,
            share_burst=1.3,
            share_step=0.45,
            share_turn=0.7,
            share_overflow=0.4,
            pressure=3.9,
            **_FIRST,
        ),
        _kernel(
            "family",
            0.26,
            requests=7.3,
            context=2.8,
            output=3.0,
            accelerators=1.9,
            bits=4.8,
            is_blackwell=3.5,
            is_data=2.4,
            is_expert=4.1,
            age=1.7,
        ),
        _kernel(
            "kind",
            0.29,
            requests=2.3,
            context=3.7,
            output=13.0,
            accelerators=5.3,
            is_data=0.6,
            is_expert=0.5,
            age=1.7,
            **_ALIKE,
        ),
        _kernel("architecture", 0.2, requests=6, context=4, output=9, accelerators=3, age=3, **_KINDS),
        _kernel("config", 0.03, requests=2.2, context=1.9, output=3.4, pressure=1.4),
        _kernel("run", 0.044, requests=8.4, context=5.6, output=7.4),
    ),
    noise=0.07,
    delta=0.03,
    stiffnesses=FIRST_STIFFNESS,
)
