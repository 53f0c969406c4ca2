"""What the sidecar answers on `/metrics`: the engine's readings less the sidecar's own requests, and what the scaler
needs beside them. Pure.

An engine whose series cannot be read gets none under the canonical names: zeros would look like an idle one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from inferfleet_runtime.contract import Metric
from inferfleet_runtime.engines.metric_names import COUNTERS, GAUGES, HISTOGRAMS
from inferfleet_runtime.engines.readings import Distribution, Readings
from inferfleet_runtime.sidecar.exposition import write

READABLE = "inferfleet:engine_metrics_readable"
HEALTHY = "inferfleet:engine_healthy"

Row = tuple[str, str, Mapping[str, float]]


@dataclass(frozen=True)
class Own:
    """Requests of the sidecar itself that the engine has counted since it began."""

    finished: Mapping[int, int] = field(default_factory=dict)
    """How many, by tokens generated."""
    prompt_tokens: int = 0
    running: int = 0

    @property
    def requests(self) -> int:
        """Finished ones."""
        return sum(self.finished.values())

    @property
    def tokens(self) -> int:
        """Generated."""
        return sum(tokens * count for tokens, count in self.finished.items())

    def with_one(self, prompt: int, tokens: int) -> "Own":
        """One more finished."""
        finished = dict(self.finished) | {tokens: self.finished.get(tokens, 0) + 1}
        return Own(finished, self.prompt_tokens + prompt, self.running)


@dataclass(frozen=True)
class Self:
    """What the sidecar knows of itself."""

    model: str
    slots: int
    capacity: float
    healthy: bool


@dataclass(frozen=True)
class Floor:
    """What was answered last: a counter must not fall because a request of ours is counted there and not yet here."""

    generated: float = 0.0
    """As the engine had it: it fell where the engine began anew."""
    counters: Mapping[str, float] = field(default_factory=dict)

    def raised(self, generated: float, counters: Mapping[str, float]) -> "Floor":
        """With newer counters, none of which is lower than before."""
        if generated < self.generated:
            return Floor(generated, counters)
        return Floor(generated, {name: max(value, self.counters.get(name, 0.0)) for name, value in counters.items()})


def exposition(about: Self, readings: Readings | None, own: Own, floor: Floor) -> tuple[str, Floor]:
    """The text, and the floor of the next; `readings`: None where the engine's could not be had."""
    usable = readings is not None and readings.usable
    rows: list[Row] = [
        (Metric.SLOTS, "gauge", {"": about.slots}),
        (Metric.CAPACITY, "gauge", {"": about.capacity}),
        (HEALTHY, "gauge", {"": float(about.healthy)}),
        (READABLE, "gauge", {"": float(usable)}),
    ]
    if readings is not None and usable:
        floor = floor.raised(readings.generated or 0.0, _counters(readings, own))
        rows += _engine(readings, own, floor.counters)
    return write(rows, about.model), floor


def _engine(readings: Readings, own: Own, counters: Mapping[str, float]) -> Iterator[Row]:
    for name in GAUGES:
        if name in readings.values:
            mine = own.running if name == Metric.REQUESTS_RUNNING else 0
            yield name, "gauge", {"": max(0.0, readings.values[name] - mine)}
    for name, value in counters.items():
        yield name, "counter", {"": value}
    yield Metric.REQUEST_SUCCESS, "counter", _finished(readings, own)
    for name in HISTOGRAMS:
        if name in readings.distributions and name != Metric.REQUEST_GENERATION_TOKENS:
            yield name, "histogram", _histogram(readings.distributions[name])
    yield Metric.REQUEST_GENERATION_TOKENS, "histogram", _histogram(_lengths(readings, own))


def _counters(readings: Readings, own: Own) -> dict[str, float]:
    """Clients' share of what was counted."""
    found = {name: readings.values[name] for name in COUNTERS if name in readings.values}
    found.pop(Metric.REQUEST_SUCCESS, None)  # which has reasons
    prompt = max(0.0, found.get(Metric.PROMPT_TOKENS, 0.0) - own.prompt_tokens)
    return found | {
        Metric.PROMPT_TOKENS: prompt,
        Metric.GENERATION_TOKENS: max(0.0, (readings.generated or 0.0) - own.tokens),
        Metric.ARRIVAL_REQUESTS: max(0.0, readings.arrived - own.requests - own.running),
        Metric.ARRIVAL_PROMPT_TOKENS: prompt,
    }


def _finished(readings: Readings, own: Own) -> dict[str, float]:
    """By reason; every request of the sidecar ends at its length."""
    counted = dict(readings.finished) or {"stop": readings.ended}
    reason = "length" if "length" in counted else next(iter(counted))
    counted[reason] = max(0.0, counted[reason] - own.requests)
    return {f'|finished_reason="{reason}"': count for reason, count in sorted(counted.items())}


def _lengths(readings: Readings, own: Own) -> Distribution:
    """Tokens of finished requests; made of totals where the engine has no such histogram."""
    found = readings.lengths

    def less(bound: str, count: float) -> float:
        return max(0.0, count - sum(n for tokens, n in own.finished.items() if tokens <= float(bound)))

    buckets = {bound: less(bound, count) for bound, count in found.buckets.items()}
    return Distribution(buckets, max(0.0, found.sum - own.tokens), max(0.0, found.count - own.requests))


def _histogram(found: Distribution) -> dict[str, float]:
    ordered = sorted(found.buckets.items(), key=lambda item: float(item[0]))
    buckets = {f'_bucket|le="{bound}"': count for bound, count in ordered}
    if "+Inf" not in found.buckets:
        buckets['_bucket|le="+Inf"'] = found.count
    return buckets | {"_sum": found.sum, "_count": found.count}
