"""A problem with its keys turned into positions, in the order of the keys. Pure.

ValueError for a problem that contradicts itself.
Everything after this file works on positions, so that the sequence of the inputs cannot matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, isfinite
from typing import TypeVar

from inferfleet.placing.types import Demand, Option, Pool, Problem, Provider, Quota

HOUR = 3600 / 1e6
"""USD per hour for one token per second at one USD per million tokens."""
ROUND = 1e-9
"""Of a replica: as many of the same speed must not become one more by rounding of floats."""
Keyed = TypeVar("Keyed", Demand, Option, Provider, Pool, Quota)


@dataclass(frozen=True)
class Arc:
    """A demand on an option or provider."""

    demand: int
    way: int
    """Position of the option; providers come after all options."""
    need: float
    """Replicas (of a provider: share of its rate limit) for the whole demand, with headroom and margin."""
    busy: float
    """The same without headroom: what is left of a replica for batch work. Of a deferrable demand: as `need`."""
    price: float
    """USD per hour for the whole demand, of a provider; 0 of an option."""


@dataclass(frozen=True)
class Index:
    """A problem by position: demands, options, providers and pools each sorted by key."""

    demands: tuple[Demand, ...]
    options: tuple[Option, ...]
    providers: tuple[Provider, ...]
    pools: tuple[Pool, ...]
    quotas: tuple[Quota, ...]
    pool_of: tuple[int, ...]
    """Position of each option's pool."""
    holds: tuple[tuple[int, ...], ...]
    """Of each option, which of `ends` it takes of: its pool, and its quota if it has one."""
    most: tuple[int, ...]
    """Replicas of each option that its own maximum, its pool and its demands allow or can use; 0: unusable."""
    arcs: tuple[Arc, ...]
    """By demand, then way; arcs of unusable options are left out."""

    @cached_property
    def ends(self) -> tuple[float, ...]:
        """Accelerators of the pools, then of the quotas."""
        return _ends(self.pools, self.quotas)

    @cached_property
    def of_demand(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the arcs of each demand."""
        return _grouped([arc.demand for arc in self.arcs], len(self.demands))

    @cached_property
    def of_way(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the arcs of each option and provider."""
        return _grouped([arc.way for arc in self.arcs], len(self.options) + len(self.providers))

    @cached_property
    def served_now(self) -> frozenset[int]:
        """Demands that an incumbent may serve: what is newly opened for them is a move."""
        return frozenset(arc.demand for arc in self.arcs if self.incumbent(arc.way))

    def incumbent(self, way: int) -> bool:
        """Whether it serves now."""
        if way < len(self.options):
            return self.options[way].incumbent > 0
        return self.providers[way - len(self.options)].incumbent

    def key(self, way: int) -> str:
        """Of an option or provider."""
        return self.options[way].key if way < len(self.options) else self.providers[way - len(self.options)].key

    @cached_property
    def moving(self) -> tuple[bool, ...]:
        """Whether opening an option or provider moves something that runs."""
        return tuple(
            not self.incumbent(way) and any(self.arcs[i].demand in self.served_now for i in arcs)
            for way, arcs in enumerate(self.of_way)
        )

    def moves(self, way: int) -> bool:
        """Whether opening it moves something that runs."""
        return self.moving[way]


def index(problem: Problem) -> Index:
    """The problem by position."""
    demands = _sorted(problem.demands, "demands")
    options = _sorted(problem.options, "options")
    providers = _sorted(problem.providers, "providers")
    pools, quotas = _sorted(problem.pools, "pools"), _sorted(problem.quotas, "quotas")
    _unique([*options, *providers], "options and providers")
    places = {pool.key: position for position, pool in enumerate(pools)}
    allowed = {quota.key: position for position, quota in enumerate(quotas, len(pools))}
    for option in options:
        _check_option(option, places, allowed)
    for demand in demands:
        _check_demand(demand)
    for provider in providers:
        _check_provider(provider)
    for pool in pools:
        _check_pool(pool)
    for quota in quotas:
        _check_quota(quota)
    known = {demand.key: position for position, demand in enumerate(demands)}
    pool_of = tuple(places[option.pool] for option in options)
    arcs = [*_option_arcs(options, demands, known), *_provider_arcs(providers, demands, known, len(options))]
    holds = tuple((p, allowed[o.quota]) if o.quota else (p,) for o, p in zip(options, pool_of, strict=True))
    ends = _ends(pools, quotas)
    least = [min(ends[place] for place in held) for held in holds]
    most = tuple(_most(o, end, needs) for o, end, needs in zip(options, least, _needs(arcs, options), strict=True))
    usable = [arc for arc in arcs if arc.way >= len(options) or most[arc.way] > 0]
    arcs = sorted(usable, key=lambda arc: (arc.demand, arc.way))
    return Index(demands, options, providers, pools, quotas, pool_of, holds, most, tuple(arcs))


def _ends(pools: Iterable[Pool], quotas: Iterable[Quota]) -> tuple[float, ...]:
    return (*(pool.accelerators for pool in pools), *(quota.accelerators for quota in quotas))


def _option_arcs(options: tuple[Option, ...], demands: tuple[Demand, ...], known: dict[str, int]) -> Iterable[Arc]:
    for way, option in enumerate(options):
        for key, capacity in option.capacity.items():
            if key in known:
                demand = demands[known[key]]
                alone = demand.load / (capacity * (1 - option.margin))
                need = alone / demand.utilization
                yield Arc(known[key], way, need, need if demand.deferrable else alone, 0.0)


def _provider_arcs(
    providers: tuple[Provider, ...], demands: tuple[Demand, ...], known: dict[str, int], first: int
) -> Iterable[Arc]:
    for way, provider in enumerate(providers, first):
        for key, price in provider.price.items():
            if key in known:
                load = demands[known[key]].load
                need = load / provider.limit[key] if key in provider.limit else 0.0
                yield Arc(known[key], way, need, need, load * price * HOUR)


def _needs(arcs: list[Arc], options: tuple[Option, ...]) -> list[list[float]]:
    needs: list[list[float]] = [[] for _ in options]
    for arc in arcs:
        if arc.way < len(options):
            needs[arc.way].append(arc.need)
    return needs


def _most(option: Option, end: float, needs: list[float]) -> int:
    """What demands can use is rounded up one by one: exact whichever share is carried, and finite."""
    if not needs:
        return 0
    useful = max(ceil(sum(needs) - ROUND), option.min_replicas, 1)
    fits = floor(end / option.accelerators + ROUND) if isfinite(end) else useful
    most = min(useful, fits, useful if option.max_replicas is None else option.max_replicas)
    return most if most >= max(option.min_replicas, 1) else 0


def _sorted(items: tuple[Keyed, ...], what: str) -> tuple[Keyed, ...]:
    _unique(items, what)
    return tuple(sorted(items, key=lambda item: item.key))


def _unique(items: Iterable[Demand | Option | Provider | Pool | Quota], what: str) -> None:
    seen: set[str] = set()
    for item in items:
        if item.key in seen:
            raise ValueError(f"two {what} have the key {item.key!r}: keys must be unique")
        seen.add(item.key)


def _check_demand(demand: Demand) -> None:
    if not (demand.load >= 0 and isfinite(demand.load)):
        raise ValueError(f"demand {demand.key}: load is {demand.load}, it must be finite and at least 0")
    if not 0 < demand.utilization <= 1:
        raise ValueError(f"demand {demand.key}: utilization is {demand.utilization}, it must be in (0, 1]")


def _check_option(option: Option, pools: dict[str, int], quotas: dict[str, int]) -> None:
    if option.pool not in pools:
        raise ValueError(f"option {option.key}: there is no pool {option.pool!r}")
    if option.quota and option.quota not in quotas:
        raise ValueError(f"option {option.key}: there is no quota {option.quota!r}")
    if not all(cost >= 0 and isfinite(cost) for cost in (option.cost, option.opening, option.starting)):
        raise ValueError(f"option {option.key}: cost, opening and starting must be finite and at least 0")
    if not option.accelerators > 0:
        raise ValueError(f"option {option.key}: accelerators is {option.accelerators}, it must be positive")
    if not 0 <= option.margin < 1:
        raise ValueError(f"option {option.key}: margin is {option.margin}, it must be in [0, 1)")
    if slow := [key for key, capacity in option.capacity.items() if not (capacity > 0 and isfinite(capacity))]:
        raise ValueError(f"option {option.key}: capacity for {slow[0]} must be positive and finite")


def _check_provider(provider: Provider) -> None:
    if not all(price >= 0 and isfinite(price) for price in (*provider.price.values(), provider.opening)):
        raise ValueError(f"provider {provider.key}: prices and opening must be finite and at least 0")
    if slow := [key for key, limit in provider.limit.items() if not limit > 0]:
        raise ValueError(
            f"provider {provider.key}: limit for {slow[0]} must be positive; leave out what it may not serve"
        )


def _check_pool(pool: Pool) -> None:
    if not (pool.accelerators >= 0 and (pool.existing is None or pool.existing >= 0)):
        raise ValueError(f"pool {pool.key}: accelerators and existing must be at least 0")
    if not (pool.growing >= 0 and isfinite(pool.growing)):
        raise ValueError(f"pool {pool.key}: growing is {pool.growing}, it must be finite and at least 0")


def _check_quota(quota: Quota) -> None:
    if not quota.accelerators >= 0:
        raise ValueError(f"quota {quota.key}: accelerators is {quota.accelerators}, it must be at least 0")


def _grouped(by: list[int], count: int) -> tuple[tuple[int, ...], ...]:
    groups: list[list[int]] = [[] for _ in range(count)]
    for position, place in enumerate(by):
        groups[place].append(position)
    return tuple(map(tuple, groups))
