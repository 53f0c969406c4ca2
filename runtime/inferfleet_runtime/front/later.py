"""What is counted of requests that may wait, beside the counters of all: replicas are not held ready for them."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from inferfleet_runtime.contract import Metric


class Later:
    """Present and zero from the start."""

    def __init__(self, registry: CollectorRegistry, model: str) -> None:
        """Register every metric for the label `model_name`."""

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, ["model_name"], registry=registry).labels(model)

        self._arrivals = counter(Metric.LATER_ARRIVAL_REQUESTS, "Of the arrivals those that may wait.")
        self._prompts = counter(Metric.LATER_ARRIVAL_PROMPT_TOKENS, "Prompt tokens of those, estimated.")
        self._finished = counter(Metric.LATER_FINISHED_REQUESTS, "Of those the ones that ended well.")
        self._tokens = counter(Metric.LATER_FINISHED_TOKENS, "Tokens generated for the ones that ended well.")
        self._waiting = Gauge(
            Metric.LATER_WAITING, "Of the requests in the queue those that may wait.", ["model_name"], registry=registry
        ).labels(model)

    def watch(self, waiting: Callable[[], float]) -> None:
        """Read the gauge from its source at each scrape."""
        self._waiting.set_function(waiting)

    def arrived(self, prompt_tokens: float) -> None:
        """One came, whether there is room for it or not."""
        self._arrivals.inc()
        self._prompts.inc(prompt_tokens)

    def longer(self, prompt_tokens: float) -> None:
        """One of those has so many more than it was taken to have."""
        self._prompts.inc(prompt_tokens)

    def finished(self, tokens: float) -> None:
        """One ended well."""
        self._finished.inc()
        self._tokens.inc(tokens)
