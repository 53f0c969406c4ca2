"""One change in a large fleet, at once: the changed models decide anew at the prices of the last plan. Pure.

What others use stays theirs. The next plan of the whole fleet moves what has become worth moving.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from inferfleet.placing.choice import Use
from inferfleet.placing.greedy import greedy
from inferfleet.placing.index import Index, index
from inferfleet.placing.place import decomposed_plan, floor, plan_of
from inferfleet.placing.prices.blocks import MOST, blocks, components, partitions
from inferfleet.placing.prices.decompose import MIXES, penalties
from inferfleet.placing.prices.patterns import Pattern, choice_of, mixes, singles, waits
from inferfleet.placing.prices.rates import ways_at
from inferfleet.placing.prices.resources import Floats, Resources, resources
from inferfleet.placing.prices.splits import splits
from inferfleet.placing.prices.table import Selection, select, table
from inferfleet.placing.types import Option, Placement, Plan, Pool, Problem, Provider, Quota, Settings, Status


@dataclass(frozen=True)
class Standing:
    """A planned fleet, ready for changes."""

    pools: tuple[Pool, ...]
    quotas: tuple[Quota, ...]
    providers: Mapping[str, Provider]
    prices: Mapping[str, float]
    """Of scarce pools, as of the plan."""
    used: Mapping[str, float]
    """Accelerators of each pool and quota; of each provider the share of its limit. Names tell them apart."""
    of_demand: Mapping[str, Mapping[str, Mapping[str, float]]]
    """What each demand's part of the plan uses: by demand, the placements (by key) and what each uses."""


@dataclass(frozen=True)
class Changed:
    """The fleet after a change, and the plan of what changed."""

    standing: Standing
    plan: Plan


def stand(problem: Problem, plan: Plan) -> Standing:
    """A fleet as planned."""
    empty = Standing(problem.pools, problem.quotas, {p.key: p for p in problem.providers}, plan.prices, {}, {})
    return _held(empty, problem, plan)


def change(standing: Standing, part: Problem, settings: Settings, gone: frozenset[str] = frozenset()) -> Changed:
    """Place the demands of `part` anew with its options and providers; the fleet's own pools and quotas stand.

    `part` has all demands that share an option with one that changed; `gone` are keys of demands that are no more.
    """
    freed = _freed(standing, gone | {demand.key for demand in part.demands})
    mine = replace(part, pools=_left(freed), quotas=_allowed(freed), providers=_remaining(freed, part))
    ix = index(mine)
    plan = _quick(ix, freed, settings) or decomposed_plan(ix, settings, greedy(ix, settings))
    return Changed(_held(freed, part, plan), plan)


def _quick(ix: Index, standing: Standing, settings: Settings) -> Plan | None:
    """The cheapest patterns at the standing prices, if they fit in what is left; else None."""
    res = resources(ix, settings)
    prices = np.zeros(len(res.limit))
    for position, pool in enumerate(ix.pools):
        prices[position] = standing.prices.get(pool.key, 0.0)
    parts = components(ix)
    if any(len(part) > MOST for part in parts):
        return None
    flat, selection = _selected(ix, res, parts, prices, settings)
    if np.any(selection.use > res.limit + res.extra + 1e-9):
        return None
    choice = choice_of(ix, [flat[k] for k in selection.patterns[1].tolist()])
    bound = floor(ix, Use(ix, choice))
    if all(demand.whole for demand in ix.demands):  # what was listed is all that they may do
        bound = max(bound, float(selection.values.sum()) - res.worth(prices))
    return plan_of(ix, settings, choice, bound, Status.INCREMENTAL)


def _selected(
    ix: Index, res: Resources, parts: list[tuple[int, ...]], prices: Floats, settings: Settings
) -> tuple[list[Pattern], Selection]:
    weights, ways = penalties(ix, res), ways_at(ix, res, prices)
    known: list[tuple[Pattern, ...]] = []
    cuts = []
    for part in parts:
        first, mine = len(known), blocks(ix, part, settings)
        for block in mine:
            tried = [*singles(ix, res, block), *mixes(ix, res, block, ways, MIXES)]
            tried += splits(ix, res, block, ways, weights, MIXES)
            known.append((*(p for p in tried if _fits(res, p)), waits(block.demands, weights)))
        cuts.append(tuple(tuple(first + k for k in cut) for cut in partitions(part, mine)))
    return [p for patterns in known for p in patterns], select(table(known, cuts), prices)


def _fits(res: Resources, pattern: Pattern) -> bool:
    return all(amount <= res.limit[r] + res.extra[r] + 1e-9 for r, amount in pattern.uses)


def _pool(key: str) -> str:
    return f"pool {key}"


def _quota(key: str) -> str:
    return f"quota {key}"


def _provider(key: str) -> str:
    return f"provider {key}"


def _left(standing: Standing) -> tuple[Pool, ...]:
    """Pools less what others use."""
    return tuple(
        replace(
            pool,
            accelerators=max(0.0, pool.accelerators - standing.used.get(_pool(pool.key), 0.0)),
            existing=None
            if pool.existing is None
            else max(0.0, pool.existing - standing.used.get(_pool(pool.key), 0.0)),
        )
        for pool in standing.pools
    )


def _allowed(standing: Standing) -> tuple[Quota, ...]:
    """Quotas less what others use."""
    used = standing.used
    return tuple(
        replace(q, accelerators=max(0.0, q.accelerators - used.get(_quota(q.key), 0.0))) for q in standing.quotas
    )


def _remaining(standing: Standing, part: Problem) -> tuple[Provider, ...]:
    """Providers less what others take of their limits."""
    found = []
    for provider in part.providers:
        rest = 1 - standing.used.get(_provider(provider.key), 0.0)
        if rest > 1e-6:
            limit = {key: rate * rest for key, rate in provider.limit.items()}
            found.append(replace(provider, limit=limit))
    return tuple(found)


def _freed(standing: Standing, keys: frozenset[str] | set[str]) -> Standing:
    """Without what the placements of these demands use. A placement goes with any of its demands."""
    used, of_demand = dict(standing.used), dict(standing.of_demand)
    going: dict[str, Mapping[str, float]] = {}
    for key in sorted(keys):
        going |= of_demand.pop(key, {})
    for uses in going.values():
        for what, amount in uses.items():
            used[what] = used[what] - amount
    return replace(standing, used=used, of_demand=of_demand)


def _held(standing: Standing, part: Problem, plan: Plan) -> Standing:
    used, of_demand = dict(standing.used), dict(standing.of_demand)
    options, providers = {o.key: o for o in part.options}, {p.key: p for p in part.providers}
    loads = {demand.key: demand.load for demand in part.demands}
    for placement in plan.placements:
        for name, uses in _uses(placement, options, {**standing.providers, **providers}, loads).items():
            for what, amount in uses.items():
                used[what] = used.get(what, 0.0) + amount
            for demand in placement.shares if placement.key in options else [name.split("\0")[1]]:
                of_demand[demand] = {**of_demand.get(demand, {}), name: uses}
    return replace(standing, used=used, of_demand=of_demand)


def _uses(
    placement: Placement, options: Mapping[str, Option], providers: Mapping[str, Provider], loads: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """By name of what goes together: an option as a whole; of a provider, every demand for itself."""
    if placement.key in options:
        option = options[placement.key]
        amount = placement.replicas * option.accelerators
        quota = {_quota(option.quota): amount} if option.quota else {}
        return {placement.key: {_pool(option.pool): amount, **quota}}
    limit = providers[placement.key].limit
    return {
        f"{placement.key}\0{key}": {_provider(placement.key): share * loads[key] / limit.get(key, inf)}
        for key, share in placement.shares.items()
    }
