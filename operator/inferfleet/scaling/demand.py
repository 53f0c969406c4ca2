"""Demand of a workload in tokens per second of its class's unit, from what reaches its pods. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from inferfleet.planning.unit import Unit
from inferfleet.scaling.signal import COUNTERS, Window, increase

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
    """Tokens per second that are done."""
    arrivals: float
    """Requests per second, refused ones included."""
    request_tokens: float
    """Mean tokens of a request."""
    waiting: float
    """Requests in queues."""


def measure(windows: Iterable[Window], now: float, boot: float, typical: float, unit: Unit) -> Demand:
    """Add up the pods of a workload.

    Arrivals count, not what is served: served tokens saturate exactly when more replicas are
    needed. `typical` (the class's median) stands in for a request's tokens until some have finished.
    """
    pods, counters = tuple(windows), COUNTERS[unit]
    finished = sum(increase(w, "finished") for w in pods)
    tokens = sum(increase(w, counters.finished) for w in pods) / finished if finished else typical
    waiting = sum(w[-1].waiting for w in pods if w)
    arriving = _forecast(pods, counters.arrived or "arrivals", now, boot) * (1 if counters.arrived else tokens)
    return Demand(
        tokens_per_second=arriving + waiting * tokens / max(boot, SPAN),
        served=_rate(pods, counters.done, now - SPAN, now),
        arrivals=_rate(pods, "arrivals", now - SPAN, now),
        request_tokens=tokens,
        waiting=waiting,
    )


def _forecast(pods: tuple[Window, ...], field: str, now: float, boot: float) -> float:
    """The rate of a counter at now + `boot`: the trend of two neighbouring spans goes on, but not without bound."""
    recent = _rate(pods, field, now - SPAN, now)
    before = _rate(pods, field, now - 2 * SPAN, now - SPAN)
    trend = max(0.0, recent - before) / SPAN if before else 0.0
    return min(recent + trend * boot, MAX_GROWTH * recent)


def _rate(pods: tuple[Window, ...], field: str, start: float, end: float) -> float:
    """Increase per second of all pods together, over the time that any of them was observed.

    Not the sum of their rates: a pod that has just joined was observed for a shorter time, and what it took
    over would count twice while the others' rates still remember the time before.
    """
    inside = [[s for s in window if start <= s.at <= end] for window in pods]
    times = [s.at for samples in inside for s in samples]
    seconds = max(times) - min(times) if times else 0.0
    return sum(increase(tuple(samples), field) for samples in inside) / seconds if seconds else 0.0
