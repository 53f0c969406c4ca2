"""Who runs what: the gate and all jobs in two processes, and what comes back. Prints as traces are done."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from e2e.bench.autoscaler import gate, jobs, report
from e2e.bench.autoscaler.arms import arms
from e2e.bench.autoscaler.cells import Cell
from e2e.bench.autoscaler.jobs import Ask

RUNS = "wva_h100_autoscaling_runs"
WORKERS = 2
MAIN_ARMS = ("hpa", "knative", "kubeai")
"""Which the targets name: tuned, with all seeds, and alone where it shall be quick."""
WITHOUT_OPTIMUM = frozenset({"interactive_and_batch"})
"""Its offline requests have no latency target: the bound is not theirs."""
QUICK_RAMP = ("latency",)
PUBLISHED = ("ramp", "constant", "zero_burst_zero")
"""Scripts for which all baselines are of interest."""
Gated = tuple[Mapping[str, float], str]


def gated(data: Path) -> Gated | None:
    """Figures and a section; None without the recorded runs."""
    return gate.run(data) if (data / RUNS).is_dir() else None


def everything(data: Path, names: Sequence[str], *, quick: bool) -> Iterator[Gated | report.Outcome | None]:
    """The gate first, then traces as they are done: each has its frame (ceiling, goal, static), and what is judged by
    it. Weeks come last.
    """
    asks = [Ask(data, name, quick) for name in sorted(names, key=lambda name: name.endswith(jobs.WEEK))]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as executor:
        gate_ = executor.submit(gated, data)
        yield from _traces(executor, [ask for ask in asks if not ask.trace.endswith(jobs.WEEK)], gate_)
        yield from _traces(executor, [ask for ask in asks if ask.trace.endswith(jobs.WEEK)], None)


def _traces(
    executor: ProcessPoolExecutor, asks: Sequence[Ask], before: Future[Gated | None] | None
) -> Iterator[Gated | report.Outcome | None]:
    frames = {executor.submit(jobs.frame, ask): ask for ask in asks}
    rest: dict[str, list[Future[object]]] = {}
    if before is not None:
        yield before.result()
    for done in as_completed(frames):
        ask, frame = frames[done], done.result()
        print(f"{time.strftime('%H:%M:%S')} {ask.trace}: static {frame.static[0].level:g}", flush=True)
        rest[ask.trace] = list(_submitted(executor, ask, frame))
    for done, ask in frames.items():
        yield _outcome(ask, done.result(), [future.result() for future in rest[ask.trace]])


def _submitted(executor: ProcessPoolExecutor, ask: Ask, frame: jobs.Frame) -> Iterator[Future[object]]:
    for seed in ask.seeds:
        yield executor.submit(jobs.ours_job, ask, seed)
    if ask.trace not in WITHOUT_OPTIMUM:
        yield executor.submit(jobs.optimum_job, ask, frame)
    for name in compared(ask):
        yield executor.submit(jobs.default_job, ask, name)
        yield executor.submit(jobs.tuned_job, ask, name, frame.goal, all_seeds=name in MAIN_ARMS)


def compared(ask: Ask) -> tuple[str, ...]:
    """Baselines. Over seven days a run is six million requests: ours and static fleets alone. Where it shall be quick,
    the main ones beside recorded traffic, none beside what is scripted, but for the ramp, which is published.
    """
    if ask.trace.endswith(jobs.WEEK):
        return ()
    if ask.trace == "ramp" and ask.quick:
        return (*MAIN_ARMS, *QUICK_RAMP)
    if ask.source.needs:
        return MAIN_ARMS if ask.quick else tuple(arms())
    return () if ask.quick else tuple(arms()) if ask.trace in PUBLISHED else MAIN_ARMS


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
