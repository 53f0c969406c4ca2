"""Cost of placements over the optimum, on measured throughputs. Reads the data folder."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from e2e.bench.planner.placement_baselines import best_single, cheapest_per_token, optimum
from e2e.bench.planner.placement_cases import Case, cut, silicon_case, silicon_points, trt_cases
from e2e.bench.record import table
from inferfleet.placing.greedy import greedy
from inferfleet.placing.index import index
from inferfleet.placing.place import decomposed_plan, greedy_plan, place
from inferfleet.placing.types import Plan, Problem, Settings

OURS = Settings(time_limit=300.0, gap=0.005)
SEEDS = 60
HALF = 0.5


@dataclass(frozen=True)
class Score:
    """Costs of one case, USD per hour; None: not all demand was served."""

    case: Case
    limited: bool
    optimum: Plan
    ours: float | None
    decomposed: float | None
    greedy: float | None
    naive: float | None
    single: tuple[str, float] | None


def scores(data: Path, seeds: int = SEEDS) -> list[Score]:
    """Of all cases whose optimum serves everything."""
    found: list[Score] = []
    for case in trt_cases(data):
        found += _both(case, HALF)
    points = silicon_points(data)
    for seed in range(seeds):
        case = silicon_case(points, seed)
        found += _both(case, float(np.random.default_rng(seed).uniform(0.4, 0.9)))
    return [score for score in found if not score.optimum.shortfalls]


def _both(case: Case, share: float) -> Iterable[Score]:
    free = optimum(case.problem)
    yield _score(case, free, limited=False)
    short = Case(case.name, case.group, cut(case.problem, free, share))
    yield _score(short, optimum(short.problem), limited=True)


def _score(case: Case, best: Plan, *, limited: bool) -> Score:
    problem = case.problem
    if best.shortfalls:
        return Score(case, limited, best, None, None, None, None, None)
    return Score(
        case,
        limited,
        best,
        _served(place(problem, OURS)),
        _served(_decomposed(problem)),
        _served(greedy_plan(problem, OURS)),
        cheapest_per_token(problem),
        best_single(problem),
    )


def _decomposed(problem: Problem) -> Plan:
    ix = index(problem)
    return decomposed_plan(ix, OURS, greedy(ix, OURS))


def _served(plan: Plan) -> float | None:
    return None if plan.shortfalls else plan.objective


def ratios(found: Iterable[Score], which: str) -> list[float]:
    """Over the optimum, of those that serve everything."""
    costs = [(_cost(score, which), score.optimum.objective) for score in found]
    return [cost / best for cost, best in costs if cost is not None]


def _cost(score: Score, which: str) -> float | None:
    if which == "single":
        return score.single[1] if score.single else None
    return {"ours": score.ours, "decomposed": score.decomposed, "greedy": score.greedy, "naive": score.naive}[which]


def quality(found: Sequence[Score]) -> dict[str, float]:
    """Figures of all cases together."""
    ours, path = ratios(found, "ours"), ratios(found, "decomposed")
    saved = [
        s for s in found if not s.limited and s.case.group.startswith(("AWS ", "neocloud ")) and s.single and s.ours
    ]
    possible = sum(s.single[1] - s.optimum.objective for s in saved if s.single)
    reached = sum(s.single[1] - s.ours for s in saved if s.single and s.ours)
    return {
        "placement_cost_ratio_mean": round(fmean(ours), 4),
        "placement_cost_ratio_p95": round(float(np.quantile(ours, 0.95)), 4),
        "placement_infeasible_percent": round(100 * (1 - len(ours) / len(found)), 2),
        "decomposed_cost_ratio_mean": round(fmean(path), 4),
        "decomposed_cost_ratio_p95": round(float(np.quantile(path, 0.95)), 4),
        "decomposed_infeasible_percent": round(100 * (1 - len(path) / len(found)), 2),
        "ilp_saving_share_percent": round(100 * reached / possible, 2),
    }


def report(found: Sequence[Score]) -> str:
    """A row for each kind of case: mean / p95 over the optimum, and how many were not served in full."""
    kinds: dict[tuple[str, bool], list[Score]] = {}
    for score in found:
        kinds.setdefault((score.case.group, score.limited), []).append(score)
    head = [
        "cases",
        "pools",
        "n",
        "ours",
        "large-fleet path",
        "its greedy start",
        "cheapest per token",
        "best single type",
    ]
    which = ("ours", "decomposed", "greedy", "naive", "single")
    rows = [
        [group, "limited" if limited else "unlimited", len(mine), *(_cell(mine, name) for name in which)]
        for (group, limited), mine in sorted(kinds.items())
    ]
    return table(head, rows)


def _cell(found: Sequence[Score], which: str) -> str:
    mine = ratios(found, which)
    missing = f", {len(found) - len(mine)} infeasible" if len(mine) < len(found) else ""
    return f"{fmean(mine):.3f} / {np.quantile(mine, 0.95):.3f}{missing}" if mine else "all infeasible"
