"""What every option, provider and arc costs at given prices of what is scarce, all at once. Pure."""

from dataclasses import dataclass

import numpy as np

from inferfleet.placing.index import Index
from inferfleet.placing.prices.resources import Floats, Resources
from inferfleet.placing.types import Option, Provider


@dataclass(frozen=True)
class Ways:
    """Of each option and provider, USD per hour."""

    unit: Floats
    """One more replica, at least; of a provider: the price of its whole limit."""
    once: Floats
    """For using it at all."""
    least: Floats
    """Replicas, when it is used; 0 of a provider."""
    most: Floats
    """Replicas; of a provider 1, its whole limit."""


@dataclass(frozen=True)
class Arcs:
    """Of each arc."""

    demand: list[int]
    load: Floats
    """Replicas of the whole demand, at least: batch work may use the headroom beside it."""
    rate: Floats
    """USD per hour of the whole demand on full replicas of the option, or on the provider."""
    whole: Floats
    """The same on whole replicas of the option that serve nothing else."""


def ways_at(ix: Index, res: Resources, prices: Floats) -> Ways:
    """At these prices."""
    unit = np.array([o.cost + (0.0 if o.incumbent else o.starting) for o in ix.options] + [0.0] * len(ix.providers))
    makers: tuple[Option | Provider, ...] = (*ix.options, *ix.providers)
    opening = [0.0 if maker.incumbent else maker.opening for maker in makers]
    moving = float(prices[res.moves]) * np.array(ix.moving, dtype=np.float64)
    least = [float(max(1, o.min_replicas)) for o in ix.options] + [0.0] * len(ix.providers)
    most = [*map(float, ix.most), *(1.0 for _ in ix.providers)]
    return Ways(unit + res.charged(prices), np.array(opening) + moving, np.array(least), np.array(most))


def arcs_at(ix: Index, ways: Ways) -> Arcs:
    """At the same prices as the ways."""
    of_way = np.array([arc.way for arc in ix.arcs], dtype=np.int64)
    need, busy, price = np.array([(arc.need, arc.busy, arc.price) for arc in ix.arcs]).reshape(-1, 3).T
    deferrable = np.array([demand.deferrable for demand in ix.demands], dtype=bool)
    demand = [arc.demand for arc in ix.arcs]
    beside = np.zeros(len(ways.unit), dtype=bool)
    beside[of_way[deferrable[demand]]] = True
    load = np.where(beside[of_way], busy, need)
    least = np.array([o.min_replicas for o in ix.options] + [0] * len(ix.providers))[of_way]
    unit, outside = ways.unit[of_way], of_way >= len(ix.options)
    rate = np.where(outside, price + unit * need, load * unit)
    whole = np.where(outside, rate, np.maximum(least, np.ceil(need - 1e-9)) * unit)
    return Arcs(demand, load, rate, whole)
