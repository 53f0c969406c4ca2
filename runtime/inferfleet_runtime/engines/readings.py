"""A page of an engine, in canonical names and units. Pure: bytes to numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite, isnan, nan

from inferfleet_runtime.contract import Metric
from inferfleet_runtime.engines import page as pages
from inferfleet_runtime.engines.metric_names import HISTOGRAMS, MEANS, Names, Series, wanted
from inferfleet_runtime.engines.page import LabelSets, Sample

REQUIRED = (Metric.REQUESTS_RUNNING, Metric.REQUESTS_WAITING)
"""Without these an engine's series say nothing about its load."""
_INFINITE = "+Inf"

Samples = Mapping[str, list[Sample]]


@dataclass(frozen=True)
class Distribution:
    """A histogram summed over everything but its buckets."""

    buckets: Mapping[str, float] = field(default_factory=dict)
    """Cumulative, by `le`."""
    sum: float = 0.0
    count: float = 0.0

    def rising(self) -> tuple[tuple[float, float], ...]:
        """Upper bounds and what was counted up to them; the last bound is infinite."""
        found: dict[float, float] = {}
        for written, count in self.buckets.items():
            bound = float(written)
            found[bound] = found.get(bound, 0.0) + count
        found.setdefault(inf, self.count)
        return tuple(sorted(found.items()))


@dataclass(frozen=True)
class Readings:
    """What an engine said at one moment, in canonical units. What it does not say is absent."""

    values: Mapping[str, float]
    finished: Mapping[str, float]
    """Requests that have ended, by reason."""
    distributions: Mapping[str, Distribution]

    @property
    def usable(self) -> bool:
        """Whether load can be told from it."""
        return all(name in self.values for name in REQUIRED) and self.generated is not None

    @property
    def generated(self) -> float | None:
        """Tokens; of an engine that only counts those of finished requests, these."""
        lengths = self.distributions.get(Metric.REQUEST_GENERATION_TOKENS)
        return self.values.get(Metric.GENERATION_TOKENS, lengths.sum if lengths else None)

    @property
    def open(self) -> float:
        """Requests that run or wait."""
        return sum(self.values.get(name, 0.0) for name in REQUIRED)

    @property
    def ended(self) -> float:
        """Requests that ran to an end of any kind."""
        if self.finished:
            return sum(self.finished.values())
        names = (Metric.E2E_LATENCY, Metric.REQUEST_GENERATION_TOKENS, Metric.TTFT)
        return next((self.distributions[n].count for n in names if n in self.distributions), 0.0)

    @property
    def arrived(self) -> float:
        """Requests that came. Where an engine does not count them: those that have ended, are open or were refused.

        Missing then are those that gave up while they waited, where an engine does not count them as ended; and since
        gauges and counters change at different moments of a step, it may fall by some between two pages.
        """
        refused = self.values.get(Metric.REJECTED_REQUESTS, 0.0)
        return self.values.get(Metric.ARRIVAL_REQUESTS, self.ended + self.open + refused)

    @property
    def lengths(self) -> Distribution:
        """Tokens of finished requests; made of totals where the engine has no such histogram."""
        found = self.distributions.get(Metric.REQUEST_GENERATION_TOKENS)
        return found or Distribution({}, self.generated or 0.0, self.ended)


def read(page: bytes, series: Names, known: LabelSets | None = None) -> Readings:
    """Sum each metric over its labels. Raises ValueError for what is no exposition. `known`: as of `page.read`."""
    samples = pages.read(page, wanted(series), known)
    values: dict[str, float] = {}
    distributions: dict[str, Distribution] = {}
    for name, where in series.items():
        if name in HISTOGRAMS:
            one = _distribution(where, samples)
            if one:
                distributions[name] = one
        else:
            value = _value(where, samples, mean=name in MEANS)
            if value is not None:
                values[name] = value
    return Readings(values, _finished(series, samples), distributions)


def _value(series: Series, samples: Samples, mean: bool) -> float | None:
    for known in series.alternatives():
        numbers = _numbers(known, samples)
        if numbers:
            factors = _numbers(known.times, samples) if known.times else [1.0]
            total = sum(numbers) * known.scale * (sum(factors) / len(factors) if factors else nan)
            # what is no number, as a share of nothing is, was not told
            return (total / len(numbers) if mean else total) if isfinite(total) else None
    return None


def _numbers(series: Series, samples: Samples) -> list[float]:
    for name in series.names:
        if name in samples:
            fitting = [s for s in samples[name] if series.labels.items() <= s.labels.items()]
            if series.label is None:
                return [s.value for s in fitting]
            return [float(text) for s in fitting if (text := s.labels.get(series.label, "")).isdecimal()]
    return []


def _finished(series: Names, samples: Samples) -> dict[str, float]:
    found: dict[str, float] = {}
    for known in series[Metric.REQUEST_SUCCESS].alternatives() if Metric.REQUEST_SUCCESS in series else ():
        name = next((name for name in known.names if name in samples), None)
        for sample in samples[name] if name else ():
            reason = sample.labels.get("finished_reason", "stop")
            found[reason] = found.get(reason, 0.0) + sample.value
        if found:
            break
    return found


def _distribution(series: Series, samples: Samples) -> Distribution | None:
    for known in series.alternatives():
        for name in known.names:
            counts, sums = samples.get(f"{name}_count"), samples.get(f"{name}_sum")
            if counts and sums:
                buckets: dict[str, float] = {}
                for sample in samples.get(f"{name}_bucket", ()):
                    bound = scaled(_bound(sample), known.scale)
                    buckets[bound] = buckets.get(bound, 0.0) + sample.value
                total = sum(s.value for s in sums) * known.scale
                found = Distribution(buckets, total, sum(s.value for s in counts))
                return found if all(map(isfinite, (*buckets.values(), found.sum, found.count))) else None
    return None


def _bound(sample: Sample) -> str:
    """The label `le`. Raises ValueError for a bucket without one, or with one that is no number."""
    bound = sample.labels.get("le", "")
    if isnan(float(bound)):
        raise ValueError("a bucket whose upper bound is not a number")
    return bound


def scaled(bound: str, scale: float) -> str:
    """A bucket's upper bound in another unit; infinity is the same in all."""
    return bound if scale == 1.0 or bound == _INFINITE else f"{float(bound) * scale:.12g}"
