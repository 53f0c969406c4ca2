"""Ways to serve a block where one demand has full replicas of an option and its rest shares with the others. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite

import numpy as np

from inferfleet.placing.index import ROUND, Index
from inferfleet.placing.prices.blocks import Block
from inferfleet.placing.prices.part import pattern
from inferfleet.placing.prices.patterns import Pattern, rates
from inferfleet.placing.prices.rates import Ways
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


def splits(ix: Index, res: Resources, block: Block, ways: Ways, penalties: Floats, count: int) -> list[Pattern]:
    """The `count` best at these prices; none for a single demand, which `mixes` are for."""
    if block.whole or len(block.demands) < 2 or not block.ways:
        return []
    cost, fixed = rates(ix, block, ways)
    least, most = ways.least[list(block.ways)], ways.most[list(block.ways)]
    most = np.where(least > 0, most, -1.0)  # providers get none, `singles` and `mixes` use them
    found: list[Split] = []
    for member, demand in enumerate(block.demands):
        for position in _cheapest(ix, demand, ways):
            first = ix.arcs[position].way
            same = np.array([way == first for way in block.ways])
            rated = cost, fixed, least, np.where(same, -1.0, most)
            found += _with(ix, block, (member, position), float(ways.unit[first]), rated)
    found.sort(key=lambda split: (split.cost, split.member, split.arc, split.full))
    return [_pattern(ix, res, block, split, penalties) for split in found[:count]]


def _cheapest(ix: Index, demand: int, ways: Ways) -> list[int]:
    """Arcs on which the demand needs more than one replica, the cheapest at full use first."""
    large = [i for i in ix.of_demand[demand] if ix.arcs[i].way < len(ix.options) and ix.arcs[i].need > 1]
    return sorted(large, key=lambda i: (ix.arcs[i].need * ways.unit[ix.arcs[i].way], i))[:TRIED]


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
