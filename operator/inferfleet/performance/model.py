"""The fitted model: positive sums of terms, and a Gaussian process over what they leave. Pure.

Time = sum over terms of term * exp(design @ coefficients): every coefficient is positive, and differs between kinds of
setups (`design`) only as far as the data insist, since those differences were shrunk. What is left, in logarithms, is
similar where setups and loads are similar: a sum of kernels, each over rows of one group (the same architecture,
engine, configuration, ...), carries it over (Rasmussen and Williams 2006, chapter 2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inferfleet.performance.columns import Columns, Vector
from inferfleet.performance.terms import Terms, capacity

ENGINES = ("tensorrt-llm", "vllm", "sglang")
DESIGN = (
    "all",
    *ENGINES,
    "blackwell",
    "mixture",
    "unmarked",
    "below8",
    "above8",
    "data",
    "expert",
    "latent",
    "linear",
    "brief",
    "apart",
    "age",
)
"""Kinds of setups whose coefficients may differ."""
EXPONENT_LIMIT = 12.0
AGES = 3.0
"""Months of software that count as one difference in kind."""
Groups = Mapping[str, NDArray[np.int64]]
"""Of every row, by kind of group, a number that stands for its label."""


@dataclass(frozen=True)
class Kernel:
    """a^2 exp(-d^2 / 2) between rows of one group, d scaled by feature; group `all`: between all rows."""

    group: str
    amplitude: float
    scales: Mapping[str, float]


@dataclass(frozen=True)
class Fitted:
    """One target (TPOT or TTFT)."""

    terms: tuple[str, ...]
    coefficients: Vector
    """Design x terms."""
    kernels: tuple[Kernel, ...]
    weights: Vector
    """Of the rows that it was fitted on: K^-1 times their residuals."""


def design(c: Columns, engines: Sequence[str]) -> Vector:
    """One row a setup, one column a kind of `DESIGN`."""
    engine = np.array(engines)
    found = [np.ones(len(engine)), *((engine == name).astype(float) for name in ENGINES)]
    flags = (
        _blackwell(c),
        c["experts"] > 0,
        c["unmarked"] > 0,
        c["bits"] < 8,
        c["bits"] > 8,
        c["data"] > 1,
        c["expert"] > 1,
        c["latent"] > 0,
        c["linear_layers"] > 0,
        c["brief"] > 0,
        c["apart"] > 0,
    )
    return np.column_stack([*found, *(flag.astype(float) for flag in flags), c["age"] / AGES])


def _blackwell(c: Columns) -> NDArray[np.bool_]:
    """Accelerators above 2 PFLOP/s with 16 bits: newer kernels and links, which the peaks do not tell."""
    found: NDArray[np.bool_] = c["speed16"] > 2e15
    return found


def parts(terms: Terms, names: Sequence[str], kinds: Vector, coefficients: Vector) -> Vector:
    """Seconds of every term, one row a setup."""
    ideal = np.column_stack([terms[name] for name in names])
    found: Vector = ideal * np.exp(np.clip(kinds @ coefficients, -EXPONENT_LIMIT, EXPONENT_LIMIT))
    return found


def features(c: Columns, engines: Sequence[str], seconds: Vector, shares: Terms) -> Columns:
    """What the kernels measure distances in: logarithms of sizes, shares of a time, kinds as 0 and 1."""
    engine = np.array(engines)
    kinds = {f"is_{name}": (engine == name).astype(float) for name in ENGINES}
    sizes = {
        "requests": np.log2(c["requests"]),
        "context": np.log2(c["context"]),
        "output": np.log2(c["output"]),
        "accelerators": np.log2(c["accelerators"]),
        "active": np.log2(c["active"]),
        "weights": np.log2(c["dense_bytes"] + c["expert_bytes"]),
        "layers": np.log2(c["layers"]),
        "hidden": np.log2(c["hidden"]),
        "bandwidth": np.log2(c["bandwidth"]),
        "speed16": np.log2(c["speed16"]),
        "seconds": np.log(seconds),
        "pressure": np.clip(np.log2(c["requests"] / capacity(c)), -3.0, 3.0),
    }
    flags = {
        "bits": c["bits"] / 4,
        "is_blackwell": _blackwell(c).astype(float),
        "is_data": (c["data"] > 1).astype(float),
        "is_expert": (c["expert"] > 1).astype(float),
        "is_mixture": (c["experts"] > 0).astype(float),
        "is_latent": (c["latent"] > 0).astype(float),
        "is_linear": (c["linear_layers"] > 0).astype(float),
        "unmarked": c["unmarked"],
        "is_brief": c["brief"],
        "is_apart": c["apart"],
        "age": c["age"],
    }
    return {**sizes, **flags, **kinds, **{f"share_{name}": share for name, share in shares.items()}}


def similarity(kernels: Sequence[Kernel], a: tuple[Columns, Groups], b: tuple[Columns, Groups]) -> Vector:
    """Sum of the kernels between the rows of `a` and those of `b`."""
    (left, left_groups), (right, right_groups) = a, b
    total = np.zeros((len(left["requests"]), len(right["requests"])))
    for kernel in kernels:
        x = np.column_stack([left[name] / scale for name, scale in kernel.scales.items()])
        y = np.column_stack([right[name] / scale for name, scale in kernel.scales.items()])
        square = (x * x).sum(1)[:, None] + (y * y).sum(1)[None] - 2 * x @ y.T
        near = kernel.amplitude**2 * np.exp(-0.5 * np.maximum(square, 0.0))
        if kernel.group != "all":
            near = near * (left_groups[kernel.group][:, None] == right_groups[kernel.group][None])
        total += near
    return total
