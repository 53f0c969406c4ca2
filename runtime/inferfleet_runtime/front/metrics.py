"""The runtime's metrics on an injected registry: vLLM's names, labels and buckets where vLLM has them."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from inferfleet_runtime.contract import Metric
from inferfleet_runtime.front.later import Later

# Buckets as in vLLM (v1/metrics/loggers.py), so that one dashboard fits both.
_TTFT = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TTFT_BUCKETS = (*_TTFT, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0)
_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TOKEN_BUCKETS = (*_TOKEN, 20.0, 40.0, 80.0)
_REQUEST = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0)
_REQUEST_BUCKETS = (*_REQUEST, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0)

FINISHED = ("stop", "length")
"""Values of `finished_reason` that exist before anything has finished; `tool_calls` counts as `stop`."""

MOST_TENANTS = 200
"""Tenants with series of their own; those that come later share the name `other`."""
_OTHERS = "other"


class Metrics:
    """All series of one model, present and zero from the start."""

    def __init__(self, registry: CollectorRegistry, model: str, context_tokens: int) -> None:
        """Register every metric for the label `model_name`."""
        self.registry = registry
        self._model = model
        self.prompt_tokens = self._counter(Metric.PROMPT_TOKENS, "Prompt tokens processed.")
        self.generation_tokens = self._counter(Metric.GENERATION_TOKENS, "Tokens generated.")
        self.arrivals = self._counter(Metric.ARRIVAL_REQUESTS, "Well-formed requests, refused ones included.")
        self.arrival_prompt_tokens = self._counter(
            Metric.ARRIVAL_PROMPT_TOKENS,
            "Prompt tokens of those, estimated from their size on arrival and never below what was counted.",
        )
        self.later = Later(registry, model)
        self.rejected = self._counter(Metric.REJECTED_REQUESTS, "Requests refused because the queue was full.")
        self.slots = self._gauge(Metric.SLOTS, "Requests that decode at once.")
        self.capacity = self._gauge(
            Metric.CAPACITY,
            "Tokens per second with every slot busy (of what embeds prompt tokens), measured before readiness.",
        )
        self.running = self._gauge(Metric.REQUESTS_RUNNING, "Requests that hold a slot.")
        self.waiting = self._gauge(Metric.REQUESTS_WAITING, "Requests in the queue.")
        self.kv_usage = self._gauge(Metric.KV_CACHE_USAGE, "Share of the KV cache in use, 0 to 1.")
        self.kv_tokens = self._gauge(Metric.KV_CACHE_TOKENS, "Tokens that the KV cache holds.")
        self.ttft = self._histogram(Metric.TTFT, "Arrival to first token, queue included, in seconds.", _TTFT_BUCKETS)
        self.inter_token = self._histogram(
            Metric.INTER_TOKEN_LATENCY, "Time between two tokens of a request in seconds.", _TOKEN_BUCKETS
        )
        self.per_token = self._histogram(
            Metric.REQUEST_TPOT, "Mean time between the tokens of a finished request in seconds.", _TOKEN_BUCKETS
        )
        self.end_to_end = self._histogram(Metric.E2E_LATENCY, "Arrival to last token in seconds.", _REQUEST_BUCKETS)
        self.queue_time = self._histogram(Metric.QUEUE_TIME, "Arrival to a free slot in seconds.", _REQUEST_BUCKETS)
        self.inference_time = self._histogram(
            Metric.INFERENCE_TIME, "Time in which a finished request held a slot, in seconds.", _REQUEST_BUCKETS
        )
        self.request_tokens = self._histogram(
            Metric.REQUEST_GENERATION_TOKENS, "Tokens generated per finished request.", powers(context_tokens)
        )
        self._success = Counter(
            Metric.REQUEST_SUCCESS,
            "Requests that ended well.",
            ["model_name", "finished_reason"],
            registry=registry,
        )
        for reason in FINISHED:
            self._success.labels(model, reason)
        self._tenants = _Tenants(registry, model)

    def succeeded(self, reason: str) -> None:
        """Count a request that ended well."""
        self._success.labels(self._model, reason if reason in FINISHED else "stop").inc()

    def charge(self, tenant: str, prompt: int, generated: float) -> None:
        """Count what a tenant has used, for its budget."""
        self._tenants.charge(tenant, prompt, generated)

    def arrived(self, prompt_tokens: float, *, later: bool) -> None:
        """A well-formed request came, whether there is room for it or not; `later`: one that may wait."""
        self.arrivals.inc()
        self.arrival_prompt_tokens.inc(prompt_tokens)
        if later:
            self.later.arrived(prompt_tokens)

    @staticmethod
    def took(histogram: Histogram, seconds: float, *, later: bool) -> None:
        """A time of a request. Of one that may wait it is nobody's measure."""
        if not later:
            histogram.observe(seconds)

    def follow(self, counters: Callable[[], Mapping[str, float]]) -> None:
        """Publish at each scrape what the engine has counted itself, by name."""
        self.registry.register(_Followed(counters, self._model))

    def watch(self, running: Callable[[], float], waiting: Callable[[], float], kv: Callable[[], float]) -> None:
        """Read these gauges from their source at each scrape."""
        self.running.set_function(running)
        self.waiting.set_function(waiting)
        self.kv_usage.set_function(kv)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, ["model_name"], registry=self.registry).labels(self._model)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, ["model_name"], registry=self.registry).labels(self._model)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        family = Histogram(name, text, ["model_name"], registry=self.registry, buckets=buckets)
        return family.labels(self._model)


class _Tenants:
    """What each of them has used."""

    def __init__(self, registry: CollectorRegistry, model: str) -> None:
        self._model, self._names = model, set[str]()
        labels = ["model_name", "tenant"]
        self._prompt = Counter(Metric.TENANT_PROMPT_TOKENS, "Prompt tokens of a tenant.", labels, registry=registry)
        text = "Tokens generated for a tenant."
        self._generation = Counter(Metric.TENANT_GENERATION_TOKENS, text, labels, registry=registry)

    def charge(self, tenant: str, prompt: int, generated: float) -> None:
        if len(self._names) < MOST_TENANTS:
            self._names.add(tenant)
        name = tenant if tenant in self._names else _OTHERS
        self._prompt.labels(self._model, name).inc(prompt)
        self._generation.labels(self._model, name).inc(generated)


class _Followed(Collector):
    """Counters that are kept elsewhere."""

    def __init__(self, counters: Callable[[], Mapping[str, float]], model: str) -> None:
        self._counters, self._model = counters, model

    def collect(self) -> Iterator[CounterMetricFamily]:
        """One family for each counter."""
        for name, value in self._counters().items():
            family = CounterMetricFamily(name, "Counted by the engine.", labels=["model_name"])
            family.add_metric([self._model], value)
            yield family


def powers(limit: int) -> tuple[float, ...]:
    """1, 2, 5, 10, 20, ... up to `limit`, as vLLM's buckets of token counts."""
    steps = (mantissa * 10**exponent for exponent in range(len(str(limit))) for mantissa in (1, 2, 5))
    return tuple(float(step) for step in steps if step <= limit)
