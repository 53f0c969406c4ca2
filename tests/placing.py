"""Small problems for the tests of the placement program: drawn by hypothesis, and solved by trying everything."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import ceil, inf

from hypothesis import strategies as st

from inferfleet.placing.place import place
from inferfleet.placing.types import Demand, Option, Plan, Pool, Problem, Provider, Quota, Settings

EXACT = Settings(time_limit=60.0)
LOADS = st.sampled_from([0.0, 5.0, 30.0, 75.0, 120.0])
SPEEDS = st.sampled_from([20.0, 35.0, 60.0, 110.0])
COSTS = st.sampled_from([0.5, 1.0, 1.7, 3.0])


@st.composite
def problems(draw: st.DrawFn, *, most: int = 3, free: bool = True) -> Problem:
    """A few demands, options of one or several of them, pools with and without an end, perhaps a provider.

    Without `free`, nothing that makes cost jump: no switching, minimum, growth or priority.
    """
    count = draw(st.integers(1, most))
    names = [f"d{k}" for k in range(count)]
    flags = st.booleans() if free else st.just(False)
    demands = tuple(
        Demand(
            n,
            draw(LOADS),
            priority=draw(st.integers(0, 1)),
            deferrable=draw(flags),
            utilization=draw(st.sampled_from([0.8, 1.0])),
        )
        for n in names
    )
    pools = tuple(Pool(f"p{k}", draw(st.sampled_from([1.0, 2.0, 5.0, inf]))) for k in range(draw(st.integers(1, 2))))
    options = tuple(draw(_option(f"o{k}", names, pools, flags)) for k in range(draw(st.integers(1, 4))))
    quotas = (Quota("q", draw(st.sampled_from([0.0, 1.0, 3.0]))),) if free and draw(st.booleans()) else ()
    options = tuple(replace(o, quota="q") if quotas and draw(st.booleans()) else o for o in options)
    providers = (Provider("ext", {names[0]: draw(COSTS) * 10}, {names[0]: 40.0}),) if draw(st.booleans()) else ()
    return Problem(demands, options, pools, providers, quotas)


@st.composite
def _option(
    draw: st.DrawFn, key: str, names: list[str], pools: tuple[Pool, ...], flags: st.SearchStrategy[bool]
) -> Option:
    served = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    return Option(
        key,
        draw(st.sampled_from([pool.key for pool in pools])),
        {name: draw(SPEEDS) for name in served},
        draw(COSTS),
        accelerators=draw(st.sampled_from([1.0, 2.0])),
        min_replicas=2 if draw(flags) else 0,
        opening=0.4 if draw(flags) else 0.0,
        starting=0.2 if draw(flags) else 0.0,
        incumbent=1 if draw(flags) else 0,
    )


def cheapest(problem: Problem) -> float:
    """The least cost to serve one interactive demand in full, by trying all numbers of replicas; infinite if none does.

    For problems of one demand, without providers, switching or minimum: what a plan is compared with must be obvious.
    """
    (demand,) = problem.demands
    return min(
        (_cost(problem, counts) for counts in _counts(problem) if _carries(problem, demand, counts)), default=inf
    )


def _counts(problem: Problem) -> Iterator[tuple[int, ...]]:
    (demand,) = problem.demands
    yield from product(*(range(_useful(demand, option) + 1) for option in problem.options))


def _useful(demand: Demand, option: Option) -> int:
    return ceil(demand.load / (demand.utilization * option.capacity[demand.key]) - 1e-9)


def _carries(problem: Problem, demand: Demand, counts: tuple[int, ...]) -> bool:
    speed = sum(n * o.capacity[demand.key] for n, o in zip(counts, problem.options, strict=True)) * demand.utilization
    used = [
        sum(n * o.accelerators for n, o in zip(counts, problem.options, strict=True) if o.pool == p.key)
        for p in problem.pools
    ]
    fits = all(mine <= pool.accelerators for mine, pool in zip(used, problem.pools, strict=True))
    return fits and speed >= demand.load - 1e-9


def _cost(problem: Problem, counts: tuple[int, ...]) -> float:
    return sum(n * option.cost for n, option in zip(counts, problem.options, strict=True))


def unlimited(problem: Problem) -> Problem:
    """With pools that never end."""
    return replace(problem, pools=tuple(replace(pool, accelerators=inf) for pool in problem.pools))


async def solve(problem: Problem, settings: Settings) -> Plan:
    """As the placement loop asks, without a process of its own."""
    return place(problem, settings)
