"""What a placement is compared with: cheapest per token, one type of hardware, the program solved to the end. Pure."""

from math import ceil, floor

from e2e.bench.planner.placement_cases import only
from inferfleet.placing.greedy import greedy
from inferfleet.placing.index import index
from inferfleet.placing.place import exact_plan, place
from inferfleet.placing.types import Option, Plan, Problem, Settings

PROVEN = Settings(time_limit=600.0, gap=1e-4)
"""Of the reference: until it is proven best, or this long."""
QUICK = Settings(time_limit=300.0, gap=0.002)
"""Of the single types."""


def optimum(problem: Problem) -> Plan:
    """The whole program, whatever its size."""
    ix = index(problem)
    return exact_plan(ix, PROVEN, greedy(ix, PROVEN))


def cheapest_per_token(problem: Problem) -> float | None:
    """The naive greedy: class after class, largest first, to the option of least cost per token that has room.

    Whole replicas at the end; None where a class finds no room for all of it, although its parts may be split.
    """
    work: dict[str, float] = {}
    room = {pool.key: pool.accelerators for pool in problem.pools}
    for demand in sorted(problem.demands, key=lambda d: (-d.load, d.key)):
        missing = demand.load / demand.utilization
        for option in _by_price(problem, demand.key):
            taken = min(missing, _free(option, room, work.get(option.key, 0.0)) * option.capacity[demand.key])
            before, after = work.get(option.key, 0.0), work.get(option.key, 0.0) + taken / option.capacity[demand.key]
            room[option.pool] -= (ceil(after - 1e-9) - ceil(before - 1e-9)) * option.accelerators
            work[option.key] = after
            missing -= taken
            if missing <= 1e-9 * demand.load:
                break
        else:
            return None
    return sum(ceil(work.get(option.key, 0.0) - 1e-9) * option.cost for option in problem.options)


def _by_price(problem: Problem, demand: str) -> list[Option]:
    able = [option for option in problem.options if demand in option.capacity]
    return sorted(able, key=lambda option: (option.cost / option.capacity[demand], option.key))


def _free(option: Option, room: dict[str, float], work: float) -> float:
    """Replicas' worth: the rest of the last one, and what the pool has left."""
    more = room[option.pool] / option.accelerators
    return ceil(work - 1e-9) - work + (floor(more + 1e-9) if more < 1e12 else 1e12)


def best_single(problem: Problem) -> tuple[str, float] | None:
    """One type of hardware for everything, the cheapest that can; its best placement."""
    found = []
    for pool in problem.pools:
        plan = place(only(problem, pool.key), QUICK)
        if not plan.shortfalls:
            found.append((plan.objective, pool.key))
    return (min(found)[1], min(found)[0]) if found else None
