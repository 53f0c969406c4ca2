"""What a full pool cannot hold goes to the next best. Pure.

One Service spreads the requests of a workload evenly over its pods, whatever they run on: so many replicas do as if
all were as slow as the slowest, and slower hardware helps only where enough of it makes up for that.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from inferfleet.planning.room import ROUNDING
from inferfleet.planning.types import Evaluated


@dataclass(frozen=True)
class Share:
    """Replicas of one candidate. Tokens per second of one, at most."""

    evaluated: Evaluated
    replicas: int

    @property
    def speed(self) -> float:
        return self.evaluated.tokens_per_second


@dataclass(frozen=True)
class Offer:
    """A candidate that may take what is left."""

    evaluated: Evaluated
    running: int = 0
    """Replicas that it has now: they are never taken away for lack of room."""

    @property
    def most(self) -> int:
        return max(self.evaluated.candidate.free, self.running)


def one_of_each_pool(ranked: Iterable[Evaluated], but: Collection[str] = ()) -> list[Evaluated]:
    """The best of each, in their order, but of some pools: the replicas of two would compete for the same nodes."""
    found: dict[str, Evaluated] = {}
    for e in ranked:
        if e.candidate.pool.name not in but and not e.candidate.offer:
            found.setdefault(e.candidate.pool.name, e)
    return list(found.values())


def carries(shares: Sequence[Share]) -> float:
    """Tokens per second at which the slowest is full."""
    there = [s for s in shares if s.replicas > 0]
    return sum(s.replicas for s in there) * min((s.speed for s in there), default=0.0)


def as_replicas(shares: Sequence[Share], of: Evaluated) -> int:
    """How many replicas of one candidate carry as much."""
    return int(carries(shares) / of.tokens_per_second + ROUNDING)


def spill(first: Share, needed: float, offers: Iterable[Offer], most: int) -> tuple[Share, ...]:
    """Shares beside the first until all carry `needed` tokens per second, with at most so many replicas in all.

    Offers in the order in which they are asked. One that would slow down more than it adds is left out.
    """
    shares: tuple[Share, ...] = (first,)
    for offer in offers:
        if carries(shares) >= needed * (1 - ROUNDING):
            break
        added = Share(offer.evaluated, _replicas(shares, needed, offer, most))
        if added.replicas > 0 and carries((*shares, added)) > carries(shares):
            shares = (*shares, added)
    return shares[1:]


def _replicas(shares: Sequence[Share], needed: float, offer: Offer, most: int) -> int:
    there = sum(s.replicas for s in shares)
    slowest = min([offer.evaluated.tokens_per_second, *(s.speed for s in shares if s.replicas > 0)])
    return min(ceil(needed / slowest - ROUNDING) - there, offer.most, most - there)
