"""A bounded correction of the need from latencies that users saw. Pure.

The step line says what should happen; where queues, imbalance or bursts make it worse, more is asked for. Only from
pods that ran all the time, only once the last change has settled, and never beyond its bounds, so that a target that no
number of replicas can reach costs a share and not the pool.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from inferfleet.scaling.arrivals import SPAN
from inferfleet.scaling.signal import Buckets, Window

MOST = 1.3
LEAST = 0.7
STEP = 0.02
"""Of one span in which too many first tokens came late."""
MEMORY = 3600.0
"""Seconds after which a third of a correction is left."""
FEW = 20
"""First tokens from which on a share of them means something."""


@dataclass(frozen=True)
class Trim:
    """Factor on the need."""

    factor: float = 1.0
    at: float = -inf


def trimmed(known: Trim, windows: Iterable[Window], now: float, target: tuple[float, float]) -> Trim:
    """The next correction; `target` is (seconds to the first token, share of requests that may take longer)."""
    if now - known.at < SPAN:
        return known
    limit, allowed = target
    total = late = 0.0
    for window in windows:
        inside = [s for s in window if s.at >= now - SPAN and s.ttft]
        if len(inside) >= 2 and max(s.waiting for s in inside) > 0:  # without a queue nobody waits for a replica
            counted, after = over(inside[0].ttft, inside[-1].ttft, limit)
            total, late = total + counted, late + after
    rested = 1.0 + (known.factor - 1.0) * (1 - SPAN / MEMORY)
    if total >= FEW and late / total > allowed:
        rested = min(MOST, known.factor + STEP)
    return Trim(rested, now)


def over(before: Buckets, after: Buckets, limit: float) -> tuple[float, float]:
    """(observations, how many above `limit`) between two states of a histogram; linear within a bucket."""
    known = dict(before)
    grown = [(bound, count - known.get(bound, 0.0)) for bound, count in after]
    if not grown or grown[-1][1] <= 0:
        return 0.0, 0.0
    lower, under = 0.0, 0.0
    for bound, count in grown:
        if limit <= bound:
            share = (limit - lower) / (bound - lower) if bound < inf else 1.0
            under += (count - under) * share if bound < inf else 0.0
            break
        lower, under = bound, count
    return grown[-1][1], grown[-1][1] - under
