"""Placements under wrong predictions and moving demand. Reads the data folder; draws with fixed seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from pathlib import Path

import numpy as np

from e2e.bench.planner.placement_cases import Case, silicon_case, silicon_points
from e2e.bench.record import table
from inferfleet.placing.place import place
from inferfleet.placing.program import Program, solve
from inferfleet.placing.types import Demand, Option, Plan, Problem, Settings

SETTINGS = Settings(time_limit=300.0, gap=0.005)
ERROR = 0.2
"""Of a prediction: true capacity is drawn evenly from this much less to this much more, for each option by itself."""
DRAWS = 40
"""True worlds for each plan."""
CAREFUL = ((1.0, 0.0), (1.0, 0.1), (1.0, 0.15), (1.0, 0.2), (0.9, 0.0), (0.9, 0.1), (0.8, 0.0))
"""Planned utilization (the operator's default is 0.8) and margin off the predicted capacity."""
BOOT = 0.1
"""Cost of starting a replica in hours of its price: six minutes in which it serves nobody."""


@dataclass(frozen=True)
class Outcome:
    """Of one way to be careful."""

    utilization: float
    margin: float
    fixed: float
    """Share of (instance, world) where some replica gets more than it can carry, with shares as planned."""
    routed: float
    """The same when requests go where there is room among the replicas that are there."""
    demands: float
    """Share of (demand, world) on replicas that get more than they can carry, with shares as planned."""
    dearer: float
    """Cost over the plan of the same utilization without a margin, less one; mean."""


def outcomes(data: Path, seeds: Sequence[int]) -> list[Outcome]:
    """Of every way to be careful, over the silicon cases with unlimited pools."""
    points = silicon_points(data)
    cases = [silicon_case(points, seed) for seed in seeds]
    exact: dict[float, list[float]] = {}
    found = []
    for utilization, margin in CAREFUL:
        plans = [place(_careful(case.problem, utilization, margin), SETTINGS) for case in cases]
        costs = exact.setdefault(utilization, [plan.objective for plan in plans])
        dearer = float(np.mean([plan.objective / cost - 1 for plan, cost in zip(plans, costs, strict=True)]))
        found.append(Outcome(utilization, margin, *_violated(cases, plans), dearer))
    return found


def _careful(problem: Problem, utilization: float, margin: float) -> Problem:
    demands = tuple(replace(demand, utilization=utilization) for demand in problem.demands)
    return replace(problem, demands=demands, options=tuple(replace(o, margin=margin) for o in problem.options))


def _violated(cases: Sequence[Case], plans: Sequence[Plan]) -> tuple[float, float, float]:
    """Shares of instances, of instances after routing anew, and of demands."""
    fixed, routed, demands = [], [], []
    for case, plan in zip(cases, plans, strict=True):
        for world in range(DRAWS):
            true = _true(case.problem, int(case.name.split()[1]) * 1000 + world)
            late = _overloaded(true, plan)
            demands.append(len(late) / len(case.problem.demands))
            fixed.append(bool(late))
            routed.append(bool(late) and not _carried(true, plan))
    return float(np.mean(fixed)), float(np.mean(routed)), float(np.mean(demands))


def _true(problem: Problem, seed: int) -> dict[str, Option]:
    rng = np.random.default_rng(seed)
    factors = rng.uniform(1 - ERROR, 1 + ERROR, len(problem.options))
    return {
        option.key: replace(option, capacity={key: tokens * float(factor) for key, tokens in option.capacity.items()})
        for option, factor in zip(problem.options, factors, strict=True)
    } | {"": _loads(problem)}


def _loads(problem: Problem) -> Option:
    return Option("", "", {demand.key: demand.load for demand in problem.demands}, 0.0)


def _overloaded(true: dict[str, Option], plan: Plan) -> set[str]:
    """Demands on replicas that get more than they can carry."""
    loads, late = true[""].capacity, set[str]()
    for p in plan.placements:
        work = sum(share * loads[key] / true[p.key].capacity[key] for key, share in p.shares.items())
        late |= set(p.shares) if work > p.replicas + 1e-6 else set()
    return late


def _carried(true: dict[str, Option], plan: Plan) -> bool:
    """Whether the replicas that are there could carry all, with the shares chosen anew."""
    program, loads = Program(), true[""].capacity
    terms: dict[str, dict[int, float]] = {key: {} for key in loads}
    for placement in plan.placements:
        option = true[placement.key]
        work = {program.column(0.0, 1.0): key for key in option.capacity}
        for column, key in work.items():
            terms[key][column] = 1.0
        program.row(
            {column: loads[key] / option.capacity[key] for column, key in work.items()}, most=placement.replicas
        )
    for mine in terms.values():
        program.row(mine, least=1.0)
    return solve(program, 10.0, 0.0) is not None


def churn(data: Path, seeds: Sequence[int], *, sticky: bool) -> float:
    """Percent of replicas that start beyond need when every demand moves by up to 10 %."""
    points = silicon_points(data)
    beyond = total = 0.0
    for seed in seeds:
        problem = silicon_case(points, seed).problem
        before = {p.key: p.replicas for p in place(problem, SETTINGS).placements}
        moved = tuple(
            replace(d, load=d.load * f) for d, f in zip(problem.demands, _factors(problem, seed), strict=True)
        )
        options = tuple(_standing(option, before.get(option.key, 0), sticky=sticky) for option in problem.options)
        after = place(Problem(moved, options, problem.pools), SETTINGS)
        started = sum(max(0, p.replicas - before.get(p.key, 0)) for p in after.placements)
        needed = sum(_needed(demand, problem, before) for demand in moved)
        beyond += max(0, started - needed)
        total += sum(before.values())
    return 100 * beyond / total


def _factors(problem: Problem, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    return [float(rng.uniform(0.9, 1.1)) for _ in problem.demands]


def _standing(option: Option, running: int, *, sticky: bool) -> Option:
    cost = option.cost * BOOT if sticky else 0.0
    return replace(option, incumbent=running, starting=cost, opening=cost)


def _needed(demand: Demand, problem: Problem, before: dict[str, int]) -> int:
    """Replicas that must start if everything stays where it is: of the option with the largest replicas there."""
    mine = [o for o in problem.options if demand.key in o.capacity and before.get(o.key, 0)]
    missing = demand.load / demand.utilization - sum(before[o.key] * o.capacity[demand.key] for o in mine)
    fastest = max((o.capacity[demand.key] for o in mine), default=inf)
    return max(0, ceil(missing / fastest - 1e-9))


def report(found: Sequence[Outcome]) -> str:
    """A row for each margin."""
    head = [
        "planned utilization",
        "margin",
        "instances violated",
        "requests routed anew",
        "demands violated",
        "dearer than without a margin",
    ]
    shown = ([o.fixed, o.routed, o.demands, o.dearer] for o in found)
    rows = [
        [f"{o.utilization:.0%}", f"{o.margin:.0%}", *(f"{value:.1%}" for value in mine)]
        for o, mine in zip(found, shown, strict=True)
    ]
    return table(head, rows)
