"""A choice by position: replicas of each option, the share of each arc; what it costs and leaves unserved. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf

from inferfleet.placing.index import HOUR, ROUND, Index

SMALL = 1e-7
"""Shares below this are a solver's rounding."""
NOMINAL = 1e-6
"""USD per hour: what the dearest way for a demand of zero counts as."""


@dataclass(frozen=True)
class Choice:
    """Positions as in the `Index` that it was made for."""

    replicas: tuple[int, ...]
    """Of each option."""
    shares: tuple[float, ...]
    """Of each arc: the part of the arc's demand that the arc's option or provider carries."""


@dataclass(frozen=True)
class Use:
    """What a choice comes to."""

    ix: Index
    choice: Choice

    @cached_property
    def used(self) -> tuple[bool, ...]:
        """Options and providers that are open: with replicas, or with a share."""
        carried = [False] * (len(self.ix.options) + len(self.ix.providers))
        for arc, share in zip(self.ix.arcs, self.choice.shares, strict=True):
            carried[arc.way] = carried[arc.way] or share > 0
        return tuple(
            on or (i < len(self.choice.replicas) and self.choice.replicas[i] > 0) for i, on in enumerate(carried)
        )

    @cached_property
    def served(self) -> tuple[float, ...]:
        """Share of each demand that somebody carries."""
        served = [0.0] * len(self.ix.demands)
        for arc, share in zip(self.ix.arcs, self.choice.shares, strict=True):
            served[arc.demand] += share
        return tuple(served)

    @cached_property
    def accelerators(self) -> tuple[float, ...]:
        """Used of each pool, then of each quota."""
        used = [0.0] * len(self.ix.ends)
        for option, held, replicas in zip(self.ix.options, self.ix.holds, self.choice.replicas, strict=True):
            for place in held:
                used[place] += option.accelerators * replicas
        return tuple(used)

    @cached_property
    def cost(self) -> float:
        """USD per hour."""
        ways = sum(self.fixed(way) for way, on in enumerate(self.used) if on)
        replicas = sum(o.hourly(n) for o, n in zip(self.ix.options, self.choice.replicas, strict=True))
        tokens = sum(arc.price * share for arc, share in zip(self.ix.arcs, self.choice.shares, strict=True))
        return ways + replicas + tokens + self.growth

    @property
    def growth(self) -> float:
        """USD per hour for accelerators that have to be added."""
        return sum(
            pool.growing * max(0.0, used - (inf if pool.existing is None else pool.existing))
            for pool, used in zip(self.ix.pools, self.accelerators, strict=False)
        )

    def fixed(self, way: int) -> float:
        """USD per hour for opening it."""
        if self.ix.incumbent(way):
            return 0.0
        options = self.ix.options
        return options[way].opening if way < len(options) else self.ix.providers[way - len(options)].opening

    @cached_property
    def moves(self) -> int:
        """Options and providers newly opened for what something serves already."""
        return sum(on and self.ix.moves(way) for way, on in enumerate(self.used))


def busy(ix: Index, way: int, shares: Sequence[float]) -> float:
    """Replicas that an option's shares ask for: interactive with headroom; or all, batch work inside that headroom."""
    interactive = total = 0.0
    for position in ix.of_way[way]:
        arc, share = ix.arcs[position], shares[position]
        total += share * arc.busy
        if not ix.demands[arc.demand].deferrable:
            interactive += share * arc.need
    return max(interactive, total)


def least(ix: Index, way: int, shares: Sequence[float]) -> int:
    """Replicas that an option needs for its shares."""
    if not any(shares[i] > 0 for i in ix.of_way[way]):
        return 0
    loaded = any(shares[i] > 0 and ix.arcs[i].need > 0 for i in ix.of_way[way])
    return max(ceil(busy(ix, way, shares) - 10 * SMALL), ix.options[way].min_replicas, int(loaded))


def tidy(ix: Index, choice: Choice) -> Choice:
    """Without a solver's rounding: tiny shares go, what is served in full adds up to one, no replica is idle."""
    shares = _whole(ix, [share if share > SMALL else 0.0 for share in choice.shares])
    replicas = tuple(min(least(ix, way, shares), choice.replicas[way]) for way in range(len(ix.options)))
    return Choice(replicas, tuple(shares))


def _whole(ix: Index, shares: list[float]) -> list[float]:
    sums = [0.0] * len(ix.demands)
    for arc, share in zip(ix.arcs, shares, strict=True):
        sums[arc.demand] += share
    whole = [1 / total if abs(total - 1) < 100 * SMALL else 1.0 for total in sums]
    return [min(1.0, share * whole[arc.demand]) for arc, share in zip(ix.arcs, shares, strict=True)]


def per_token(ix: Index, position: int) -> float:
    """Cost of one token per second of an arc at full use, USD per hour."""
    arc = ix.arcs[position]
    key = ix.demands[arc.demand].key
    if arc.way >= len(ix.options):
        return ix.providers[arc.way - len(ix.options)].price[key] * HOUR
    return ix.options[arc.way].cost / ix.options[arc.way].capacity[key]


def nominal(ix: Index, position: int) -> float:
    """A demand of zero goes where it would be cheapest: by a price too small to matter otherwise, USD per hour."""
    if ix.demands[ix.arcs[position].demand].load > 0:
        return 0.0
    dearest = max(per_token(ix, i) for i in ix.of_demand[ix.arcs[position].demand])
    return NOMINAL * per_token(ix, position) / dearest if dearest > 0 else 0.0


def unserved(use: Use) -> list[float]:
    """Share of each demand that waits, rounding left out."""
    return [0.0 if served > 1 - 100 * SMALL else 1 - served for served in use.served]


def levels(ix: Index) -> list[list[int]]:
    """Demands in the order in which they are served when not all fits: interactive before batch, then by priority."""
    ranks: dict[tuple[bool, int], list[int]] = {}
    for position, demand in enumerate(ix.demands):
        ranks.setdefault((demand.deferrable, -demand.priority), []).append(position)
    return [ranks[rank] for rank in sorted(ranks)]


def room(ix: Index, way: int, used: Sequence[float], replicas: int) -> int:
    """Replicas that an option may have more."""
    free = min([ix.ends[place] - used[place] for place in ix.holds[way]]) / ix.options[way].accelerators
    return max(0, min(ix.most[way] - replicas, int(min(free + ROUND, 10**9))))
