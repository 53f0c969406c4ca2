"""Ways to serve a block: one option, or one option full and another for the rest. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf, isfinite
from typing import NamedTuple

import numpy as np

from inferfleet.placing.choice import Choice, nominal, tidy
from inferfleet.placing.index import ROUND, Index
from inferfleet.placing.prices.blocks import Block
from inferfleet.placing.prices.rates import Ways
from inferfleet.placing.prices.resources import Floats, Ints, Resources

FEW = 3
"""Full replicas of a first option that are tried one by one; beyond, as many as fit and one fewer."""


class Pattern(NamedTuple):
    """Replicas and shares, with their cost and what they use."""

    replicas: tuple[tuple[int, int], ...]
    """Option and replicas."""
    shares: tuple[tuple[int, float], ...]
    """Arc and share."""
    cost: float
    """USD per hour, growing of pools left out, what waits at its penalty."""
    uses: tuple[tuple[int, float], ...]
    """Resource and amount."""
    waiting: tuple[tuple[int, float], ...] = ()
    """Demand and share that nobody serves."""


def choice_of(ix: Index, patterns: Iterable[Pattern]) -> Choice:
    """What patterns of different demands come to together."""
    replicas, shares = [0] * len(ix.options), [0.0] * len(ix.arcs)
    for pattern in patterns:
        for way, count in pattern.replicas:
            replicas[way] += count
        for arc, share in pattern.shares:
            shares[arc] += share
    return tidy(ix, Choice(tuple(replicas), tuple(shares)))


def joined(patterns: Sequence[Pattern]) -> Pattern:
    """What blocks of one component do together."""
    uses: dict[int, float] = {}
    for pattern in patterns:
        for resource, amount in pattern.uses:
            uses[resource] = uses.get(resource, 0.0) + amount
    replicas = tuple(pair for pattern in patterns for pair in pattern.replicas)
    shares = tuple(pair for pattern in patterns for pair in pattern.shares)
    waiting = tuple(pair for pattern in patterns for pair in pattern.waiting)
    return Pattern(replicas, shares, sum(pattern.cost for pattern in patterns), tuple(sorted(uses.items())), waiting)


def waits(demands: Sequence[int], penalties: Floats) -> Pattern:
    """A block that nobody serves."""
    return Pattern((), (), sum(float(penalties[d]) for d in demands), (), tuple((d, 1.0) for d in demands))


def singles(ix: Index, res: Resources, block: Block) -> list[Pattern]:
    """Each way alone, where it is able to."""
    found = (_pattern(ix, res, block, [(k, _replicas(ix, block, k, 1.0), 1.0)]) for k in range(len(block.ways)))
    return [pattern for pattern in found if pattern is not None]


def mixes(ix: Index, res: Resources, block: Block, ways: Ways, count: int) -> list[Pattern]:
    """The `count` best pairs at these prices: replicas of one way full, the rest on another."""
    pairs = _pairs(ix, block, ways)
    if pairs is None:
        return []
    cost, fixed = rates(ix, block, ways)
    rest = np.where(pairs.replicas <= pairs.most, pairs.replicas * cost + fixed, inf)
    rest[np.arange(len(pairs.first)), pairs.first] = inf
    second = np.argmin(rest, axis=1)
    total = rest[np.arange(len(pairs.first)), second] + pairs.full * cost[pairs.first] + fixed[pairs.first]
    best = [row for row in np.argsort(total, kind="stable")[:count].tolist() if isfinite(total[row])]
    found = (_pair(ix, res, block, int(pairs.first[r]), int(pairs.full[r]), int(second[r])) for r in best)
    return [pattern for pattern in found if pattern is not None]


@dataclass(frozen=True)
class Pairs:
    """What may be combined, whatever the prices. A row for each number of full replicas of a first way."""

    first: Ints
    full: Ints
    replicas: Floats
    """Of each second way (column) for the rest; of a provider the share."""
    most: Floats
    """Of each second way."""


def _pairs(ix: Index, block: Block, ways: Ways) -> Pairs | None:
    if block.whole or len(block.ways) < 2:
        return None
    tried = [(first, full) for first in range(len(block.ways)) for full in _fulls(ix, block, first)]
    if not tried:
        return None
    first, full = np.array(tried, dtype=np.int64).T
    rest = (1 - full / block.needs[first])[:, None]
    least, most = ways.least[list(block.ways)], ways.most[list(block.ways)]
    whole = np.maximum(np.ceil(block.needs * rest - ROUND), least)
    return Pairs(first, full, np.where(least > 0, whole, rest), most)


def rates(ix: Index, block: Block, ways: Ways) -> tuple[Floats, Floats]:
    """Per replica (of a provider: per whole share) and once, at the prices of the ways."""
    mine = list(block.ways)
    cost, fixed = ways.unit[mine], ways.once[mine]
    if mine and mine[-1] >= len(ix.options):
        cost = np.where(np.array(mine) < len(ix.options), cost, block.prices + cost * block.needs)
    return cost, fixed


def _fulls(ix: Index, block: Block, first: int) -> Iterator[int]:
    way, need = block.ways[first], float(block.needs[first])
    if way >= len(ix.options) or need <= 1:
        return
    most = min(ceil(need) - 1, ix.most[way])
    tried = {n for n in (*range(1, FEW + 1), most - 1, most) if max(1, ix.options[way].min_replicas) <= n <= most}
    yield from sorted(tried)


def _pair(ix: Index, res: Resources, block: Block, first: int, full: int, second: int) -> Pattern | None:
    share = full / float(block.needs[first])
    return _pattern(
        ix, res, block, [(first, full, share), (second, _replicas(ix, block, second, 1 - share), 1 - share)]
    )


def _replicas(ix: Index, block: Block, k: int, share: float) -> int:
    way, need = block.ways[k], float(block.needs[k])
    if way >= len(ix.options):
        return 0
    return max(ceil(need * share - ROUND), ix.options[way].min_replicas, 1 if need > 0 else 0)


def _pattern(ix: Index, res: Resources, block: Block, parts: list[tuple[int, int, float]]) -> Pattern | None:
    """None where an option's or provider's own limits do not allow it."""
    cost, uses = 0.0, dict[int, float]()
    for k, replicas, share in parts:
        way, resource = block.ways[k], res.of_way[block.ways[k]]
        if way < len(ix.options):
            if replicas > ix.most[way]:
                return None
            option = ix.options[way]
            cost += option.hourly(replicas) + (0.0 if option.incumbent else option.opening)
            uses[resource] = uses.get(resource, 0.0) + option.accelerators * replicas
            if (quota := res.quota_of.get(way)) is not None:
                uses[quota] = uses.get(quota, 0.0) + option.accelerators * replicas
        else:
            provider = ix.providers[way - len(ix.options)]
            if share * block.needs[k] > 1 + ROUND:
                return None
            cost += float(block.prices[k]) * share + (0.0 if provider.incumbent else provider.opening)
            uses[resource] = uses.get(resource, 0.0) + float(block.needs[k]) * share
        if ix.moves(way):
            uses[res.moves] = uses.get(res.moves, 0.0) + 1.0
    replicas_of = tuple((block.ways[k], n) for k, n, _ in parts if block.ways[k] < len(ix.options))
    shares = tuple((arc, share) for k, _, share in parts for arc in block.arcs[k])
    if block.idle:
        cost += sum(nominal(ix, arc) * share for arc, share in shares)
    return Pattern(replicas_of, shares, cost, tuple(sorted(uses.items())))
