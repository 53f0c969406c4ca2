"""What a few measurements of a configuration on site say about its other loads. Pure.

The kernels that hold within one line and configuration, conditioned on what was measured over predicted there
(Rasmussen and Williams 2006, equation 2.23): no new fit, and without measurements nothing changes.
"""

from collections.abc import Sequence
from math import log2

import numpy as np

from inferfleet.performance.columns import Vector
from inferfleet.performance.model import Fitted, Kernel
from inferfleet.performance.types import Load

GROUPS = ("family", "kind", "config")
"""Of kernels: what is the same within one configuration."""
NOISE = 0.06
"""Of a logarithm: what one measurement repeats to."""


def corrections(fitted: Fitted, points: Sequence[tuple[Load, float]], loads: Sequence[Load]) -> Vector:
    """Factors for predictions of the loads; `points` are loads with measured over predicted."""
    if not points:
        return np.ones(len(loads))
    kernels = [kernel for kernel in fitted.kernels if kernel.group in GROUPS]
    at = [load for load, _ in points]
    left = np.log([ratio for _, ratio in points])
    near = _similarity(kernels, at, at) + NOISE**2 * np.eye(len(at))
    found: Vector = np.exp(_similarity(kernels, loads, at) @ np.linalg.solve(near, left))
    return found


def _similarity(kernels: Sequence[Kernel], a: Sequence[Load], b: Sequence[Load]) -> Vector:
    total = np.zeros((len(a), len(b)))
    left, right = _sizes(a), _sizes(b)
    for kernel in kernels:
        scale = np.array([kernel.scales.get(name, np.inf) for name in ("requests", "context", "output")])
        apart = (left[:, None, :] - right[None, :, :]) / scale
        total += kernel.amplitude**2 * np.exp(-0.5 * (apart**2).sum(2))
    return total


def _sizes(loads: Sequence[Load]) -> Vector:
    return np.array([[log2(x.concurrency), log2(x.input_tokens), log2(max(1, x.output_tokens))] for x in loads])
