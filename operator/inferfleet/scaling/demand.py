"""Demand of a workload in output tokens per second, from what reaches its pods. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from inferfleet.scaling.signal import Window, increase

SPAN = 10.0
"""Seconds over which arrivals are counted: five scrapes at the default interval."""
MAX_GROWTH = 2.0
"""A forecast is at most this many times what arrives now: a step is not a trend."""


@dataclass(frozen=True)
class Demand:
    """What a workload asks for."""

    tokens_per_second: float
    """Forecast arrivals at now + boot time, and the backlog spread over the boot time."""
    served: float
    """Output tokens per second that leave."""
    arrivals: float
    """Requests per second, refused ones included."""
    output_tokens: float
    """Mean output tokens of a request."""
    waiting: float
    """Requests in queues."""


def measure(windows: Iterable[Window], now: float, boot: float, typical_output: float) -> Demand:
    """Add up the pods of a workload.

    Arrivals count, not what is served: served tokens saturate exactly when more replicas are
    needed. `typical_output` (the class's median) stands in until requests have finished. The
    forecast continues the trend of two neighbouring spans for one boot time.
    """
    pods = tuple(windows)
    recent = _rate(pods, "arrivals", now - SPAN, now)
    before = _rate(pods, "arrivals", now - 2 * SPAN, now - SPAN)
    trend = max(0.0, recent - before) / SPAN if before else 0.0
    expected = min(recent + trend * boot, MAX_GROWTH * recent)
    finished = sum(increase(w, "finished") for w in pods)
    output = sum(increase(w, "finished_tokens") for w in pods) / finished if finished else typical_output
    waiting = sum(w[-1].waiting for w in pods if w)
    backlog = waiting * output / max(boot, SPAN)
    return Demand(
        tokens_per_second=expected * output + backlog,
        served=_rate(pods, "generated", now - SPAN, now),
        arrivals=recent,
        output_tokens=output,
        waiting=waiting,
    )


def _rate(pods: tuple[Window, ...], field: str, start: float, end: float) -> float:
    """Increase per second of all pods together, over the time that any of them was observed.

    Not the sum of their rates: a pod that has just joined was observed for a shorter time, and what it took
    over would count twice while the others' rates still remember the time before.
    """
    inside = [[s for s in window if start <= s.at <= end] for window in pods]
    times = [s.at for samples in inside for s in samples]
    seconds = max(times) - min(times) if times else 0.0
    return sum(increase(tuple(samples), field) for samples in inside) / seconds if seconds else 0.0
