"""What models share: accelerators of pools that end, rate limits of providers, moves. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

from inferfleet.placing.index import Index
from inferfleet.placing.types import Settings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Resources:
    """By position: pools first, then providers, then the moves, then quotas."""

    limit: Floats
    """Units that cost nothing beyond their use; infinite where nothing ends."""
    extra: Floats
    """Units that may be added to them and could be of use; finite."""
    growing: Floats
    """USD per hour of a unit added."""
    of_way: tuple[int, ...]
    """What each option or provider uses."""
    unit: tuple[float, ...]
    """How much of it per replica; of a provider per share of its limit."""
    moves: int
    """Position of the moves."""
    quota_of: Mapping[int, int]
    """What options that have a quota use beside their pool."""

    def charged(self, prices: Floats) -> Floats:
        """USD per hour of what a replica of each option, or the whole limit of each provider, uses at these prices."""
        each = prices[np.array(self.of_way, dtype=np.int64)]
        ways = list(self.quota_of)
        each[ways] += prices[list(self.quota_of.values())]
        found: Floats = each * np.array(self.unit)
        return found

    def worth(self, prices: Floats) -> float:
        """USD per hour that all limits are worth at these prices: what the decomposition takes off its sum."""
        priced = prices > 0
        added = np.maximum(0.0, prices - self.growing)[priced] * self.extra[priced]
        return float(np.sum(prices[priced] * self.limit[priced]) + np.sum(added))

    def supply(self, prices: Floats) -> Floats:
        """Units offered at these prices."""
        return self.limit + np.where(prices > self.growing, self.extra, 0.0)


def resources(ix: Index, settings: Settings) -> Resources:
    """Of a fleet."""
    limits, extras, growing = [], [], []
    for place, pool in enumerate(ix.pools):
        free = (
            pool.accelerators if pool.existing is None or pool.growing == 0 else min(pool.existing, pool.accelerators)
        )
        limits.append(free)
        extras.append(min(pool.accelerators, max(free, _usable(ix, place))) - free if isfinite(free) else 0.0)
        growing.append(pool.growing)
    ends = [any(ix.arcs[i].need > 0 for i in ix.of_way[w]) for w in range(len(ix.options), len(ix.of_way))]
    limits += [1.0 if end else inf for end in ends]
    limits.append(inf if settings.max_moves is None else float(settings.max_moves))
    moves = len(limits) - 1
    limits += [quota.accelerators for quota in ix.quotas]
    quota_of = {way: held[1] - len(ix.pools) + moves + 1 for way, held in enumerate(ix.holds) if len(held) > 1}
    rest = len(limits) - len(growing)
    of_way = (*ix.pool_of, *range(len(ix.pools), len(ix.pools) + len(ix.providers)))
    unit = (*(option.accelerators for option in ix.options), *(1.0 for _ in ix.providers))
    arrays = (np.array(limits), np.array(extras + [0.0] * rest), np.array(growing + [0.0] * rest))
    return Resources(*arrays, of_way, unit, moves, quota_of)


def _usable(ix: Index, pool: int) -> float:
    """Accelerators that all demands could use of a pool at most."""
    mine = [way for way, place in enumerate(ix.pool_of) if place == pool]
    return float(sum(ix.most[way] * ix.options[way].accelerators for way in mine))
