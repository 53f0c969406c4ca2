"""The books of one term of leadership: what pods cost since the round before. No I/O; called by the controller."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from inferfleet import names
from inferfleet.catalog.loader import Catalog
from inferfleet.costing.accounts import accounts, idle_watts
from inferfleet.costing.growth import made, utilization
from inferfleet.costing.mean import NOTHING, SHOWN_SECONDS, Mean, Observed, later, observed
from inferfleet.costing.tenants import Pot, claimed, emptied, filled, named, settle, split
from inferfleet.costing.types import Account, Charges, Rate, Sum, TenantAccount, Tokens, Use, Weights
from inferfleet.fleet.observe import Stores, read_pools
from inferfleet.fleet.pods import allocated, placement_of, workload_of
from inferfleet.fleet.pools import accelerator_of, size_of
from inferfleet.fleet.types import Key, Obj, Plan, PoolView, WorkloadPlan
from inferfleet.planning.unit import Unit
from inferfleet.planning.ways import accelerators_of
from inferfleet.scaling.signal import PodSample, Window

MOST_SECONDS = 30.0
"""Of one round: a process that stood still for longer may have lost the lead, and another has booked the time."""
_UNKNOWN = Rate(accelerators=1.0, price=None, watts=None)


@dataclass(frozen=True)
class Terms:
    """What a plan knows of a placement."""

    watts: float | None
    """Of a replica under the planned load."""
    weights: Weights
    shares: Mapping[str, float] | None
    """Of the classes, by the tokens that they declare; None: evenly."""


_UNPLANNED = Terms(None, Weights(), None)


@dataclass(frozen=True)
class _Seen:
    """The last scrape of a pod."""

    sample: PodSample
    tenants: Mapping[str, Tokens]


@dataclass(frozen=True)
class _Round:
    """What is the same for all pods."""

    rates: Mapping[str, Rate]
    """By pool."""
    prompts: frozenset[str]
    before: Mapping[str, _Seen]
    """By uid, as of the round before."""
    windows: Mapping[str, Window]


def terms(workload: WorkloadPlan) -> dict[str, Terms]:
    """By Deployment, of those that are planned: others stay as they are, and cost by their pool alone."""
    found = {}
    for placement in workload.placements:
        chosen = placement.evaluated
        if chosen is None:
            continue
        costs = chosen.costs
        weights = Weights(float(costs.input), float(costs.output)) if costs else Weights()
        found[placement.name] = Terms(chosen.prediction.watts, weights, _declared(workload))
    return found


def _declared(workload: WorkloadPlan) -> dict[str, float] | None:
    members = workload.valid.members if workload.valid else ()
    demand = {m.workload.class_: m.declared_demand for m in members}
    total = sum(demand.values())
    return {class_: tokens / total for class_, tokens in demand.items()} if total else None


def rate_of(view: PoolView, catalog: Catalog) -> Rate:
    """Of a replica that spans one piece of the pool."""
    _, accelerator = accelerator_of(view.spec, catalog)
    count = float(size_of(view.spec, accelerator)[0])
    most = view.spec.power.max_watts if view.spec.power else (accelerator.watts if accelerator else None)
    return Rate(
        accelerators=count,
        price=float(view.spec.price.per_accelerator_hour) if view.spec.price else None,
        watts=None if most is None else most * count,
        idle_watts=None if most is None else idle_watts(most * count),
    )


class Costs:
    """Remembers between rounds; books with `costing`."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._terms: dict[Key, dict[str, Terms]] = {}
        self._seen: dict[str, _Seen] = {}
        self._totals: Mapping[str, Mapping[str, Tokens]] = {}
        self._pots: dict[Key, dict[str, Pot]] = {}
        """By placement."""
        self._tenants: dict[Key, frozenset[str]] = {}
        self._means: dict[Key, dict[Account, tuple[Mean, float, Rate]]] = {}
        self._began: float | None = None
        self._last: float | None = None

    def plan(self, key: Key, plan: Plan | None) -> None:
        """What is planned from now on; a Model that is gone is forgotten."""
        if plan:
            self._terms[key] = {name: found for w in plan.workloads for name, found in terms(w).items()}
            return
        self._terms.pop(key, None)
        self._tenants.pop(key, None)
        self._pots.pop(key, None)

    def heard(self, totals: Mapping[str, Mapping[str, Tokens]]) -> None:
        """Of tenants, by uid of the pod that answered."""
        self._totals = totals

    def observed(self, key: Key) -> tuple[Observed, ...] | None:
        """Of a Model, by class and pool; None while too little was seen since the start."""
        if self._began is None or self._last is None or self._last - self._began < SHOWN_SECONDS:
            return None
        mine = sorted(self._means.get(key, {}).items())
        return tuple(found for account, mean in mine if (found := observed(account, *mean)))

    def round(self, stores: Stores, windows: Mapping[str, Window], now: float) -> Iterator[Charges]:
        """Book what passed since the round before, of each Model; nothing in the first, since another leader may have
        booked it. Nothing is booked but by going on; in between Models may be planned anew, or go.

        `windows` are samples of pods by uid, `now` is on their clock.
        """
        seconds = min(MOST_SECONDS, max(0.0, now - self._last)) if self._last is not None else 0.0
        self._began, self._last = self._began if self._began is not None else now, now
        # before anything is booked: a round that fails half way must not count tokens again in the next one
        before, self._seen = self._seen, {uid: self._noted(uid, w[-1]) for uid, w in windows.items() if w}
        known = _Round(self._rates(stores), _of_prompts(stores), before, windows)
        there = _by_model(stores.pods.values())
        for key, pods in there.items():
            uses = [self._use(pod, known) for pod in pods]
            found = accounts(uses, seconds)
            self._note_means(key, uses, found, seconds)
            yield Charges(found, self._paid(key, uses, seconds))
        self._means = {key: means for key, means in self._means.items() if key in there}
        self._pots = {key: pots for key, pots in self._pots.items() if key in there}

    def _rates(self, stores: Stores) -> dict[str, Rate]:
        views = read_pools(stores).items()
        return {name: rate_of(view, self._catalog) for name, view in views if isinstance(view, PoolView)}

    def _use(self, pod: Obj, known: _Round) -> Use:
        metadata, labels = pod["metadata"], pod["metadata"]["labels"]
        label, pool = labels[names.LABEL_CLASS], labels[names.LABEL_POOL]
        placement = placement_of(pod)
        planned = self._terms.get((metadata["namespace"], labels[names.LABEL_MODEL]), {}).get(placement, _UNPLANNED)
        classes = names.classes_of(label)
        window = known.windows.get(metadata["uid"], ())
        before, after = known.before.get(metadata["uid"]), window[-1] if window else None
        sample = before.sample if before else None
        unit = Unit.PROMPT if known.prompts.issuperset(classes) else Unit.GENERATED
        return Use(
            namespace=metadata["namespace"],
            model=labels[names.LABEL_MODEL],
            pool=pool,
            placement=placement,
            rate=_spanning(known.rates.get(pool, _UNKNOWN), accelerators_of(labels[names.LABEL_ENGINE]), planned.watts),
            shares=_shares(classes, planned.shares),
            utilization=utilization(sample, after, unit),
            tokens=made(sample, after) if after else Tokens(),
            weights=planned.weights,
            tenants=claimed(before.tenants if before else None, self._totals.get(metadata["uid"], {})),
        )

    def _noted(self, uid: str, sample: PodSample) -> _Seen:
        """A page that did not come leaves the totals as they were: they only grow."""
        before = self._seen.get(uid)
        return _Seen(sample, self._totals.get(uid, before.tenants if before else {}))

    def _note_means(self, key: Key, uses: Iterable[Use], found: Mapping[Account, Sum], seconds: float) -> None:
        """Of accounts that have pods: what is gone costs nothing any more, and has no say in a projection."""
        there: dict[Account, tuple[float, Rate]] = {}
        for use in uses:
            for class_, share in use.shares.items():
                account = Account(use.namespace, use.model, class_, use.pool)
                there[account] = (there.get(account, (0.0, use.rate))[0] + use.rate.accelerators * share, use.rate)
        means = self._means.get(key, {})
        self._means[key] = {
            account: (
                later(means[account][0] if account in means else NOTHING, found[account], seconds),
                *now,
            )
            for account, now in there.items()
        }

    def _paid(self, key: Key, uses: Iterable[Use], seconds: float) -> dict[TenantAccount, Sum]:
        """By tenant. Pods of one placement share a pot: what one used, a tenant of another may claim."""
        groups: dict[str, list[Use]] = {}
        for use in uses:
            groups.setdefault(use.placement, []).append(use)
        paid: dict[TenantAccount, Sum] = {}
        pots, before = {}, self._pots.get(key, {})
        for placement, group in groups.items():
            pot = emptied(before.get(placement, Pot()), seconds)
            pots[placement], found = self._settled(key, pot, group, seconds)
            for account, total in found.items():
                paid[account] = paid.get(account, Sum()) + total
        self._pots[key] = pots
        return paid

    def _settled(self, key: Key, pot: Pot, group: list[Use], seconds: float) -> tuple[Pot, dict[TenantAccount, Sum]]:
        claims: dict[str, Tokens] = {}
        for use in group:
            pot = filled(pot, use, seconds)
            for tenant, tokens in use.tenants.items():
                claims[tenant] = claims.get(tenant, Tokens()) + tokens
        if not claims:
            return pot, {}
        self._tenants[key], claims = named(self._tenants.get(key, frozenset()), claims)
        left, paid = settle(pot, {tenant: (tokens, group[0].weights.of(tokens)) for tenant, tokens in claims.items()})
        return left, split(paid, group[0])


def _by_model(pods: Iterable[Obj]) -> dict[Key, list[Obj]]:
    """Those that cost something."""
    found: dict[Key, list[Obj]] = {}
    for pod in pods:
        if _labelled(pod) and allocated(pod):
            found.setdefault(workload_of(pod)[:2], []).append(pod)
    return found


def _of_prompts(stores: Stores) -> frozenset[str]:
    """Classes that are charged by prompt tokens."""
    return frozenset(name for (_, name), o in stores.classes.items() if _modality(o) == "Embedding")


def _modality(obj: Obj) -> Any:
    return obj.get("spec", {}).get("modality")


def _labelled(pod: Obj) -> bool:
    labels = pod["metadata"].get("labels", {})
    return all(label in labels for label in names.PLACEMENT_LABELS)


def _spanning(rate: Rate, pieces: int, planned_watts: float | None) -> Rate:
    """Of a replica that spans several pieces of its pool; at full load as the planner predicted, where it did."""
    return replace(
        rate,
        accelerators=rate.accelerators * pieces,
        watts=None if rate.watts is None else planned_watts or rate.watts * pieces,
        idle_watts=None if rate.idle_watts is None else rate.idle_watts * pieces,
    )


def _shares(classes: tuple[str, ...], declared: Mapping[str, float] | None) -> dict[str, float]:
    if declared is not None and set(declared) == set(classes):
        return dict(declared)
    return {class_: 1 / len(classes) for class_ in classes}
