"""The operator's own metrics on an injected registry. Labels have as many values as the fleet has Models."""

from collections.abc import Collection, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from inferfleet.costing.types import Account, Charges, TenantAccount


class Replaced:
    """A gauge whose series are all set at once: those that are not given any more end."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._known: dict[tuple[str, ...], float] = {}

    def set_all(self, values: Mapping[tuple[str, ...], float]) -> None:
        """By the values of the labels. What did not change costs a comparison: finding a series takes far longer."""
        for labels, value in values.items():
            if self._known.get(labels) != value:
                self._gauge.labels(*labels).set(value)
        for labels in self._known.keys() - values.keys():
            self._gauge.remove(*labels)
        self._known = dict(values)


ENDS_SECONDS = 600.0
"""For which the counters of a Model that is gone stay: Prometheus shall read their last values."""
_ACCOUNT = ("namespace", "model", "workload_class", "pool")
_TENANT = ("namespace", "model", "workload_class", "tenant")


class Spent:
    """What the fleet has cost since the process began."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: tuple[str, ...]) -> Counter:
            return Counter(f"inferfleet_{name}", text, labels, registry=registry)

        self.usd = counter("cost_usd", "USD of allocated replicas, at the prices of their pools.", _ACCOUNT)
        self.idle_usd = counter("idle_cost_usd", "The part of inferfleet_cost_usd for idle capacity.", _ACCOUNT)
        self.joules = counter("energy_joules", "Estimated energy of allocated replicas.", _ACCOUNT)
        self.seconds = counter("accelerator_seconds", "Allocated accelerators (of CPUs cores) times seconds.", _ACCOUNT)
        self.used = counter("used_accelerator_seconds", "The part of inferfleet_accelerator_seconds in use.", _ACCOUNT)
        self.tokens = counter("tokens", "Tokens by direction: input or output.", (*_ACCOUNT, "direction"))
        self.tenant_usd = counter("tenant_cost_usd", "USD of what a tenant used; idle cost is nobody's.", _TENANT)
        self.tenant_joules = counter("tenant_energy_joules", "Estimated energy of what a tenant used.", _TENANT)
        self.tenant_tokens = counter("tenant_tokens", "A tenant's tokens by direction.", (*_TENANT, "direction"))
        self._series: dict[tuple[str, str], dict[tuple[Counter, tuple[str, ...]], Counter]] = {}
        """By Model: finding the child of a counter by its labels takes longer than adding to it."""
        self._gone: dict[tuple[str, str], float] = {}

    def add(self, charges: Charges) -> None:
        """One interval."""
        for account, total in charges.accounts.items():
            amounts = (total.usd, total.idle_usd, total.joules, total.accelerator_seconds, total.used_seconds)
            for metric, amount in zip(
                (self.usd, self.idle_usd, self.joules, self.seconds, self.used), amounts, strict=True
            ):
                self._inc(metric, account, amount)
            self._inc(self.tokens, account, total.prompted, "input")
            self._inc(self.tokens, account, total.generated, "output")
        for tenant, total in charges.tenants.items():
            self._inc(self.tenant_usd, tenant, total.usd)
            self._inc(self.tenant_joules, tenant, total.joules)
            self._inc(self.tenant_tokens, tenant, total.prompted, "input")
            self._inc(self.tenant_tokens, tenant, total.generated, "output")

    def keep(self, models: Collection[tuple[str, str]], now: float) -> None:
        """End the series of Models that are gone for long. Not those of quiet tenants: a series that came back with
        more than it had would hide what was added in between.
        """
        self._gone = {key: self._gone.get(key, now) for key in self._series.keys() - set(models)}
        for key in [key for key, since in self._gone.items() if now - since >= ENDS_SECONDS]:
            for metric, labels in self._series.pop(key):
                metric.remove(*labels)

    def _inc(self, metric: Counter, account: Account | TenantAccount, amount: float, *more: str) -> None:
        where = account.pool if isinstance(account, Account) else account.tenant
        labels = (account.namespace, account.model, account.class_, where, *more)
        known = self._series.setdefault((account.namespace, account.model), {})
        if (metric, labels) not in known:
            known[(metric, labels)] = metric.labels(*labels)
        known[(metric, labels)].inc(amount)


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
        self.spent = Spent(registry)

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
        self.computed = Replaced(
            Gauge(
                "inferfleet_computed_replicas",
                "Replicas computed for workloads with replicas.mode External, for the autoscaler that writes them.",
                ["namespace", "model", "workload_class"],
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
