"""The operator's own metrics on an injected registry. Labels have as many values as the fleet has Models."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Replaced:
    """A gauge whose series are all set at once: those that are not given any more end."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._known: set[tuple[str, ...]] = set()

    def set_all(self, values: Mapping[tuple[str, ...], float]) -> None:
        """By the values of the labels."""
        for labels, value in values.items():
            self._gauge.labels(*labels).set(value)
        for labels in self._known - values.keys():
            self._gauge.remove(*labels)
        self._known = set(values)


class Metrics:
    """Every metric of the control plane."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.calls = Counter(
            "inferfleet_api_calls", "Calls to the API server.", ["verb", "kind", "code"], registry=registry
        )
        self.reconciles = Counter("inferfleet_reconciles", "Reconciles of Models.", ["result"], registry=registry)
        self.reconcile_seconds = Histogram(
            "inferfleet_reconcile_seconds",
            "Duration of a reconcile.",
            registry=registry,
            buckets=(0.001, 0.01, 0.1, 1, 10),
        )
        self.queue = Gauge("inferfleet_queue_depth", "Models that wait for a reconcile.", registry=registry)
        self.models = Gauge("inferfleet_models", "Models known.", registry=registry)
        self.scrapes = Counter("inferfleet_pod_scrapes", "Scrapes of model pods.", ["result"], registry=registry)
        self.leader = Gauge("inferfleet_leader", "1 while this process leads.", registry=registry)
        self.loop_seconds = Histogram(
            "inferfleet_scaling_loop_seconds",
            "Duration of one scaling round.",
            registry=registry,
            buckets=(0.01, 0.1, 0.5, 1, 5),
        )
        self.placing_seconds = Histogram(
            "inferfleet_placing_seconds",
            "Duration of one round of the placement program for the fleet.",
            registry=registry,
            buckets=(0.1, 0.5, 1, 5, 30),
        )
        self.placing_rounds = Counter(
            "inferfleet_placing_rounds", "Rounds of the placement program.", ["result"], registry=registry
        )
        self.placing_gap = Gauge(
            "inferfleet_placing_gap_ratio",
            "Share of the planned cost that is not proven to be needed, in the last round.",
            registry=registry,
        )
        self._of_models(registry)

    def _of_models(self, registry: CollectorRegistry) -> None:
        """What statuses say."""
        self.conditions = Replaced(
            Gauge(
                "inferfleet_model_condition",
                "Conditions of Models: 1 True, 0 False, -1 Unknown.",
                ["namespace", "model", "type"],
                registry=registry,
            )
        )
        self.replicas = Replaced(
            Gauge(
                "inferfleet_placement_replicas",
                "Replicas of placements, wanted and ready.",
                ["namespace", "model", "workload_class", "pool", "state"],
                registry=registry,
            )
        )
        self.costs = Replaced(
            Gauge(
                "inferfleet_placement_cost_dollars_per_million_tokens",
                "USD per million output tokens (embeddings: prompt tokens) of placements at planned utilization.",
                ["namespace", "model", "workload_class", "pool"],
                registry=registry,
            )
        )
