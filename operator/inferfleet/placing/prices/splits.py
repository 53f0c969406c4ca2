"""Ways to serve a block where one demand has full replicas of an option and its rest shares with the others. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite

import numpy as np

from inferfleet.placing.index import ROUND, Index
from inferfleet.placing.prices.blocks import Block
from inferfleet.placing.prices.part import pattern
from inferfleet.placing.prices.patterns import Pattern, rates
from inferfleet.placing.prices.resources import Floats, Resources

TRIED = 3
"""Options of a demand that may take the full replicas: those of least cost at full use."""


@dataclass(frozen=True)
class Split:
    """Full replicas for one demand, and the way that takes the rest of the block."""

    cost: float
    member: int
    """Place of the demand in the block."""
    arc: int
    full: int
    second: int
    """Place of the way in the block."""


def splits(ix: Index, res: Resources, block: Block, prices: Floats, penalties: Floats, count: int) -> list[Pattern]:
    """The `count` best at these prices; none for a single demand, which `mixes` are for."""
    if block.whole or len(block.demands) < 2 or not block.ways:
        return []
    cost, fixed = rates(ix, res, block, prices)
    least, most = _sizes(ix, block)
    found: list[Split] = []
    for member, demand in enumerate(block.demands):
        for position in _cheapest(ix, res, demand, prices):
            same = np.array([way == ix.arcs[position].way for way in block.ways])
            ranges = least, np.where(same, -1.0, most)
            found += _with(ix, block, (member, position), _price(ix, res, position, prices), (cost, fixed, *ranges))
    found.sort(key=lambda split: (split.cost, split.member, split.arc, split.full))
    return [_pattern(ix, res, block, split, penalties) for split in found[:count]]


def _cheapest(ix: Index, res: Resources, demand: int, prices: Floats) -> list[int]:
    """Arcs on which the demand needs more than one replica, the cheapest at full use first."""
    large = [i for i in ix.of_demand[demand] if ix.arcs[i].way < len(ix.options) and ix.arcs[i].need > 1]
    return sorted(large, key=lambda i: (ix.arcs[i].need * _price(ix, res, i, prices), i))[:TRIED]


def _price(ix: Index, res: Resources, position: int, prices: Floats) -> float:
    option = ix.options[ix.arcs[position].way]
    price = option.cost + float(prices[res.of_way[ix.arcs[position].way]]) * option.accelerators
    return price + (0.0 if option.incumbent else option.starting)


def _sizes(ix: Index, block: Block) -> tuple[Floats, Floats]:
    """Fewest and most replicas of each way; providers get none, `singles` and `mixes` use them."""
    options = [ix.options[way] if way < len(ix.options) else None for way in block.ways]
    least = np.array([float(max(1, option.min_replicas)) if option else 0.0 for option in options])
    most = np.array([float(ix.most[way]) if o else -1.0 for way, o in zip(block.ways, options, strict=True)])
    return least, most


def _with(
    ix: Index, block: Block, first: tuple[int, int], price: float, rated: tuple[Floats, Floats, Floats, Floats]
) -> Iterator[Split]:
    """`rated`: of each way the cost of a replica and once, and its fewest and most replicas."""
    member, position = first
    arc, (cost, fixed, least, most) = ix.arcs[position], rated
    option = ix.options[arc.way]
    opening = 0.0 if option.incumbent else option.opening
    for full in sorted({1, floor(arc.need - ROUND) - 1, floor(arc.need - ROUND)}):
        if not max(1, option.min_replicas) <= full <= ix.most[arc.way] or full >= arc.need:
            continue
        units = np.maximum(np.ceil(block.part(_shares(block, member, 1 - full / arc.need)) - ROUND), least)
        total = np.where(units <= most, units * cost + fixed, inf)
        second = int(np.argmin(total))
        if isfinite(total[second]):
            yield Split(float(total[second]) + full * price + opening, member, position, full, second)


def _shares(block: Block, member: int, share: float) -> Floats:
    shares = np.ones(len(block.demands))
    shares[member] = share
    return shares


def _pattern(ix: Index, res: Resources, block: Block, split: Split, penalties: Floats) -> Pattern:
    arc, way = ix.arcs[split.arc], block.ways[split.second]
    share = split.full / arc.need
    shares = {i: 1 - share if k == split.member else 1.0 for k, i in enumerate(block.arcs[split.second])}
    need = float(block.part(_shares(block, split.member, 1 - share))[split.second])
    units = max(ceil(need - ROUND), ix.options[way].min_replicas, 1)
    replicas = {arc.way: split.full, way: units}
    return pattern(ix, res, block.demands, {**shares, split.arc: share}, replicas, penalties)
