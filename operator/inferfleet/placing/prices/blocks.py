"""Components: demands that share options, whatever the pools; and their blocks: demands carried together. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from inferfleet.placing.index import Index
from inferfleet.placing.prices.resources import Floats
from inferfleet.placing.types import Settings

MOST = 4
"""Demands of a component whose partitions are listed (15 of four); larger components are programs of their own."""

FEW = 5
"""Components of several demands up to which all of them are programs of their own: exact, and few enough for it."""


@dataclass(frozen=True)
class Block:
    """Demands that share every replica of what serves them."""

    demands: tuple[int, ...]
    ways: tuple[int, ...]
    """Options and providers that may serve all of them."""
    arcs: tuple[tuple[int, ...], ...]
    """Positions of each way's arcs to the demands."""
    calm: Floats
    """Replicas of each way (row) for each of them (column) that is interactive, with headroom; 0 for batch work."""
    busy: Floats
    """Replicas of each way for each of them, batch work inside the headroom; of a provider: share of its limit."""
    prices: Floats
    """USD per hour of all of them on a provider; 0 on an option."""
    whole: bool
    """Whether it may not be split over ways."""
    idle: bool
    """Whether any of them asks for nothing now."""

    @cached_property
    def needs(self) -> Floats:
        """Replicas of each way for all of them; of a provider: share of its limit."""
        return self.part(np.ones(len(self.demands)))

    def part(self, shares: Floats) -> Floats:
        """The same for a share of each of them."""
        found: Floats = np.maximum(self.calm @ shares, self.busy @ shares)
        return found


def components(ix: Index) -> list[tuple[int, ...]]:
    """Demands linked by options, in the order of their first."""
    root = list(range(len(ix.demands)))

    def find(demand: int) -> int:
        while root[demand] != demand:
            root[demand] = root[root[demand]]
            demand = root[demand]
        return demand

    for way in range(len(ix.options)):
        linked = [find(ix.arcs[i].demand) for i in ix.of_way[way]]
        for demand in linked:
            root[demand] = min(linked)
    groups: dict[int, list[int]] = {}
    for demand in range(len(ix.demands)):
        groups.setdefault(find(demand), []).append(demand)
    return [tuple(groups[first]) for first in sorted(groups)]


def listable(parts: Sequence[tuple[int, ...]]) -> int:
    """Most demands of a component whose partitions are listed, in a fleet of these components."""
    return 1 if sum(len(part) > 1 for part in parts) <= FEW else MOST


def blocks(ix: Index, component: tuple[int, ...], settings: Settings) -> list[Block]:
    """Of a component of at most `MOST` demands: each alone, and all sets that one option may serve together."""
    found = []
    for size in range(1, len(component) + 1):
        for demands in combinations(component, size):
            block = _block(ix, demands, settings)
            if size == 1 or any(way < len(ix.options) for way in block.ways):
                found.append(block)
    return found


def partitions(component: tuple[int, ...], known: list[Block]) -> Iterator[tuple[int, ...]]:
    """Every way to cut a component into known blocks, as positions of blocks."""
    if not component:
        yield ()
        return
    for position, block in enumerate(known):
        if component[0] in block.demands and set(block.demands) <= set(component):
            rest = tuple(demand for demand in component if demand not in block.demands)
            for others in partitions(rest, known):
                yield (position, *others)


def _block(ix: Index, demands: tuple[int, ...], settings: Settings) -> Block:
    ways: dict[int, list[int]] = {}
    for demand in demands:
        for i in ix.of_demand[demand]:
            ways.setdefault(ix.arcs[i].way, []).append(i)
    calm = any(not ix.demands[demand].deferrable for demand in demands)
    usable = {
        way: arcs
        for way, arcs in sorted(ways.items())
        if len(arcs) == len(demands) and not (calm and settings.preemptible_share < 1 and _preemptible(ix, way))
    }
    shape = len(usable), len(demands)
    total = np.array([[ix.arcs[i].busy for i in arcs] for arcs in usable.values()]).reshape(shape)
    interactive = np.array([[_calm(ix, i) for i in arcs] for arcs in usable.values()]).reshape(shape)
    prices = np.array([sum(ix.arcs[i].price for i in arcs) for arcs in usable.values()], dtype=np.float64)
    whole = any(ix.demands[demand].whole for demand in demands)
    idle = any(ix.demands[demand].load == 0 for demand in demands)
    return Block(demands, tuple(usable), tuple(map(tuple, usable.values())), interactive, total, prices, whole, idle)


def _preemptible(ix: Index, way: int) -> bool:
    return way < len(ix.options) and ix.options[way].preemptible


def _calm(ix: Index, position: int) -> float:
    arc = ix.arcs[position]
    return 0.0 if ix.demands[arc.demand].deferrable else arc.need
