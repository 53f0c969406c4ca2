"""`make bench-autoscaler`: autoscalers beside each other on recorded and scripted traffic, in a simulator that is gated
by recorded runs first. Reads a folder of measurements; writes `build/bench/autoscaler.json`, a section of
docs/benchmarks.md and pictures. Two processes.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from e2e.bench import record
from e2e.bench.autoscaler import gate, jobs, report
from e2e.bench.autoscaler.arms import arms
from e2e.bench.autoscaler.cells import Cell
from e2e.bench.autoscaler.jobs import Ask
from e2e.bench.autoscaler.pace import decide_100_models_ms
from e2e.bench.autoscaler.pictures import picture
from e2e.bench.autoscaler.traces import sources

PICTURES = Path("docs/pictures")
RUNS = "wva_h100_autoscaling_runs"
WORKERS = 2
MAIN_ARMS = ("hpa", "knative", "kubeai")
"""Which the targets name: tuned, with all seeds, and alone where it shall be quick."""
WITHOUT_OPTIMUM = frozenset({"interactive_and_batch"})
"""Its offline requests have no latency target: the bound is not theirs."""
WEEK_ARMS = ("hpa", "kubeai")
"""A run is six million requests: the strongest ones alone, tuned, and of the optimum the bound alone."""


def main(argv: Sequence[str]) -> int:
    """Exit status: 1 where there are no data at all."""
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.autoscaler", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="measurements (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="first hours, one seed, few baselines")
    parser.add_argument("--trace", action="append", choices=list(sources()), help="only this one (may be repeated)")
    parser.add_argument("--no-publish", action="store_true", help="print only: write neither page nor pictures")
    asked = parser.parse_args(argv)
    if not asked.data.is_dir():
        print(f"{asked.data} is not there: make bench-autoscaler DATA=<folder of the measurements>", file=sys.stderr)
        return 1
    names, absent = available(asked.data, asked.trace, quick=asked.quick)
    keys, parts = _gate(asked.data)
    keys["decide_100_models_ms"] = round(decide_100_models_ms(), 2)
    found = []
    for one in outcomes(asked.data, names, quick=asked.quick):
        print(f"{report.section(one)}\n", flush=True)
        found.append(one)
    found.sort(key=lambda one: names.index(one.name))
    keys |= report.figures(found)
    body = [record.conditions(), _conditions(absent, quick=asked.quick), report.promises(keys), *parts]
    body += [f"{report.section(one)}{_picture(one, asked)}" for one in found]
    body.append(f"```json\n{json.dumps(keys, indent=2)}\n```")
    print("\n\n".join([body[2], body[-1]]))
    if not asked.no_publish:
        print(f"written to {record.publish('autoscaler', keys, chr(10).join(f'{part}{chr(10)}' for part in body))}")
    return 0


def available(data: Path, only: Sequence[str] | None, *, quick: bool) -> tuple[list[str], list[str]]:
    """Names of traces that can be made, and sentences about those that cannot."""
    names, absent = [], []
    for name, source in sources().items():
        if (only and name not in only) or (quick and name.endswith("_7d")):
            continue
        if source.needs and not (data / source.needs).is_file():
            absent.append(f"{name}: {source.needs} is not in the folder of measurements")
            print(f"{absent[-1]}; its row is left out", file=sys.stderr)
            continue
        names.append(name)
    return names, absent


def _gate(data: Path) -> tuple[dict[str, float], list[str]]:
    if not (data / RUNS).is_dir():
        print(f"{RUNS} is not in {data}: the simulator was not gated", file=sys.stderr)
        return {}, ["The recorded runs were not there: the simulator was not gated."]
    began = time.monotonic()
    print("gate ...", flush=True)
    keys, section = gate.run(data)
    print(f"{section}\n\n(gate: {time.monotonic() - began:.0f} s)\n", flush=True)
    return {name: round(value, 3) for name, value in keys.items()}, [f"### The gate\n\n{section}"]


def outcomes(data: Path, names: Sequence[str], *, quick: bool) -> Iterator[report.Outcome]:
    """As traces are done. Each first gets its frame (ceiling, goal, static), then everything else."""
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as executor:
        asks = {name: Ask(data, name, quick) for name in names}
        frames = {executor.submit(jobs.frame, ask): name for name, ask in asks.items()}
        rest: dict[str, list[Future[object]]] = {}
        found: dict[str, jobs.Frame] = {}
        for done in as_completed(frames):
            name = frames[done]
            found[name] = done.result()
            print(f"{name}: static {found[name].static[0].level:g}, {time.strftime('%H:%M:%S')}", flush=True)
            rest[name] = list(_submitted(executor, asks[name], found[name]))
        for name in sorted(rest, key=names.index):
            yield _outcome(asks[name], found[name], [future.result() for future in rest[name]])


def _submitted(executor: ProcessPoolExecutor, ask: Ask, frame: jobs.Frame) -> Iterator[Future[object]]:
    for seed in ask.seeds:
        yield executor.submit(jobs.ours_job, ask, seed)
    if ask.trace not in WITHOUT_OPTIMUM:
        yield executor.submit(jobs.optimum_job, ask, frame)
    week = ask.trace.endswith("_7d")
    for name in WEEK_ARMS if week else MAIN_ARMS if ask.quick else arms():
        if not week:
            yield executor.submit(jobs.default_job, ask, name)
        yield executor.submit(jobs.tuned_job, ask, name, frame.goal, all_seeds=name in MAIN_ARMS)
    if ask.quick and ask.trace == "ramp":
        yield executor.submit(jobs.default_job, ask, "latency")


def _outcome(ask: Ask, frame: jobs.Frame, results: Sequence[object]) -> report.Outcome:
    cells: list[Cell] = []
    best = None
    for one in results:
        if isinstance(one, jobs.Best):
            best = one
        elif isinstance(one, Cell):
            cells.append(one)
        elif isinstance(one, tuple):
            cells += one
    scenario = ask.scored(0)
    return report.Outcome(
        name=ask.trace,
        frame=frame,
        cells=jobs.named(tuple(cells)),
        best=best,
        long=scenario.long,
        held_out=scenario.held_out,
        several_pools=len(scenario.pools) > 1,
    )


def _conditions(absent: Sequence[str], *, quick: bool) -> str:
    words = (
        "Simulated. Attainment and cost are means (least to most) over three seeds for ours, static fleets and the "
        "tuned main baselines; all else, and seven days, have one. A baseline is tuned on another day, or another "
        "draw, for the least replica-hours that reach the goal."
    )
    short = " QUICK: the first two hours of each trace, one seed, few baselines; targets are not judged by it."
    left = f" Left out: {'; '.join(absent)}." if absent else ""
    return f"{words}{short if quick else ''}{left}"


def _picture(found: report.Outcome, asked: argparse.Namespace) -> str:
    if asked.no_publish:
        return ""
    scenario = Ask(asked.data, found.name, asked.quick).scored(0)
    lines: dict[str, Sequence[tuple[float, int]]] = {"Inferfleet": found.ours[0].line}
    if found.best and found.best.schedule:
        lines["schedule that knows all"] = found.best.schedule.line
    if name := found.best_baseline:
        lines[report.titled(name)] = found.cells[name][0].line
    file = record.ROOT / PICTURES / f"autoscaler-{found.name.replace('_', '-')}.svg"
    file.write_text(picture(found.name.replace("_", " "), scenario.trace, scenario.seconds, lines))
    return f"\n\n![{found.name}: demand and replicas](pictures/{file.name})"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
