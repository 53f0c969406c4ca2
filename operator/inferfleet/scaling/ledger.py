"""Capacity of one replica: measured at start by the pod itself, corrected by what it reaches under load. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from statistics import median

from inferfleet.planning.types import Measured
from inferfleet.planning.unit import Unit
from inferfleet.scaling.arrivals import SPAN
from inferfleet.scaling.signal import COUNTERS, Window, rate

WEIGHT = 0.04
"""Of one round's observation against what is known. Rounds overlap: the five of one span move the value by a fifth."""
WORTH = 9.0
"""Independent spans that such a mean is worth in the end: (2 - u) / u with u = 1 / 5 for each."""
BOUNDS = (0.5, 2.0)
"""An observation is believed within these factors of the benchmark: outside, something else is wrong."""


def capacity(known: Measured | None, windows: Iterable[Window], now: float, unit: Unit) -> Measured | None:
    """The next value of the ledger, or None while nothing was measured."""
    pods = tuple(windows)
    benchmarks = [w[-1].capacity for w in pods if w and w[-1].capacity > 0]
    if not benchmarks:
        return known
    benchmark = median(benchmarks)
    base = known or Measured(benchmark, "Benchmarked")
    if base.source != "Observed":
        base = Measured(benchmark, "Benchmarked", learned=base.learned)
    observed = [rate(w, COUNTERS[unit].done, now - SPAN, now) for w in pods if saturated(w, now)]
    if not observed:
        return base
    value = base.tokens_per_second + WEIGHT * (median(observed) - base.tokens_per_second)
    low, high = BOUNDS
    worth = base.observations + WEIGHT * (WORTH - base.observations)
    value = min(max(value, low * benchmark), high * benchmark)
    return replace(base, tokens_per_second=value, source="Observed", observations=worth)


def saturated(window: Window, now: float) -> bool:
    """Whether requests waited in every sample of a whole span: only then is the rate the capacity.

    And only once every slot was used before: a cold start is no speed.
    """
    inside = [s for s in window if s.at >= now - SPAN]
    covered = len(inside) >= 3 and inside[-1].at - inside[0].at >= 0.6 * SPAN
    return (
        covered
        and inside[0].finished >= inside[0].slots
        and all(s.waiting > 0 and s.running >= s.slots for s in inside)
    )
