"""What all components pay at least at given prices, less what the limits are worth: no plan costs less. Pure.

Of a component: every demand at its cheapest rate (its linear relaxation), or a covering knapsack over whole replicas
with the demands added up by surrogate weights, whichever is more. Both only leave constraints out: both are bounds.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from inferfleet.placing.index import ROUND, Index
from inferfleet.placing.prices.floor import GRID, Items, cover
from inferfleet.placing.prices.rates import Arcs, Ways, arcs_at, ways_at
from inferfleet.placing.prices.resources import Floats, Resources

Item = tuple[int, float, float, int]
"""Parts, cost of a unit, cost of the first, least units."""
Weights = list[list[float]]
"""Of each component, of its demands."""


@dataclass(frozen=True)
class _Priced:
    """As lists: what follows goes through them one by one."""

    ix: Index
    penalties: list[float]
    unit: list[float]
    """Of each option."""
    items: list[tuple[float, float, int]]
    """Of each option: an item but for its parts."""
    load: list[float]
    rate: list[float]


def floors(ix: Index, res: Resources, parts: list[tuple[int, ...]], penalties: Floats, prices: Floats) -> Floats:
    """USD per hour of each component at least."""
    ways = ways_at(ix, res, prices)
    arcs = arcs_at(ix, ways)
    priced = _priced(ix, ways, arcs, penalties)
    rates = _weights(parts, _least(arcs, arcs.rate, penalties))
    found: Floats = np.array([sum(mine) for mine in rates])
    found = np.maximum(found, _covered(priced, parts, rates))
    shared = [k for k, part in enumerate(parts) if len(part) > 1]
    if shared:
        some = [parts[k] for k in shared]
        # where loads are small, weights by whole replicas bound better than by rates
        wholes = _weights(some, _least(arcs, arcs.whole, penalties))
        for weights in (wholes, [_together(priced, part) for part in some]):
            found[shared] = np.maximum(found[shared], _covered(priced, some, weights))
    return found


def _priced(ix: Index, ways: Ways, arcs: Arcs, penalties: Floats) -> _Priced:
    least = np.array([option.min_replicas for option in ix.options], dtype=np.int64)
    unit, once = ways.unit[: len(least)], ways.once[: len(least)]
    # What asks for nothing needs no replica beyond the minimum.
    idle = np.zeros(len(ways.unit), dtype=bool)
    idle[[arc.way for arc, load in zip(ix.arcs, arcs.load.tolist(), strict=True) if load == 0]] = True
    idle = idle[: len(least)]
    once, cost = np.where(idle, once + least * unit, once), np.where(idle, 0.0, unit)
    items = list(zip(cost.tolist(), once.tolist(), np.where(idle, 1, least).tolist(), strict=True))
    return _Priced(ix, penalties.tolist(), unit.tolist(), items, arcs.load.tolist(), arcs.rate.tolist())


def _least(arcs: Arcs, costs: Floats, penalties: Floats) -> list[float]:
    """Of each demand the cheapest arc, or its waiting."""
    found = penalties.copy()
    np.minimum.at(found, arcs.demand, costs)
    cheapest: list[float] = found.tolist()
    return cheapest


def _weights(parts: list[tuple[int, ...]], of_demand: list[float]) -> Weights:
    return [[of_demand[demand] for demand in part] for part in parts]


def _together(priced: _Priced, part: tuple[int, ...]) -> list[float]:
    """What each demand needs of the option that serves all of them for least."""
    ix = priced.ix
    found: list[tuple[float, list[float]]] = []
    for way in {ix.arcs[i].way for i in ix.of_demand[part[0]] if ix.arcs[i].way < len(ix.options)}:
        needs = {ix.arcs[i].demand: priced.load[i] for i in ix.of_way[way]}
        if len(needs) == len(part):
            mine = [needs[demand] for demand in part]
            found.append((max(1, ceil(sum(mine) - ROUND)) * priced.unit[way], mine))
    return min(found)[1] if found else [1.0] * len(part)


def _covered(priced: _Priced, parts: list[tuple[int, ...]], weights: Weights) -> Floats:
    most = max(map(len, parts))
    caps = np.zeros((len(parts), most), dtype=np.int64)
    groups: list[list[list[Item]]] = [[] for _ in range(most + 1)]
    for row, (part, weight) in enumerate(zip(parts, weights, strict=True)):
        weighed = dict(zip(part, weight, strict=True))
        total = sum(weight) or 1.0
        for place in range(most):
            here = place < len(part)
            groups[place].append(_own(priced, weighed, part[place]) if here else [])
            caps[row, place] = ceil(weight[place] / total * GRID - ROUND) if here else 0
        groups[most].append(_shared(priced, weighed))
    own = [_items(group) for group in groups]
    free = np.array([sum(weight) <= 0 for weight in weights])
    return np.where(free, 0.0, cover(own[:-1], caps, own[-1]))


def _items(rows: list[list[Item]]) -> Items:
    found = np.zeros((4, len(rows), max(map(len, rows), default=0)))
    for row, items in enumerate(rows):
        if items:
            found[:, row, : len(items)] = np.array(items).T
    return Items(found[0].astype(np.int64), found[1], found[2], found[3].astype(np.int64))


def _own(priced: _Priced, weighed: dict[int, float], demand: int) -> list[Item]:
    """Of a demand alone: its options, and whatever may carry any small part of it."""
    ix, weight, total = priced.ix, weighed[demand], sum(weighed.values())
    if weight <= 0:
        return []
    cap = ceil(weight / total * GRID - ROUND)
    any_part, items = priced.penalties[demand], []
    for i in ix.of_demand[demand]:
        way = ix.arcs[i].way
        if way >= len(ix.options):
            any_part = min(any_part, priced.rate[i])
        elif len(ix.of_way[way]) == 1:
            items.append((min(cap, _parts(priced.load[i], weight / total)), *priced.items[way]))
    return [*items, (1, any_part / (weight / total * GRID), 0.0, 1)]


def _shared(priced: _Priced, weighed: dict[int, float]) -> list[Item]:
    ix, total = priced.ix, sum(weighed.values()) or 1.0
    ways = sorted({ix.arcs[i].way for d in weighed for i in ix.of_demand[d] if ix.arcs[i].way < len(ix.options)})
    items = []
    for way in ways:
        arcs = ix.of_way[way]
        if len(arcs) > 1:
            most = ceil(sum(weighed[ix.arcs[i].demand] for i in arcs) / total * GRID - ROUND)
            parts = max(_parts(priced.load[i], weighed[ix.arcs[i].demand] / total) for i in arcs)
            items.append((min(most, parts), *priced.items[way]))
    return items


def _parts(need: float, weight: float) -> int:
    """Parts of the grid that a replica covers of a demand with that share of the weight and need of replicas."""
    return GRID if need * GRID <= weight else min(GRID, ceil(weight / need * GRID - ROUND))
