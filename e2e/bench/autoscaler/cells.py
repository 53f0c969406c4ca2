"""One cell of the table: a controller on a trace. Pure."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from e2e.bench.autoscaler.traffic.traces import Scenario
from inferfleet.sim.result import Outcome, Result
from inferfleet.sim.run import simulate
from inferfleet.sim.types import Controller, Engine, Floats, Pool, Settings

Flags = NDArray[np.bool_]
DAY = 86_400.0
HOUR = 3600.0
WORST = 300.0
"""Seconds of the worst moment."""


@dataclass(frozen=True)
class Cell:
    """What a controller reached. Attainment as a share."""

    trace: str
    arm: str
    level: float
    """Of the setting that is tuned; 0 where there is none."""
    seed: int
    attainment: float
    hours: float
    dollars: float
    mean_replicas: float
    reversals: float
    """A day."""
    worst: float
    """Attainment of the worst five minutes."""
    on_time: float
    """Share of offline requests that ended by their deadline; 1 without any."""
    lost: int
    """Requests that failed or were never served."""
    longest_wait: float
    """Seconds to the first token of the request that waited longest."""
    first_wait: float = 0.0
    """Of the first request of all."""
    decided: tuple[float, ...] = ()
    """Seconds at which other replicas were wanted than before."""
    line: tuple[tuple[float, int], ...] = ()
    """(second, replicas that are there), for the picture."""


def play(
    scenario: Scenario, controller: Controller, interval: float, seed: int = 0, start: int | None = None
) -> Result:
    """Simulate."""
    first = scenario.pools[0].name
    settings = Settings(
        interval=interval,
        scrape=interval,
        seed=seed,
        router=scenario.router,
        start={first: scenario.start if start is None else start},
        end=scenario.seconds,
        priorities={"interactive": 1},
    )
    return simulate(scenario.trace, scenario.pools, controller, settings, scenario.events)


def met(result: Result, scenario: Scenario) -> Flags:
    """Whether each request met its target: latency, or for offline ones the deadline."""
    found = result.met(scenario.slo)
    offline = offline_of(scenario)
    if offline is None:
        return found
    return np.where(offline, result.finish - scenario.trace.at <= scenario.deadline, found)


def attainment(result: Result, scenario: Scenario) -> float:
    """Share of all requests."""
    return float(met(result, scenario).mean()) if len(scenario.trace) else 1.0


def cell(result: Result, scenario: Scenario, arm: str, level: float, seed: int) -> Cell:
    """Figures of a result."""
    good, offline = met(result, scenario), offline_of(scenario)
    interactive = good if offline is None else good[~offline]
    waits = result.ttft[~np.isnan(result.ttft)]
    return Cell(
        trace=scenario.name,
        arm=arm,
        level=level,
        seed=seed,
        attainment=float(interactive.mean()) if len(interactive) else 1.0,
        hours=result.replica_hours,
        dollars=result.dollars,
        mean_replicas=result.replica_hours * HOUR / scenario.seconds,
        reversals=result.reversals * DAY / scenario.seconds,
        worst=worst(scenario.trace.at, good),
        on_time=1.0 if offline is None else float(good[offline].mean()),
        lost=int((result.outcome != Outcome.DONE).sum()),
        longest_wait=float(waits.max()) if len(waits) else 0.0,
        first_wait=float(result.ttft[0]) if len(result.ttft) else 0.0,
        decided=tuple(choice.at for choice in result.choices[1:]),
        line=tuple(_line(result)),
    )


def worst(at: Floats, good: Flags) -> float:
    """Attainment of the worst five minutes, of those with at least ten requests; 1 where there are none."""
    which = (at // WORST).astype(int)
    count, fine = np.bincount(which), np.bincount(which, good)
    enough = count >= 10
    return float((fine[enough] / count[enough]).min()) if enough.any() else 1.0


def offline_of(scenario: Scenario) -> Flags | None:
    """Which requests may wait for their deadline; None: there are no such."""
    if scenario.trace.class_ is None or not scenario.deadline:
        return None
    found: Flags = scenario.trace.class_ == scenario.trace.classes.index("batch")
    return found


def _line(result: Result) -> list[tuple[float, int]]:
    there = {pool.name: 0 for pool in result.pools}
    found: list[tuple[float, int]] = []
    for count in result.timeline:
        there[count.pool] = count.booting + count.ready + count.draining
        if found and found[-1][0] == count.at:
            found.pop()
        found.append((count.at, sum(there.values())))
    return found


def medians(scenario: Scenario) -> tuple[float, float]:
    """Prompt and output tokens of requests that do not wait, as a user declares them of a class."""
    offline = offline_of(scenario)
    mine = slice(None) if offline is None else ~offline
    return float(np.median(scenario.trace.input[mine])), float(np.median(scenario.trace.output[mine]))


def full(engine: Engine, prompt: float, output: float) -> float:
    """Generated tokens per second with every slot busy: what the self-benchmark would measure."""
    step = engine.base + engine.slots * (engine.per_sequence + prompt / output / engine.prefill_rate)
    return engine.slots / step


def enough(scenario: Scenario) -> int:
    """Replicas with which nobody waits: three times the mean work, and three."""
    pool: Pool = scenario.pools[0]
    engine, trace = pool.engine, scenario.trace
    work = float(trace.input.sum() / engine.prefill_rate + trace.output.sum() * engine.per_sequence)
    highest = work / scenario.seconds / (1 - engine.base / scenario.slo.itl)
    return min(scenario.maximum, pool.limit, ceil(5 * highest) + 5)
