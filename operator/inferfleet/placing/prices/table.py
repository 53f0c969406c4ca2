"""All patterns of all blocks as arrays: one evaluation at new prices is a handful of vector operations. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from inferfleet.placing.prices.patterns import Pattern
from inferfleet.placing.prices.resources import Floats, Ints


@dataclass(frozen=True)
class Table:
    """Patterns by block; blocks by partition; partitions by component. No block, partition or component is empty."""

    cost: Floats
    """Of each pattern."""
    resource: Ints
    amount: Floats
    use_begin: Ints
    """Where the uses of each pattern begin. Every pattern has at least one, of amount 0 if need be."""
    block_begin: Ints
    """Where the patterns of each block begin."""
    member: Ints
    """Blocks of the partitions, one after the other."""
    partition_begin: Ints
    """Where the blocks of each partition begin in `member`."""
    component_begin: Ints
    """Where the partitions of each component begin."""


@dataclass(frozen=True)
class Selection:
    """What every component takes at given prices."""

    values: Floats
    """USD per hour of each component, prices included."""
    patterns: tuple[Ints, Ints]
    """(component, pattern) of every block in use, by component."""
    use: Floats
    """Of each resource."""


def table(patterns: Sequence[Sequence[Pattern]], cuts: Sequence[Sequence[tuple[int, ...]]]) -> Table:
    """`patterns` of each block; `cuts`: of each component its partitions, as positions of blocks."""
    flat = [pattern for block in patterns for pattern in block]
    uses = [pattern.uses or ((0, 0.0),) for pattern in flat]
    partitions = [partition for component in cuts for partition in component]
    return Table(
        np.array([pattern.cost for pattern in flat]),
        np.array([resource for use in uses for resource, _ in use], dtype=np.int64),
        np.array([amount for use in uses for _, amount in use]),
        _begins(map(len, uses)),
        _begins(map(len, patterns)),
        np.array([block for partition in partitions for block in partition], dtype=np.int64),
        _begins(map(len, partitions)),
        _begins(map(len, cuts)),
    )


def select(known: Table, prices: Floats) -> Selection:
    """The cheapest pattern of each block, the cheapest partition of each component."""
    cost = known.cost + np.add.reduceat(prices[known.resource] * known.amount, known.use_begin)
    block_cost, pattern_of = _least(cost, known.block_begin)
    partition_cost = np.add.reduceat(block_cost[known.member], known.partition_begin)
    values, partition_of = _least(partition_cost, known.component_begin)
    ends = np.append(known.partition_begin[1:], len(known.member))
    counts = ends[partition_of] - known.partition_begin[partition_of]
    component = np.repeat(np.arange(len(values)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = pattern_of[known.member[np.repeat(known.partition_begin[partition_of], counts) + within]]
    return Selection(values, (component, chosen), _use(known, chosen, len(prices)))


def _use(known: Table, chosen: Ints, resources: int) -> Floats:
    times = np.bincount(chosen, minlength=len(known.cost)).astype(np.float64)
    lengths = np.diff(np.append(known.use_begin, len(known.resource)))
    weights = known.amount * np.repeat(times, lengths)
    return np.bincount(known.resource, weights=weights, minlength=resources).astype(np.float64)


def _least(values: Floats, begins: Ints) -> tuple[Floats, Ints]:
    """Least of each segment, and the position of its first."""
    least = np.minimum.reduceat(values, begins)
    lengths = np.diff(np.append(begins, len(values)))
    hits = np.flatnonzero(values == np.repeat(least, lengths))
    segment = np.repeat(np.arange(len(begins)), lengths)[hits]
    _, first = np.unique(segment, return_index=True)
    return least, hits[first]


def _begins(lengths: Iterable[int]) -> Ints:
    found = list(lengths)
    return np.array([0, *accumulate(found)][:-1], dtype=np.int64)
