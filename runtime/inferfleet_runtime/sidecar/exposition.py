"""An engine's series under the canonical names. Pure: text to numbers, numbers to text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from inferfleet_runtime.contract import Metric
from inferfleet_runtime.engines.vendors.vendor import CANONICAL, Series

GAUGES = (Metric.REQUESTS_RUNNING, Metric.REQUESTS_WAITING, Metric.KV_CACHE_USAGE)
HISTOGRAMS = tuple(name for name in CANONICAL if name not in GAUGES and not name.endswith("_total"))
COUNTERS = (*(name for name in CANONICAL if name.endswith("_total")), Metric.REJECTED_REQUESTS)
REQUIRED = (Metric.REQUESTS_RUNNING, Metric.REQUESTS_WAITING)
"""Without these an engine's series say nothing about its load."""


@dataclass(frozen=True)
class Distribution:
    """A histogram summed over everything but its buckets."""

    buckets: Mapping[str, float] = field(default_factory=dict)
    """Cumulative, by `le`."""
    sum: float = 0.0
    count: float = 0.0


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


def read(text: str, series: Mapping[str, Series]) -> Readings:
    """Raises ValueError for what is no exposition."""
    samples: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    values: dict[str, float] = {}
    for name in (*GAUGES, *COUNTERS):
        if found := _samples(name, series, samples):
            total = sum(s.value for s in found) * series[name].scale
            # engines of one pod share its load: their caches are averaged, everything else adds up
            values[name] = total / len(found) if name == Metric.KV_CACHE_USAGE else total
    distributions = {name: one for name in HISTOGRAMS if (one := _distribution(name, series, samples))}
    return Readings(values, _finished(series, samples), distributions)


def _samples(name: str, series: Mapping[str, Series], samples: Mapping[str, list[Sample]]) -> list[Sample]:
    known = series.get(name)
    for candidate in known.names if known else ():
        if candidate in samples:
            assert known
            return [s for s in samples[candidate] if known.labels.items() <= s.labels.items()]
    return []


def _finished(series: Mapping[str, Series], samples: Mapping[str, list[Sample]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for sample in _samples(Metric.REQUEST_SUCCESS, series, samples):
        reason = sample.labels.get("finished_reason", "stop")
        found[reason] = found.get(reason, 0.0) + sample.value
    return found


def _distribution(name: str, series: Mapping[str, Series], samples: Mapping[str, list[Sample]]) -> Distribution | None:
    known = series.get(name)
    for candidate in known.names if known else ():
        if counts := samples.get(f"{candidate}_count"):
            assert known
            buckets: dict[str, float] = {}
            for sample in samples.get(f"{candidate}_bucket", ()):
                bound = scaled(_bound(sample), known.scale)
                buckets[bound] = buckets.get(bound, 0.0) + sample.value
            total = sum(s.value for s in samples.get(f"{candidate}_sum", ())) * known.scale
            return Distribution(buckets, total, sum(s.value for s in counts))
    return None


def _bound(sample: Sample) -> str:
    """The label `le`. Raises ValueError for a bucket without one, or with one that is no number."""
    bound = sample.labels.get("le", "")
    float(bound)
    return bound


def scaled(bound: str, scale: float) -> str:
    """A bucket's upper bound in another unit; infinity is the same in all."""
    return bound if scale == 1.0 or bound == "+Inf" else f"{float(bound) * scale:.12g}"


def write(series: Iterable[tuple[str, str, Mapping[str, float]]], model: str) -> str:
    """Text of (name, type, value by further labels); the label `model_name` is added."""
    lines = []
    for name, kind, values in series:
        lines.append(f"# TYPE {name} {kind}")
        for labels, value in values.items():
            suffix, _, more = labels.partition("|")
            inside = f'model_name="{model}"' + (f",{more}" if more else "")
            lines.append(f"{name}{suffix}{{{inside}}} {value:.12g}")
    return "\n".join(lines) + "\n"
