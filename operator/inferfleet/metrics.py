"""The operator's own metrics on an injected registry. No label has unbounded values."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


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
