"""Demand of a workload in output tokens per second, from what reaches its pods. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from inferfleet.scaling.signal import Window, increase, rate

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
    recent = sum(rate(w, "arrivals", now - SPAN, now) for w in pods)
    before = sum(rate(w, "arrivals", now - 2 * SPAN, now - SPAN) for w in pods)
    trend = max(0.0, recent - before) / SPAN if before else 0.0
    expected = min(recent + trend * boot, MAX_GROWTH * recent)
    finished = sum(increase(w, "finished") for w in pods)
    output = sum(increase(w, "finished_tokens") for w in pods) / finished if finished else typical_output
    waiting = sum(w[-1].waiting for w in pods if w)
    backlog = waiting * output / max(boot, SPAN)
    return Demand(
        tokens_per_second=expected * output + backlog,
        served=sum(rate(w, "generated", now - SPAN, now) for w in pods),
        arrivals=recent,
        output_tokens=output,
        waiting=waiting,
    )
