"""What all components pay at least at given prices, less what the limits are worth: no plan costs less. Pure.

Of a component: every demand at its cheapest rate (its linear relaxation), or a covering knapsack over whole replicas
with the demands added up by surrogate weights, whichever is more. Both only leave constraints out: both are bounds.
"""

from math import ceil

import numpy as np

from inferfleet.placing.index import ROUND, Index
from inferfleet.placing.prices.floor import GRID, Items, cover
from inferfleet.placing.prices.resources import Floats, Resources

Item = tuple[int, float, float, int]
"""Parts, cost of a unit, cost of the first, least units."""


def rate(ix: Index, res: Resources, position: int, prices: Floats) -> float:
    """USD per hour of a whole demand on full replicas of an arc's option, or on its provider."""
    arc = ix.arcs[position]
    price = float(prices[res.of_way[arc.way]])
    if arc.way >= len(ix.options):
        return arc.price + price * arc.need
    return load(ix, position) * unit_cost(ix, res, arc.way, prices)


def load(ix: Index, position: int) -> float:
    """Replicas of a whole demand on an arc's option, at least: batch work may use the headroom beside it."""
    arc = ix.arcs[position]
    beside = any(ix.demands[ix.arcs[i].demand].deferrable for i in ix.of_way[arc.way])
    return arc.busy if beside else arc.need


def unit_cost(ix: Index, res: Resources, way: int, prices: Floats) -> float:
    """USD per hour of one more replica, at least."""
    option = ix.options[way]
    price = float(prices[res.of_way[way]]) * option.accelerators
    return option.cost + price + (0.0 if option.incumbent else option.starting)


def floors(ix: Index, res: Resources, parts: list[tuple[int, ...]], penalties: Floats, prices: Floats) -> Floats:
    """USD per hour of each component at least."""
    rates = [_rates(ix, res, part, penalties, prices) for part in parts]
    found: Floats = np.array([sum(mine) for mine in rates])
    found = np.maximum(found, _covered(ix, res, parts, (penalties, prices), rates))
    shared = [k for k, part in enumerate(parts) if len(part) > 1]
    if shared:
        some = [parts[k] for k in shared]
        wholes = [_wholes(ix, res, part, penalties, prices) for part in some]
        for weights in (wholes, [_together(ix, res, part, prices) for part in some]):
            found[shared] = np.maximum(found[shared], _covered(ix, res, some, (penalties, prices), weights))
    return found


def _rates(ix: Index, res: Resources, part: tuple[int, ...], penalties: Floats, prices: Floats) -> list[float]:
    return [min([penalties[d], *(rate(ix, res, i, prices) for i in ix.of_demand[d])]) for d in part]


def _wholes(ix: Index, res: Resources, part: tuple[int, ...], penalties: Floats, prices: Floats) -> list[float]:
    """What each demand costs alone: where loads are small, weights by whole replicas bound better than by rates."""
    return [min([penalties[d], *(_whole(ix, res, i, prices) for i in ix.of_demand[d])]) for d in part]


def _together(ix: Index, res: Resources, part: tuple[int, ...], prices: Floats) -> list[float]:
    """What each demand needs of the option that serves all of them for least."""
    found: list[tuple[float, list[float]]] = []
    for way in {ix.arcs[i].way for i in ix.of_demand[part[0]] if ix.arcs[i].way < len(ix.options)}:
        needs = {ix.arcs[i].demand: load(ix, i) for i in ix.of_way[way]}
        if len(needs) == len(part):
            mine = [needs[demand] for demand in part]
            found.append((max(1, ceil(sum(mine) - ROUND)) * unit_cost(ix, res, way, prices), mine))
    return min(found)[1] if found else [1.0] * len(part)


def _whole(ix: Index, res: Resources, position: int, prices: Floats) -> float:
    arc = ix.arcs[position]
    if arc.way >= len(ix.options):
        return rate(ix, res, position, prices)
    least = max(ix.options[arc.way].min_replicas, ceil(arc.need - 1e-9))
    return least * unit_cost(ix, res, arc.way, prices)


def _covered(
    ix: Index,
    res: Resources,
    parts: list[tuple[int, ...]],
    terms: tuple[Floats, Floats],
    weights: list[list[float]],
) -> Floats:
    """`terms`: penalties and prices."""
    most = max(map(len, parts))
    caps = np.zeros((len(parts), most), dtype=np.int64)
    groups: list[list[list[Item]]] = [[] for _ in range(most + 1)]
    for row, (part, weight) in enumerate(zip(parts, weights, strict=True)):
        weighed = dict(zip(part, weight, strict=True))
        total = sum(weight) or 1.0
        for place in range(most):
            here = place < len(part)
            groups[place].append(_own(ix, res, weighed, part[place], terms) if here else [])
            caps[row, place] = ceil(weight[place] / total * GRID - ROUND) if here else 0
        groups[most].append(_shared(ix, res, weighed, terms[1]))
    own = [_items(group) for group in groups]
    free = np.array([sum(weight) <= 0 for weight in weights])
    return np.where(free, 0.0, cover(own[:-1], caps, own[-1]))


def _items(rows: list[list[Item]]) -> Items:
    found = np.zeros((4, len(rows), max(map(len, rows), default=0)))
    for row, items in enumerate(rows):
        if items:
            found[:, row, : len(items)] = np.array(items).T
    return Items(found[0].astype(np.int64), found[1], found[2], found[3].astype(np.int64))


def _own(ix: Index, res: Resources, weighed: dict[int, float], demand: int, terms: tuple[Floats, Floats]) -> list[Item]:
    """Of a demand alone: its options, and whatever may carry any small part of it."""
    weight, total = weighed[demand], sum(weighed.values())
    if weight <= 0:
        return []
    cap = ceil(weight / total * GRID - ROUND)
    penalties, prices = terms
    any_part, items = float(penalties[demand]), []
    for i in ix.of_demand[demand]:
        way = ix.arcs[i].way
        if way >= len(ix.options):
            any_part = min(any_part, rate(ix, res, i, prices))
        elif len(ix.of_way[way]) == 1:
            items.append(_item(ix, res, way, min(cap, _parts(ix, i, weight / total)), prices))
    return [*items, (1, any_part / (weight / total * GRID), 0.0, 1)]


def _shared(ix: Index, res: Resources, weighed: dict[int, float], prices: Floats) -> list[Item]:
    total = sum(weighed.values()) or 1.0
    ways = sorted({ix.arcs[i].way for d in weighed for i in ix.of_demand[d] if ix.arcs[i].way < len(ix.options)})
    items = []
    for way in ways:
        arcs = ix.of_way[way]
        if len(arcs) > 1:
            most = ceil(sum(weighed[ix.arcs[i].demand] for i in arcs) / total * GRID - ROUND)
            parts = max(_parts(ix, i, weighed[ix.arcs[i].demand] / total) for i in arcs)
            items.append(_item(ix, res, way, min(most, parts), prices))
    return items


def _parts(ix: Index, position: int, weight: float) -> int:
    """Parts of the grid that a replica covers of a demand with that share of the weight."""
    need = load(ix, position)
    return GRID if need * GRID <= weight else min(GRID, ceil(weight / need * GRID - ROUND))


def _item(ix: Index, res: Resources, way: int, parts: int, prices: Floats) -> Item:
    option, cost = ix.options[way], unit_cost(ix, res, way, prices)
    once = (0.0 if option.incumbent else option.opening) + (float(prices[res.moves]) if ix.moves(way) else 0.0)
    if any(load(ix, i) == 0 for i in ix.of_way[way]):
        # What asks for nothing needs no replica beyond the minimum.
        return parts, 0.0, once + option.min_replicas * cost, 1
    return parts, cost, once, option.min_replicas
