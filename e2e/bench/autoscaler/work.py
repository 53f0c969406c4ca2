"""Who runs what: the gate and all jobs in two processes, and what comes back. Prints and keeps what is done."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from e2e.bench.autoscaler import jobs, report
from e2e.bench.autoscaler.baselines.arms import arms
from e2e.bench.autoscaler.cells import Cell
from e2e.bench.autoscaler.gate import score
from e2e.bench.autoscaler.jobs import Ask
from e2e.bench.autoscaler.kept import kept
from e2e.bench.autoscaler.ours import Routed, ours_job, routed_job
from e2e.bench.record import ROOT

KEPT = ROOT / "build/bench/autoscaler"
"""Results by job; what is there is not done again. Remove the folder to do all anew."""
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
    return score.run(data) if (data / RUNS).is_dir() else None


def everything(
    data: Path, names: Sequence[str], *, quick: bool, others: bool
) -> Iterator[Gated | report.Outcome | None]:
    """The gate first, then traces as they are done: each has its frame (ceiling, goal, static), and what is judged by
    it. Weeks come last. `others`: also the baselines that the targets do not name.
    """
    asks = [Ask(data, name, quick) for name in sorted(names, key=lambda name: name.endswith(jobs.WEEK))]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as executor:
        gate_ = executor.submit(gated, data)
        yield from _traces(executor, [ask for ask in asks if not ask.trace.endswith(jobs.WEEK)], gate_, others)
        yield from _traces(executor, [ask for ask in asks if ask.trace.endswith(jobs.WEEK)], None, others)


def _traces(
    executor: ProcessPoolExecutor, asks: Sequence[Ask], before: Future[Gated | None] | None, others: bool
) -> Iterator[Gated | report.Outcome | None]:
    frames = {executor.submit(kept, KEPT, jobs.frame, ask): ask for ask in asks}
    rest: dict[str, list[Future[object]]] = {}
    if before is not None:
        yield before.result()
    for done in as_completed(frames):
        ask, frame = frames[done], done.result()
        _say(ask, f"{frame.static[0].level:g} replicas are enough at all times")
        rest[ask.trace] = list(_submitted(executor, ask, frame, others))
    for done, ask in frames.items():
        yield _outcome(ask, done.result(), [future.result() for future in rest[ask.trace]])


def _submitted(executor: ProcessPoolExecutor, ask: Ask, frame: jobs.Frame, others: bool) -> Iterator[Future[object]]:
    def submit(said: str, job: Callable[..., object], *args: object) -> Future[object]:
        future = executor.submit(kept, KEPT, job, ask, *args)
        future.add_done_callback(lambda done: None if done.cancelled() else _say(ask, said))
        return future

    for seed in ask.seeds:
        yield submit(f"ours, seed {seed}", ours_job, seed)
    if ask.trace not in WITHOUT_OPTIMUM:
        yield submit("the optimum", jobs.optimum_job, frame)
    if ask.source.needs and not ask.trace.endswith(jobs.WEEK):
        yield submit("ours and a static fleet, requests to the fewest in flight", routed_job, frame.goal)
    for name in compared(ask, others):
        yield submit(name, jobs.default_job, name)
        yield submit(f"{name}, tuned", jobs.tuned_job, name, frame.goal, name in MAIN_ARMS)


def _say(ask: Ask, what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {ask.trace}: {what}", flush=True)


def compared(ask: Ask, others: bool) -> tuple[str, ...]:
    """Baselines. Over seven days a run is six million requests: ours and static fleets alone. Where it shall be quick,
    the main ones beside recorded traffic, none beside what is scripted, but for the ramp, which is published.
    """
    if ask.trace.endswith(jobs.WEEK):
        return ()
    if ask.trace == "ramp" and ask.quick:
        return (*MAIN_ARMS, *QUICK_RAMP)
    if ask.source.needs:
        return tuple(arms()) if others and not ask.quick else MAIN_ARMS
    return () if ask.quick else tuple(arms()) if ask.trace in PUBLISHED else MAIN_ARMS


def _outcome(ask: Ask, frame: jobs.Frame, results: Sequence[object]) -> report.Outcome:
    cells: list[Cell] = []
    best = routed = None
    for one in results:
        if isinstance(one, jobs.Best):
            best = one
        elif isinstance(one, Routed):
            routed = one
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
        routed=routed,
    )
