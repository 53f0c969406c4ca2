"""Options that another one makes useless. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from math import ceil

from inferfleet.placing.prune import replaces
from inferfleet.placing.types import Demand, Option


def needed(option: Option, demand: Demand) -> int | None:
    """Replicas for the whole demand; None where it may not have so many."""
    capacity = option.capacity[demand.key] * (1 - option.margin) * demand.utilization
    replicas = max(1, option.min_replicas, ceil(demand.load / capacity))
    return replicas if option.max_replicas is None or replicas <= option.max_replicas else None


def cheapest(options: Sequence[Option], kept: Iterable[str], demand: Demand) -> list[Option]:
    """Of a demand that one option carries alone, by pool: those that no other beats in money and accelerators.

    Of equals, which few requests make of all, the fastest: it carries most when more come.

    Of a pool where none may have enough replicas, the one that carries most. Those in `kept` stay.
    """
    always, found = set(kept), list[Option]()
    for _, group in groupby(sorted(options, key=lambda o: (o.pool, o.key)), key=lambda o: o.pool):
        members = list(group)
        sizes = {o.key: _size(o, n) for o in members if (n := needed(o, demand))}
        best = [o for o in members if o.key in sizes and not _beaten(o, members, sizes, demand.key)]
        best = best or [max(members, key=lambda o: ((o.max_replicas or 0) * o.capacity[demand.key], o.key))]
        found += [o for o in members if o.key in always or o in best]
    return found


def _size(o: Option, replicas: int) -> tuple[float, float]:
    """USD per hour and accelerators."""
    started = max(0, replicas - o.incumbent) * o.starting
    return replicas * o.cost + o.opening + started, replicas * o.accelerators


def _beaten(o: Option, others: Iterable[Option], sizes: Mapping[str, tuple[float, float]], demand: str) -> bool:
    """By one that is better in one thing and no worse in the other, or the same and faster, or earlier by name."""
    mine, rank = sizes[o.key], (-o.capacity[demand], o.key)
    found = (other for other in others if other.key in sizes and other.key != o.key)
    return any(
        sizes[x.key][0] <= mine[0]
        and sizes[x.key][1] <= mine[1]
        and (sizes[x.key] != mine or (-x.capacity[demand], x.key) < rank)
        for x in found
    )


def _order(o: Option) -> tuple[float, str]:
    return -min(o.capacity.values()), o.key


def replaced(options: Sequence[Option], kept: Iterable[str]) -> set[str]:
    """Keys of options for several demands that another of the same pool and demands beats replica for replica."""
    always = set(kept)
    best: dict[tuple[str, frozenset[str]], list[Option]] = {}
    for option in sorted(options, key=lambda o: (o.accelerators, o.cost, *_order(o))):
        better = best.setdefault((option.pool, frozenset(option.capacity)), [])
        if option.key in always or not any(_instead(other, option) for other in better):
            better.append(option)
    return {o.key for o in options} - {o.key for found in best.values() for o in found}


def _instead(a: Option, b: Option) -> bool:
    enough = a.max_replicas is None or (b.max_replicas is not None and a.max_replicas >= b.max_replicas)
    return enough and replaces(a, b)


def undominated(options: Sequence[Option], kept: Iterable[str], demand: str) -> list[Option]:
    """Without those of one demand that another of the same pool beats at every load; those in `kept` stay.

    Another beats it that costs no more for a token, a replica and an accelerator, comes in parts of its size, and may
    have enough replicas to carry as much.
    """
    always, found = set(kept), list[Option]()
    for option in sorted(options, key=lambda o: (o.pool, o.accelerators, o.cost, *_order(o))):
        if option.key in always or not any(_beats(other, option, demand) for other in found):
            found.append(option)
    return found


def _beats(a: Option, b: Option, demand: str) -> bool:
    if a.pool != b.pool or b.accelerators % a.accelerators or a.cost > b.cost or a.opening > b.opening:
        return False
    mine, other = (o.capacity[demand] * (1 - o.margin) for o in (a, b))
    a_most, b_most = a.max_replicas, b.max_replicas
    enough = a_most is None or (b_most is not None and a_most * mine >= b_most * other)
    return enough and a.cost * other <= b.cost * mine and a.accelerators * other <= b.accelerators * mine
