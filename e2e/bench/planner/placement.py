"""The placement benchmark: cost over the optimum, time, robustness, churn. Reads the data folder; `python -m` prints.

Times are processor seconds of one thread, so that what else runs on the machine does not count.
"""

import gc
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import process_time

from e2e.bench.planner.placement_fleet import fleet
from e2e.bench.planner.placement_quality import quality, scores
from e2e.bench.planner.placement_quality import report as quality_report
from e2e.bench.planner.placement_robust import Outcome, churn, outcomes
from e2e.bench.planner.placement_robust import report as robust_report
from e2e.bench.record import conditions, table
from inferfleet.placing.change import change, stand
from inferfleet.placing.place import place
from inferfleet.placing.types import Plan, Problem, Settings

FAST = Settings(time_limit=30.0, gap=0.001)
SCORED = range(12)
"""Seeds of the silicon cases that wrong predictions and moving demand are tried on."""
CHANGES = 20
DEFAULT = 0.8
"""Planned utilization of a class that says nothing."""
ALLOWED = 0.02
"""Share of instances that may be violated when predictions are wrong."""


def run(data: Path) -> tuple[dict[str, float], str]:
    """Flat figures, and the Markdown section."""
    found = scores(data)
    speeds, seconds = speed()
    judged = outcomes(data, SCORED)
    usual, strict = _enough(judged, DEFAULT), _enough(judged, 1.0)
    moving = {sticky: churn(data, SCORED, sticky=sticky) for sticky in (True, False)}
    figures = {
        **quality(found),
        **seconds,
        "robust_violations_percent": round(100 * usual.fixed, 2),
        "robust_cost_percent": round(100 * usual.dearer, 2),
        "robust_without_headroom_margin_percent": round(100 * strict.margin, 2),
        "robust_without_headroom_violations_percent": round(100 * strict.fixed, 2),
        "robust_without_headroom_cost_percent": round(100 * strict.dearer, 2),
        "churn_percent": round(moving[True], 2),
        "churn_without_hysteresis_percent": round(moving[False], 2),
    }
    return figures, _section(figures, quality_report(found), speeds, robust_report(judged))


def _enough(found: Sequence[Outcome], utilization: float) -> Outcome:
    """The smallest margin that is enough at a utilization; the largest if none is."""
    mine = [outcome for outcome in found if outcome.utilization == utilization]
    return next((outcome for outcome in mine if outcome.fixed <= ALLOWED), mine[-1])


def _section(figures: dict[str, float], costs: str, speeds: str, robust: str) -> str:
    return f"""{conditions()}

Cost over the optimum, mean / 95th percentile. The optimum is the whole program solved to a gap of 0.01 %; "ours" stops
at 0.5 %; the large-fleet path decides by prices of pools. Names begin with the price book: with a rate, TensorRT-LLM's
tables (no latency); alone, the silicon sample with latency targets. Limited: pools cut below what the optimum used.
Cases in which even the optimum leaves something unserved are left out.

{costs}

Share of what the optimum saves over the best single type of hardware, in dollars over all of TensorRT-LLM's cases
without limits: {figures["ilp_saving_share_percent"]} %.

Fleets that were drawn; {figures["fleet_5000_change_ms"]} ms for one change in the largest (processor time, one thread,
of the program alone: what building its options takes is below, with the candidates):

{speeds}

Capacities wrong by up to 20 % either way, independently for every option. Violated: some replica gets more than it can
carry. A demand mostly stands on one option, so nothing averages out, and without headroom only a margin as large as the
error is enough. Replicas that are planned to be 80 % full, the default, cannot be overloaded by such an error: that
costs no more than the headroom, which is paid for anyway, a quarter more than full replicas, and is then not there for
a burst.

{robust}

Demand moves by up to 10 %: {figures["churn_percent"]} % of the replicas start beyond need with the cost of switching,
{figures["churn_without_hysteresis_percent"]} % without.
"""


def speed() -> tuple[str, dict[str, float]]:
    """Placing fleets of growing size, and one change in the largest."""
    rows: list[list[object]] = []
    figures: dict[str, float] = {}
    for name, models in (("place_50x20", 50), ("fleet_5000", 5000)):
        problem = fleet(models, 20, seed=models)
        plan, seconds = _timed(lambda problem=problem: place(problem, FAST))  # type: ignore[misc]
        figures |= {f"{name}_seconds": round(seconds, 2), f"{name}_gap_percent": round(100 * plan.gap, 2)}
        rows.append([models, len(problem.demands), len(problem.options), f"{seconds:.2f} s", f"{plan.gap:.1%}"])
    figures["fleet_5000_change_ms"] = round(1000 * _changes(problem, plan), 1)
    head = ["models", "demands", "options", "processor time", "certified gap"]
    return table(head, rows), figures


def _timed(work: Callable[[], Plan]) -> tuple[Plan, float]:
    gc.disable()  # as in the process that the operator runs it in
    begin = process_time()
    plan, seconds = work(), process_time() - begin
    gc.enable()
    return plan, seconds


def _changes(problem: Problem, plan: Plan) -> float:
    """Median seconds to place one model whose demand doubled."""
    standing, seconds = stand(problem, plan), []
    models = sorted({demand.group for demand in problem.demands})
    for model in models[:: len(models) // CHANGES]:
        demands = tuple(replace(d, load=2 * d.load) for d in problem.demands if d.group == model)
        keys = {demand.key for demand in demands}
        part = replace(problem, demands=demands, options=tuple(o for o in problem.options if keys & o.capacity.keys()))
        begin = process_time()
        standing = change(standing, part, FAST).standing
        seconds.append(process_time() - begin)
    return median(seconds)


def main() -> None:
    """Print the section and the figures."""
    figures, section = run(Path(sys.argv[1]))
    print(section)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
