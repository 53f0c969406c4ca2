"""A bounded correction of the need from the waits of users, where a class has a target for the first token alone. Pure.

Such a class is scaled by its utilization, which says nothing of queues. Where too many waited, more is asked for: only
once the last change has settled, and never beyond a bound, so that a target that no number of replicas can reach costs
a share and not the pool. Classes with a target between tokens have more to learn from: `late`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from inferfleet.scaling.arrivals import SPAN
from inferfleet.scaling.late import over
from inferfleet.scaling.signal import Buckets, Window

MOST = 1.3
GAIN = 0.01
"""Of each first token that came late; the promised share of late ones brings back as much as they added."""


@dataclass(frozen=True)
class Trim:
    """Factor on the need."""

    factor: float = 1.0
    at: float = -inf


def trimmed(
    known: Trim, windows: Iterable[Window], now: float, target: tuple[float, float], waits: str = "ttft"
) -> Trim:
    """The next correction; `target` is (seconds, share of requests that may take longer), `waits` the field of samples
    that it is about: the time to the first token, or that in the queue where it is all that replicas can change.
    """
    if now - known.at < SPAN:
        return known
    limit, allowed = target
    total = late = 0.0
    for window in windows:
        inside = [s for s in window if s.at >= now - SPAN and getattr(s, waits)]
        if len(inside) < 2:
            continue
        first, last = (getattr(s, waits) for s in (inside[0], inside[-1]))
        total += last[-1][1] - first[-1][1]
        if max(s.waiting - s.later_waiting for s in inside) > 0:  # without a queue nobody waits for a replica
            late += over(first, last, _bound(last, limit))
    return Trim(min(MOST, max(1.0, known.factor + GAIN * (late - allowed * total))), now)


def _bound(histogram: Buckets, limit: float) -> float:
    """The end of the bucket that the limit is in: who is in it may be in time."""
    return next((bound for bound, _ in histogram if bound >= limit), inf)
