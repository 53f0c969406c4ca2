"""What is simulated for each trace: the ceiling, static fleets, baselines and their tuning, ours, the optimum. Reads
the folder of measurements. Each job stands alone, so that several run at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np

from e2e.bench.autoscaler.baselines.arms import Arm, Static, arms, bounds
from e2e.bench.autoscaler.cells import Cell, attainment, cell, enough, play
from e2e.bench.autoscaler.optimum.bound import BIN, bound, load
from e2e.bench.autoscaler.optimum.schedule import optimum
from e2e.bench.autoscaler.traffic.traces import Scenario, Source, sources
from inferfleet.sim.result import Result

SLACK = 0.003
"""Below the ceiling, where the ceiling is the tighter one."""
WEEK = "_7d"
TUNING, PART = 1800.0, 6 * 3600.0
"""Seconds to tune on: where it shall be quick, and of the baselines that the targets do not name."""
LONG_INTERVAL = 10.0
"""Seconds between looks of controllers that do not look."""


@dataclass(frozen=True)
class Ask:
    """A trace as it is run."""

    data: Path
    trace: str
    quick: bool

    @property
    def source(self) -> Source:
        """Of the scenarios."""
        return sources()[self.trace]

    @property
    def seeds(self) -> range:
        """Fewer where it shall be quick."""
        return range(1 if self.quick else self.source.seeds)

    def scored(self, seed: int) -> Scenario:
        """To compare on."""
        made = self.source.make(self.data, seed)
        return made.until(made.short) if self.quick else made

    def tuning(self) -> Scenario:
        """To tune baselines on."""
        made = self.source.tune(self.data, 0)
        return made.until(TUNING) if self.quick else made


@dataclass(frozen=True)
class Frame:
    """What a trace allows at all."""

    ceiling: float
    """Attainment with more replicas than could be of use."""
    goal: float
    """What the class declares (99 %), or the ceiling less 0.3 points."""
    static: tuple[Cell, ...]
    """The smallest fleet that reaches it, known in hindsight."""


def frame(ask: Ask) -> Frame:
    """The ceiling, then the smallest static fleet. Over seven days the ceiling is not looked for."""
    scenario = ask.scored(0)
    most = enough(scenario)
    week = ask.trace.endswith(WEEK)
    ceiling = 1.0 if week else attainment(_static(scenario, most), scenario)
    goal = min(scenario.percentile / 100, ceiling - SLACK)
    least = enough_always(scenario, goal, most)
    return Frame(ceiling, goal, tuple(static_cell(ask.scored(seed), seed, least) for seed in ask.seeds))


def enough_always(scenario: Scenario, goal: float, most: int) -> int:
    """Replicas of the smallest static fleet that reaches the goal."""
    guess = ceil(1.4 * float(np.quantile(load(scenario).seconds.sum(axis=1) / BIN, 0.99)))
    return smallest(lambda n: attainment(_static(scenario, n), scenario) >= goal, guess, scenario.minimum, most)


def smallest(good: Callable[[int], bool], guess: int, least: int, most: int) -> int:
    """The smallest number that is good, where all above a good one are; near the guess it takes few tries. `most` is
    taken to be good.
    """
    guess = min(max(guess, least), most)
    step, low, high = 1, least - 1, most
    if good(guess):
        high = guess
        while high - step > low and good(high - step):
            high, step = high - step, 2 * step
        low = max(low, high - step)
    else:
        low = guess
        while low + step < high and not good(low + step):
            low, step = low + step, 2 * step
        high = min(high, low + step)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high


def _static(scenario: Scenario, replicas: int) -> Result:
    controller = Static(replicas, scenario.pools[0].name)
    return play(scenario, controller, LONG_INTERVAL, start=replicas)


def static_cell(scenario: Scenario, seed: int, replicas: int) -> Cell:
    """Figures of a static fleet."""
    return cell(_static(scenario, replicas), scenario, "static", replicas, seed)


def default_job(ask: Ask, name: str) -> Cell:
    """A baseline as it is published, on the first seed."""
    arm = arms()[name]
    return _run(ask.scored(0), arm, name, arm.default, 0)


def tuned_job(ask: Ask, name: str, goal: float, all_seeds: bool) -> tuple[Cell, ...]:
    """A baseline at the setting that is cheapest on the tuning trace among those that reach the goal there.

    `all_seeds`: the ones that the targets name; the others are tuned on six hours, and run on one seed.
    """
    arm = arms()[name]
    world = ask.tuning()
    level = best_level(arm, world if all_seeds else world.until(PART), goal)
    return tuple(_run(ask.scored(seed), arm, f"{name}*", level, seed) for seed in (ask.seeds if all_seeds else (0,)))


def best_level(arm: Arm, scenario: Scenario, goal: float) -> float:
    """By bisection over the grid: attainment falls as the level rises. Where none reaches the goal, the best of those
    that were tried.
    """
    tried: dict[float, float] = {}

    def reaches(level: float) -> bool:
        result = play(scenario, arm.make(level, bounds(scenario), scenario.slo), arm.interval)
        tried[level] = attainment(result, scenario)
        return tried[level] >= goal

    low, high = -1, len(arm.grid)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if reaches(arm.grid[middle]) else (low, middle)
    return arm.grid[low] if low >= 0 else max(tried, key=lambda level: tried[level])


def _run(scenario: Scenario, arm: Arm, name: str, level: float, seed: int) -> Cell:
    controller = arm.make(level, bounds(scenario), scenario.slo)
    return cell(play(scenario, controller, arm.interval, seed), scenario, name, level, seed)


@dataclass(frozen=True)
class Best:
    """What knowing all arrivals is worth."""

    least: float
    """Replica-hours: the lower bound."""
    least_dollars: float
    schedule: Cell | None
    """The cheapest that a simulation confirmed; None where none was looked for, or found."""


def optimum_job(ask: Ask, known: Frame) -> Best:
    """Of the first seed; a static fleet is a schedule too. Over seven days the bound alone."""
    scenario = ask.scored(0)
    if ask.trace.endswith(WEEK):
        demand = load(scenario)
        return Best(
            bound(scenario, demand, known.goal).hours, bound(scenario, demand, known.goal, dollars=True).hours, None
        )
    enough_ = int(known.static[0].level)
    found = optimum(scenario, known.goal, enough_, lambda world, controller: play(world, controller, LONG_INTERVAL))
    schedule = cell(found.result, scenario, "optimum", 0.0, 0) if found.result else None
    static = known.static[0]
    if static.attainment >= known.goal and (schedule is None or static.dollars < schedule.dollars):
        schedule = static
    return Best(found.least, found.least_dollars, schedule)


def named(cells: tuple[Cell, ...]) -> Mapping[str, tuple[Cell, ...]]:
    """By arm."""
    names = dict.fromkeys(one.arm for one in cells)
    return {name: tuple(one for one in cells if one.arm == name) for name in names}
