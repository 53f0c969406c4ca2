"""One component as a problem of its own, at given prices: for those too large to list. Pure."""

from dataclasses import replace

import numpy as np

from inferfleet.placing.choice import Choice
from inferfleet.placing.exact import Aim, minimize
from inferfleet.placing.index import HOUR, Index, index
from inferfleet.placing.prices.patterns import Pattern
from inferfleet.placing.prices.resources import Floats, Resources
from inferfleet.placing.prune import pruned
from inferfleet.placing.types import Option, Pool, Problem, Provider, Settings

ROUGHLY = 0.01
"""Gap of a component that is solved for its bound: the last percent takes most of the time."""


def piece(ix: Index, res: Resources, demands: tuple[int, ...], choice: Choice, penalties: Floats) -> Pattern:
    """What a choice of the whole fleet does with a component."""
    arcs = [i for demand in demands for i in ix.of_demand[demand]]
    shares = tuple((i, choice.shares[i]) for i in arcs if choice.shares[i] > 0)
    return pattern(ix, res, demands, dict(shares), {w: choice.replicas[w] for w in _options(ix, arcs)}, penalties)


def pattern(
    ix: Index,
    res: Resources,
    demands: tuple[int, ...],
    shares: dict[int, float],
    replicas: dict[int, int],
    penalties: Floats,
) -> Pattern:
    """Cost and uses of shares (by arc) and replicas (by option) of a component."""
    carried = dict.fromkeys(demands, 0.0)
    cost, uses = 0.0, dict[int, float]()
    used = {way for way, count in replicas.items() if count > 0}
    for i, share in shares.items():
        arc = ix.arcs[i]
        carried[arc.demand] += share
        cost += arc.price * share
        used.add(arc.way)
        if arc.way >= len(ix.options):
            uses[res.of_way[arc.way]] = uses.get(res.of_way[arc.way], 0.0) + arc.need * share
    for way, count in replicas.items():
        option = ix.options[way]
        cost += option.hourly(count)
        for resource in (res.of_way[way], res.quota_of.get(way)):
            if resource is not None:
                uses[resource] = uses.get(resource, 0.0) + option.accelerators * count
    for way in used:
        maker = ix.options[way] if way < len(ix.options) else ix.providers[way - len(ix.options)]
        cost += 0.0 if ix.incumbent(way) else maker.opening
        uses[res.moves] = uses.get(res.moves, 0.0) + float(ix.moves(way))
    waiting = tuple((d, 1 - share) for d, share in carried.items() if share < 1 - 1e-5)
    cost += sum(float(penalties[d]) * share for d, share in waiting)
    kept = tuple(sorted((way, count) for way, count in replicas.items() if count > 0))
    used_of = tuple(sorted(item for item in uses.items() if item[1]))
    return Pattern(kept, tuple(sorted(shares.items())), cost, used_of, waiting)


def priced_piece(
    ix: Index, res: Resources, demands: tuple[int, ...], rates: tuple[Floats, Floats], settings: Settings
) -> tuple[Pattern | None, float]:
    """The best a component can do at these (prices, penalties), and what it pays at least for it, prices included.

    First without anything that waits: a penalty large enough to forbid it would hide the cost from the gap.
    """
    return _solved(ix, res, demands, rates[1], index(_problem(ix, res, demands, rates[0])), settings)


def _solved(
    ix: Index, res: Resources, demands: tuple[int, ...], penalties: Floats, part: Index, settings: Settings
) -> tuple[Pattern | None, float]:
    calm = replace(settings, max_moves=None)
    weighed = Aim(short=True, penalties=tuple(float(penalties[d]) for d in demands))
    found = minimize(part, calm, Aim(), settings.time_limit) or minimize(part, calm, weighed, settings.time_limit)
    if found is None:
        return None, 0.0
    ways = {ix.key(way): way for i in _arcs(ix, demands) for way in [ix.arcs[i].way]}
    at = {(ix.arcs[i].demand, ix.arcs[i].way): i for i in _arcs(ix, demands)}
    shares = {
        at[demands[arc.demand], ways[part.key(arc.way)]]: share
        for arc, share in zip(part.arcs, found.choice.shares, strict=True)
        if share > 0
    }
    replicas = {ways[o.key]: n for o, n in zip(part.options, found.choice.replicas, strict=True) if n > 0}
    return pattern(ix, res, demands, shares, replicas, penalties), found.bound


def relaxed_piece(
    ix: Index, res: Resources, demands: tuple[int, ...], rates: tuple[Floats, Floats], settings: Settings
) -> tuple[Pattern | None, float]:
    """The same without the ends of pools: of all pools, only options that none replaces are left, so it is fast.

    Still a bound, as it leaves constraints out; the pattern may need more than there is.
    """
    problem = _problem(ix, res, demands, rates[0])
    one = tuple(replace(option, pool="", quota="", accelerators=1.0) for option in problem.options)
    part = index(pruned(replace(problem, options=one, pools=(Pool(""),), quotas=())))
    return _solved(ix, res, demands, rates[1], part, replace(settings, gap=max(settings.gap, ROUGHLY)))


def _arcs(ix: Index, demands: tuple[int, ...]) -> list[int]:
    return [i for demand in demands for i in ix.of_demand[demand]]


def _options(ix: Index, arcs: list[int]) -> set[int]:
    return {ix.arcs[i].way for i in arcs if ix.arcs[i].way < len(ix.options)}


def _problem(ix: Index, res: Resources, demands: tuple[int, ...], prices: Floats) -> Problem:
    ways = sorted({ix.arcs[i].way for i in _arcs(ix, demands)})
    mine = [way for way in ways if way < len(ix.options)]
    options = tuple(_option(ix, res, way, prices) for way in mine)
    providers = tuple(_provider(ix, res, way, prices) for way in ways if way >= len(ix.options))
    pools = tuple(replace(ix.pools[p], growing=0.0) for p in sorted({ix.pool_of[way] for way in mine}))
    return Problem(tuple(ix.demands[d] for d in demands), options, pools, providers, ix.quotas)


def _option(ix: Index, res: Resources, way: int, prices: Floats) -> Option:
    option = ix.options[way]
    moving = float(prices[res.moves]) if ix.moves(way) else 0.0
    price = sum(float(prices[r]) for r in (res.of_way[way], res.quota_of.get(way)) if r is not None)
    return replace(option, cost=option.cost + price * option.accelerators, opening=option.opening + moving)


def _provider(ix: Index, res: Resources, way: int, prices: Floats) -> Provider:
    provider, price = ix.providers[way - len(ix.options)], float(prices[res.of_way[way]])
    dearer = {
        key: usd + (price / (provider.limit[key] * HOUR) if key in provider.limit else 0.0)
        for key, usd in provider.price.items()
    }
    moving = float(prices[res.moves]) if ix.moves(way) else 0.0
    return replace(provider, price=dearer, opening=provider.opening + moving)


def none(res: Resources) -> Floats:
    """Prices of a fleet where nothing is scarce."""
    return np.zeros(len(res.limit))
