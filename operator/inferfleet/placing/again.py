"""A fleet's plan from round to round: kept while nothing changed, mended where little did, else to be made anew. Pure.

A plan of thousands of models takes most of a minute of a processor, and from one minute to the next few of them change.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from inferfleet.placing.change import change, stand
from inferfleet.placing.types import Demand, Option, Placement, Plan, Problem, Settings, Status

Keyed = TypeVar("Keyed", Demand, Option)
NOTICED = 0.05
"""Share by which a load must have moved since it was planned for: less is the noise of counting requests."""
FEW = 0.02
"""Share of the demands that are placed anew beside the others; of more the whole program runs."""
ROUNDS = 10
"""After which the whole program runs if anything at all has changed."""


@dataclass(frozen=True)
class Last:
    """A problem, and the plan that stands for it."""

    problem: Problem
    plan: Plan
    gap: float
    """As of when the whole program ran."""
    rounds: int = 0
    """Since then."""


def solved(problem: Problem, plan: Plan) -> Last | None:
    """To begin the next round with; None where no solver ended its work, so that it is asked again."""
    return Last(problem, plan, plan.gap) if plan.status in (Status.OPTIMAL, Status.DECOMPOSED) else None


def again(last: Last, problem: Problem, settings: Settings) -> Last | None:
    """What stands now; None where the whole program has to run.

    Of a fleet small enough for one program nothing is mended: to solve it takes a second, and leaves no gap.
    """
    if problem == last.problem:
        return last
    same = _limits(problem) == _limits(last.problem)
    if not same or last.rounds >= ROUNDS or last.plan.shortfalls:
        return None
    calm = _calmed(last.problem, problem)
    touched = _linked(_touched(last.problem, calm), last.problem, calm)
    if not touched:
        return replace(last, rounds=last.rounds + 1)
    small = sum(len(option.capacity) for option in problem.options) <= settings.exact_arcs
    limited = problem.providers or settings.max_moves is not None  # who has what of these no placement says by itself
    if small or limited or len(touched) > FEW * len(problem.demands):
        return None
    return _mended(last, calm, touched, settings)


def _limits(problem: Problem) -> tuple[object, ...]:
    return problem.pools, problem.quotas, problem.providers


def _calmed(before: Problem, now: Problem) -> Problem:
    """With loads that hardly moved as they were planned for, so that many small steps are noticed in the end."""
    known = {demand.key: demand for demand in before.demands}
    return replace(now, demands=tuple(_calm(known.get(demand.key, demand), demand) for demand in now.demands))


def _calm(before: Demand, now: Demand) -> Demand:
    near = abs(now.load - before.load) <= NOTICED * before.load
    return before if near and replace(now, load=before.load) == before else now


def _touched(before: Problem, now: Problem) -> set[str]:
    """Keys of demands that changed, came or went, or whose options did."""
    touched = {key for key, _ in _differing(before.demands, now.demands)}
    for _, option in _differing(before.options, now.options):
        touched |= option.capacity.keys()
    return touched


def _differing(before: Iterable[Keyed], now: Iterable[Keyed]) -> Iterator[tuple[str, Keyed]]:
    old, new = {item.key: item for item in before}, {item.key: item for item in now}
    yield from ((key, item) for key, item in new.items() if old.get(key) != item)
    yield from ((key, item) for key, item in old.items() if new.get(key) != item)


def _linked(touched: set[str], *problems: Problem) -> frozenset[str]:
    """With all that share an option with one of them."""
    sets = {frozenset(o.capacity) for problem in problems for o in problem.options if len(o.capacity) > 1}
    while more := [found for found in sets if found & touched and not found <= touched]:
        touched = touched.union(*more)
    return frozenset(touched)


def _mended(last: Last, now: Problem, touched: frozenset[str], settings: Settings) -> Last | None:
    """None where something waits, or where what is not proven grew by more than the whole program may leave."""
    demands = tuple(demand for demand in now.demands if demand.key in touched)
    mine = tuple(option for option in now.options if touched & option.capacity.keys())
    part = replace(now, demands=demands, options=mine)
    found = change(stand(last.problem, last.plan), part, settings, touched).plan
    if found.shortfalls:
        return None
    plan = _joined(last, found, touched)
    return None if plan.gap > last.gap + settings.gap else Last(now, plan, last.gap, last.rounds + 1)


def _joined(last: Last, found: Plan, touched: frozenset[str]) -> Plan:
    """Its bound is no proof any more: what was not proven of the last whole plan, and what is not of the change."""
    old, options = last.plan, {option.key: option for option in last.problem.options}
    gone = [p for p in old.placements if touched & p.shares.keys()]
    kept = [p for p in old.placements if not touched & p.shares.keys()]
    objective = old.objective - sum(_cost(p, options[p.key]) for p in gone) + found.objective
    unproven = (old.objective - old.bound) + (found.objective - found.bound)
    return Plan(
        tuple(sorted((*kept, *found.placements), key=lambda p: p.key)),
        (),
        objective,
        max(0.0, objective - unproven),
        Status.INCREMENTAL,
        old.prices,
    )


def _cost(placement: Placement, option: Option) -> float:
    """USD per hour."""
    return option.hourly(placement.replicas) + (0.0 if option.incumbent else option.opening)
