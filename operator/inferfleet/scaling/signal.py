"""What one pod's `/metrics` says, and rates over a window of such samples. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType

from inferfleet.planning.unit import Unit
from inferfleet_runtime.contract import Metric
from inferfleet_runtime.engines.metric_names import LATER, OWN, Names
from inferfleet_runtime.engines.page import LabelSets
from inferfleet_runtime.engines.readings import Readings, read

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
    inference: Buckets = ()
    """Seconds in which a request held a slot, of requests that ended well since the start."""
    inference_seconds: float = 0.0
    """The same added up (a counter)."""
    work: float = 0.0
    """Seconds of the engine that arrivals ask for (a counter); 0 where it is not told: where several are served at once
    a request has no such seconds of its own."""
    queued_work: float = 0.0
    """The same of what waits."""
    later_arrivals: float = 0.0
    """Among the arrivals those that may wait for a deadline: they go after the others, and are in no histogram."""
    later_arrived: float = 0.0
    """Prompt tokens of those that came."""
    later_finished: float = 0.0
    later_finished_tokens: float = 0.0
    later_waiting: float = 0.0


Window = tuple[PodSample, ...]
"""Samples of one pod, oldest first."""


@dataclass(frozen=True)
class GatewaySample:
    """What a gateway counted for one workload, over all its pods and before any of them. Totals since it started."""

    at: float
    """Seconds on the clock of `PodSample.at`."""
    requests: float
    """Refused ones included."""
    prompt_tokens: float
    held: float
    """Requests that wait there for a pod: none is ready, or all are full."""


GatewayWindow = tuple[GatewaySample, ...]
"""Samples of one workload, oldest first; empty where there is no gateway."""


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

_LENGTHS = Metric.REQUEST_GENERATION_TOKENS
_REQUIRED = (
    Metric.ARRIVAL_REQUESTS,
    Metric.GENERATION_TOKENS,
    Metric.REQUESTS_RUNNING,
    Metric.REQUESTS_WAITING,
    Metric.SLOTS,
    Metric.CAPACITY,
    Metric.PROMPT_TOKENS,
    Metric.ARRIVAL_PROMPT_TOKENS,
)
_OPTIONAL = (
    Metric.KV_CACHE_USAGE,
    Metric.KV_CACHE_TOKENS,
    Metric.PREFIX_CACHE_HITS,
    Metric.TTFT,
    Metric.INTER_TOKEN_LATENCY,
    Metric.REQUEST_TPOT,
    Metric.QUEUE_TIME,
    Metric.INFERENCE_TIME,
    Metric.ARRIVAL_WORK_SECONDS,
    Metric.QUEUED_WORK_SECONDS,
    *LATER,
)
_NEEDED: Names = MappingProxyType({name: OWN[name] for name in (*_REQUIRED, *_OPTIONAL, _LENGTHS)})

_SINCE_START = ("arrivals", "generated", "prompted")
"""Counters that a restart sets back, each of which may be the only one that grew before: while all was refused, say."""


def parse(page: bytes, at: float, known: LabelSets | None = None) -> PodSample:
    """What a pod of ours, or the sidecar beside an engine, said at `at`; each metric is summed over its labels.

    Raises ValueError for what is no exposition, and by name for metrics that are missing or no finite numbers. What
    not every engine tells, the KV cache and latencies, keeps its default then. `known`, the same at every call, makes
    it faster, and is filled.
    """
    found = read(page, _NEEDED, known)
    values = found.values
    missing = sorted(name for name in _REQUIRED if name not in values)
    missing += [] if _LENGTHS in found.distributions else [f"{_LENGTHS}_sum", f"{_LENGTHS}_count"]
    if missing:
        raise ValueError(f"metrics without a finite number for {', '.join(missing)}")
    lengths = found.distributions[_LENGTHS]
    return PodSample(
        at=at,
        arrivals=values[Metric.ARRIVAL_REQUESTS],
        generated=values[Metric.GENERATION_TOKENS],
        finished=lengths.count,
        finished_tokens=lengths.sum,
        running=values[Metric.REQUESTS_RUNNING],
        waiting=values[Metric.REQUESTS_WAITING],
        slots=values[Metric.SLOTS],
        capacity=values[Metric.CAPACITY],
        prompted=values[Metric.PROMPT_TOKENS],
        arrived=values[Metric.ARRIVAL_PROMPT_TOKENS],
        kv_used=values.get(Metric.KV_CACHE_USAGE, 0.0),
        kv_tokens=values.get(Metric.KV_CACHE_TOKENS, 0.0),
        cached=values.get(Metric.PREFIX_CACHE_HITS, 0.0),
        ttft=_buckets(found, Metric.TTFT),
        itl=_buckets(found, Metric.INTER_TOKEN_LATENCY),
        tpot=_buckets(found, Metric.REQUEST_TPOT),
        queued=_buckets(found, Metric.QUEUE_TIME),
        inference=_buckets(found, Metric.INFERENCE_TIME),
        inference_seconds=_sum(found, Metric.INFERENCE_TIME),
        work=values.get(Metric.ARRIVAL_WORK_SECONDS, 0.0),
        queued_work=values.get(Metric.QUEUED_WORK_SECONDS, 0.0),
        later_arrivals=values.get(Metric.LATER_ARRIVAL_REQUESTS, 0.0),
        later_arrived=values.get(Metric.LATER_ARRIVAL_PROMPT_TOKENS, 0.0),
        later_finished=values.get(Metric.LATER_FINISHED_REQUESTS, 0.0),
        later_finished_tokens=values.get(Metric.LATER_FINISHED_TOKENS, 0.0),
        later_waiting=values.get(Metric.LATER_WAITING, 0.0),
    )


def _buckets(found: Readings, name: str) -> Buckets:
    return found.distributions[name].rising() if name in found.distributions else ()


def _sum(found: Readings, name: str) -> float:
    return found.distributions[name].sum if name in found.distributions else 0.0


def ages(windows: Mapping[str, Window], now: float) -> dict[str, float]:
    """Seconds since each pod was heard; infinite for one that never was.

    A pod whose engine hangs is heard, and its counters stand still: that is not told here, since those of a pod that
    works on one long prompt do, too. The pod's own liveness check restarts it.
    """
    return {pod: now - window[-1].at if window else inf for pod, window in windows.items()}


def extend(window: Window, sample: PodSample, span: float) -> Window:
    """The window with one more sample, cut to `span` seconds; a counter that fell starts a new window."""
    if window and any(getattr(sample, name) < getattr(window[-1], name) for name in _SINCE_START):
        return (sample,)
    return (*(s for s in window if s.at >= sample.at - span), sample)


def all_alike(window: Window) -> Window:
    """Without telling apart who may wait: for a workload where there is no time by which they must be done, or one for
    all.
    """
    if not window or not window[-1].later_arrivals:
        return window
    return tuple(
        replace(
            s,
            later_arrivals=0.0,
            later_arrived=0.0,
            later_finished=0.0,
            later_finished_tokens=0.0,
            later_waiting=0.0,
        )
        for s in window
    )


def extend_gateway(window: GatewayWindow, sample: GatewaySample, span: float) -> GatewayWindow:
    """As `extend` for what a gateway counted."""
    if window and sample.requests < window[-1].requests:
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


def squares(before: Buckets, after: Buckets) -> float:
    """Sum of the squares of what came between two states of a histogram: even within a bucket, and what is above the
    last finite bound at it.
    """
    known = dict(before)
    lower = under = total = 0.0
    for bound, count in after:
        grown, end = count - known.get(bound, 0.0), bound if bound < inf else lower
        total += (grown - under) * (lower * lower + lower * end + end * end) / 3
        lower, under = end, grown
    return total
