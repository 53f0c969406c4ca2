"""What components pay at least, whatever they do: covering knapsacks on a grid rounded in their favour. Pure."""

from dataclasses import dataclass

import numpy as np

from inferfleet.placing.prices.resources import Floats, Ints

GRID = 96
"""Parts that the demand of a component is cut into."""


@dataclass(frozen=True)
class Items:
    """Of knapsack b (row), item i (column)."""

    pieces: Ints
    """Parts that a unit covers; 0: no such item."""
    cost: Floats
    """Of a unit."""
    once: Floats
    """For using it at all."""
    least: Ints
    """Units, if it is used."""


def cover(own: list[Items], caps: Ints, shared: Items) -> Floats:
    """The least cost to cover the grid, for many knapsacks at once.

    `own[d]` are the items of demand d alone: together they cover at most `caps[:, d]` parts, whatever they cost;
    `shared` items cover any part. Dynamic programming over the parts, item by item; demands join by convolution.
    """
    best = _nothing(len(caps))
    for demand, items in enumerate(own):
        best = _join(best, _with(_nothing(len(caps)), items), caps[:, demand])
    covered: Floats = _with(best, shared)[GRID]
    return covered


def _nothing(count: int) -> Floats:
    best = np.full((GRID + 1, count), np.inf)
    best[0] = 0.0
    return best


def _with(best: Floats, items: Items) -> Floats:
    """Least cost to cover at least so many parts, with these items too."""
    rows = np.arange(best.shape[1])
    for item in range(items.pieces.shape[1]):
        size = items.pieces[:, item]
        units = np.maximum(items.least[:, item], 1)
        begin = np.where(size > 0, units * items.cost[:, item] + items.once[:, item], np.inf)
        more = np.where(size > 0, items.cost[:, item], np.inf)
        using = np.full_like(best, np.inf)
        for part in range(1, GRID + 1):
            opened = best[np.maximum(part - units * size, 0), rows] + begin
            using[part] = np.minimum(opened, using[np.maximum(part - size, 0), rows] + more)
        best = np.minimum(best, using)
    return best


def _join(best: Floats, mine: Floats, cap: Ints) -> Floats:
    """Both together, where mine covers no more than its cap."""
    at_least = np.minimum.accumulate(mine[::-1])[::-1]
    joined = np.full_like(best, np.inf)
    for part in range(int(cap.max(initial=0)) + 1):
        cost = np.where(part <= cap, at_least[part], np.inf)
        joined[part:] = np.minimum(joined[part:], best[: GRID + 1 - part] + cost)
    return joined
