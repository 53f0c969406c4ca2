"""What one pod's `/metrics` says, and rates over a window of such samples. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType

from prometheus_client.parser import text_string_to_metric_families

from inferfleet.planning.unit import Unit
from inferfleet_runtime.contract import Metric


Buckets = tuple[tuple[float, float], ...]
"""A histogram as exposed: (upper bound, observations up to it since the start), rising; the last bound is infinite."""


@dataclass(frozen=True)
class PodSample:
    """One scrape. Counters are totals since the pod started; `at` is seconds on the monotonic clock."""

    at: float
    arrivals: float
    """Requests, refused ones included."""
    generated: float
    """Output tokens."""
    finished: float
    """Requests that ended well."""
    finished_tokens: float
    """Output tokens of those."""
    running: float
    waiting: float
    slots: float
    capacity: float
    """Tokens per second (of its class's unit) that the pod measured of itself; 0 before it did."""
    prompted: float
    """Prompt tokens of requests that were answered."""
    arrived: float
    """Prompt tokens that came, those of refused requests included; estimated from their size."""
    kv_used: float = 0.0
    """Share of the KV cache that is taken, 0 to 1."""
    kv_tokens: float = 0.0
    """Tokens that the KV cache holds; 0: not told."""
    cached: float = 0.0
    """Prompt tokens that were found in the prefix cache (a counter)."""
    ttft: Buckets = ()
    """Time to the first token in seconds, of requests since the start."""
    itl: Buckets = ()
    """Seconds between tokens, since the start."""
    tpot: Buckets = ()
    """Mean seconds between the tokens of a request, of requests that ended since the start."""
    queued: Buckets = ()
    """Seconds that a request waited for a place in the batch, since the start."""


Window = tuple[PodSample, ...]
"""Samples of one pod, oldest first."""


@dataclass(frozen=True)
class Counters:
    """Fields of a sample in which tokens of one unit are counted."""

    done: str
    finished: str
    """Of requests that ended well."""
    arrived: str | None
    """As they come; None where only the answer tells how many they are."""


COUNTERS: Mapping[Unit, Counters] = MappingProxyType(
    {
        Unit.GENERATED: Counters("generated", "finished_tokens", None),
        Unit.PROMPT: Counters("prompted", "prompted", "arrived"),
    }
)

_FIELDS = {
    Metric.ARRIVAL_REQUESTS: "arrivals",
    Metric.GENERATION_TOKENS: "generated",
    f"{Metric.REQUEST_GENERATION_TOKENS}_count": "finished",
    f"{Metric.REQUEST_GENERATION_TOKENS}_sum": "finished_tokens",
    Metric.REQUESTS_RUNNING: "running",
    Metric.REQUESTS_WAITING: "waiting",
    Metric.SLOTS: "slots",
    Metric.CAPACITY: "capacity",
    Metric.PROMPT_TOKENS: "prompted",
    Metric.ARRIVAL_PROMPT_TOKENS: "arrived",
}


_SINCE_START = ("arrivals", "generated", "prompted")
"""Counters that a restart sets back, each of which may be the only one that grew before: while all was refused, say."""


def parse(text: str, at: float) -> PodSample:
    """Sum each metric over its labels. Raises ValueError for text that is no exposition, or lacks a metric."""
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if field := _FIELDS.get(sample.name):
                values[field] = values.get(field, 0.0) + sample.value
    missing = sorted(name for name, field in _FIELDS.items() if field not in values)
    if missing:
        raise ValueError(f"metrics without {', '.join(missing)}")
    if not all(map(isfinite, values.values())):
        raise ValueError("metrics that are not finite numbers")
    return PodSample(at=at, **values)


def extend(window: Window, sample: PodSample, span: float) -> Window:
    """The window with one more sample, cut to `span` seconds; a counter that fell starts a new window."""
    if window and any(getattr(sample, name) < getattr(window[-1], name) for name in _SINCE_START):
        return (sample,)
    return (*(s for s in window if s.at >= sample.at - span), sample)


def rate(window: Window, field: str, start: float, end: float) -> float:
    """Increase per second of a counter between `start` and `end`; 0 with fewer than two samples there."""
    inside = [s for s in window if start <= s.at <= end]
    if len(inside) < 2 or inside[-1].at == inside[0].at:
        return 0.0
    increase: float = getattr(inside[-1], field) - getattr(inside[0], field)
    return increase / (inside[-1].at - inside[0].at)


def increase(window: Window, field: str) -> float:
    """Growth of a counter over the whole window."""
    if not window:
        return 0.0
    total: float = getattr(window[-1], field) - getattr(window[0], field)
    return total
