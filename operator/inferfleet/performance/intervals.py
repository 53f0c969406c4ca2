"""Intervals in which 90 % of measurements are expected: quantiles of the errors on held-out rows, by regime. Pure.

Split-conformal prediction on logarithms (Lei et al. 2018, arXiv:1604.04173), Mondrian by regime and strain (Vovk et al.
2005): nothing is assumed of the errors but that new rows of a regime are like those held out.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from inferfleet.performance.columns import Vector
from inferfleet.performance.envelope import REGIMES
from inferfleet.performance.types import Interval

COVERAGE = 0.9
Limits = tuple[float, float, float, float]
"""Logarithms below and above, then the same where strained."""
Bounds = Mapping[str, Limits]
"""By regime."""
UNKNOWN = 3.0
"""Factor either way where nothing was measured: what physics alone was wrong by on hardware it had never seen."""
FEWEST = 40
"""Held-out rows that a quantile needs; with fewer the next farther regime's is taken."""


def quantiles(errors: Vector, level: float = COVERAGE) -> tuple[float, float]:
    """Below and above, with the correction for a finite sample: ceil((n + 1) q) / n."""
    n = len(errors)
    tail = (1 - level) / 2
    high = min(1.0, np.ceil((n + 1) * (1 - tail)) / n)
    return float(min(0.0, np.quantile(errors, 1 - high))), float(max(0.0, np.quantile(errors, high)))


def bounds(errors: Vector, regimes: Sequence[str], strained: Vector, level: float = COVERAGE) -> Bounds:
    """Of measured over predicted, in logarithms, on held-out rows."""
    found: dict[str, Limits] = {}
    names, wider = np.array(regimes), (-float(np.log(UNKNOWN)), float(np.log(UNKNOWN)))
    strained_wider = wider
    for name in reversed(REGIMES):
        calm, tense = errors[(names == name) & ~(strained > 0)], errors[(names == name) & (strained > 0)]
        wider = quantiles(calm, level) if len(calm) >= FEWEST else wider
        strained_wider = quantiles(tense, level) if len(tense) >= FEWEST else strained_wider
        found[name] = (*wider, *strained_wider)
    nothing, nearest = found[REGIMES[-1]], found[REGIMES[-2]]
    return {**found, REGIMES[-1]: _widest(nothing, nearest)}


def _widest(a: Limits, b: Limits) -> Limits:
    return min(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), max(a[3], b[3])


def interval(mid: float, regime: str, strained: bool, limits: Bounds) -> Interval:
    """Around a prediction."""
    calm_low, calm_high, tense_low, tense_high = limits[regime]
    low, high = (tense_low, tense_high) if strained else (calm_low, calm_high)
    return Interval(mid * float(np.exp(low)), mid, mid * float(np.exp(high)))


def wide(mid: float, factor: float = UNKNOWN) -> Interval:
    """Where only physics speaks."""
    return Interval(mid / factor, mid, mid * factor)
