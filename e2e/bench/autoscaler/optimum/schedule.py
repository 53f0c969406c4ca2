"""A schedule that knows all arrivals, confirmed by the simulator. Pure: equal arguments give equal schedules.

What each count of replicas misses in each half minute is measured, by simulations with a few replicas more, and more,
than the work that arrives (`bound.load`). Over that table the dynamic program finds the schedule with the least
replica-hours, boots paid; it is simulated, what it missed corrects the table, and the cheapest that met the target in a
simulation is the answer. It is a schedule that exists: the true optimum lies between it and the lower bound.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from e2e.bench.autoscaler.optimum.bound import BIN, Load, bound, cheapest, limits, load, speed, supply
from e2e.bench.autoscaler.traffic.traces import Scenario
from inferfleet.sim.result import Result
from inferfleet.sim.types import Controller, Floats, Ints, Seen

Simulate = Callable[[Scenario, Controller], Result]
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the way from the work to a static fleet that is enough, for the table; and one replica less than the work."""
ROUNDS = 4
SMOOTH = 3
"""Bins on either side whose work a count must bear: a queue reaches so far."""
NEVER = 1e6
"""Misses of counts below the work: they are not looked at."""


class Schedule:
    """Replicas by half minute, created a boot time ahead; the first pool as far as there is room, then the next."""

    def __init__(self, counts: Ints, scenario: Scenario) -> None:
        bins = len(counts)
        ahead = int(np.ceil(scenario.pools[0].boot / BIN))
        padded = np.concatenate((counts, np.repeat(counts[-1], ahead)))
        needed = np.max([padded[i : i + bins] for i in range(ahead + 1)], axis=0)
        self._wanted = spread(needed, scenario)

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """By the clock alone."""
        at = int(seen.now // BIN)
        return {name: int(counts[min(at, len(counts) - 1)]) for name, counts in self._wanted.items()}


def spread(counts: Ints, scenario: Scenario) -> dict[str, Ints]:
    """By pool."""
    left = counts.astype(np.int64)
    found = {}
    for pool in scenario.pools:
        mine = np.minimum(left, limits(scenario, pool, len(counts)).astype(np.int64))
        found[pool.name] = mine
        left = left - mine
    return found


@dataclass(frozen=True)
class Optimum:
    """Both ends of where the true optimum lies."""

    least: float
    """Replica-hours that no schedule goes below."""
    least_dollars: float
    result: Result | None
    """Of the cheapest schedule that met the target; None: none of those that were tried did."""


def optimum(scenario: Scenario, attainment: float, static: int, simulate: Simulate) -> Optimum:
    """Search for replica-hours where there is one pool, for dollars where there are several. `static`: replicas of a
    fleet that is enough at all times.
    """
    demand = load(scenario)
    dollars = len(scenario.pools) > 1
    best: Result | None = None
    for found in tried(scenario, demand, attainment, static, simulate):
        met = found.attainment(scenario.slo) >= attainment
        if met and (best is None or _cost(found, dollars=dollars) < _cost(best, dollars=dollars)):
            best = found
    least = bound(scenario, demand, attainment).hours
    return Optimum(least, bound(scenario, demand, attainment, dollars=True).hours, best)


def tried(scenario: Scenario, demand: Load, attainment: float, static: int, simulate: Simulate) -> Iterator[Result]:
    """Simulations of schedules, the first ones to fill the table."""
    base = floor(scenario, demand)
    top = np.maximum(base + 1, static + 1)
    most = min(int(top.max()), int(sum(p.limit for p in scenario.pools)))
    table = np.full((len(base), most + 1), np.nan)
    for level in (base - 1, *(np.rint(base + share * (top - base)) for share in SHARES)):
        counts = np.clip(level, scenario.minimum, most).astype(np.int64)
        result = simulate(scenario, Schedule(counts, scenario))
        table[np.arange(len(base)), counts] = missed(result, scenario, len(base))
        yield result
    cost = supply(scenario, most, dollars=len(scenario.pools) > 1).cost
    budget = (1 - attainment) * len(scenario.trace)
    for _ in range(ROUNDS):
        counts = scheduled(scenario, completed(table), cost, budget)
        result = simulate(scenario, Schedule(counts, scenario))
        yield result
        seen = missed(result, scenario, len(base))
        index = np.arange(len(base)), counts
        guess = completed(table)[index]
        table[index] = np.where(np.isnan(table[index]), seen, (guess + seen) / 2)
        budget *= np.clip((1 - attainment) / max(1 - result.attainment(scenario.slo), 1e-6), 0.6, 1.3)


def floor(scenario: Scenario, demand: Load) -> Ints:
    """Whole replicas that the work of each bin and its neighbours fills; slower replicas of a second pool count so."""
    work = demand.seconds.sum(axis=1) / BIN
    padded = np.pad(work, SMOOTH, mode="edge")
    highest = np.max([padded[i : i + len(work)] for i in range(2 * SMOOTH + 1)], axis=0)
    slowest = min(1.0, *(speed(scenario, pool) for pool in scenario.pools))
    found: Ints = np.ceil(highest / slowest).astype(np.int64)
    return found


def missed(result: Result, scenario: Scenario, bins: int) -> Floats:
    """Requests that came in each bin and did not meet the SLO."""
    which = np.minimum((scenario.trace.at // BIN).astype(int), bins - 1)
    return np.bincount(which, ~result.met(scenario.slo), bins).astype(np.float64)


def completed(table: Floats) -> Floats:
    """Straight lines between what was seen; above it no less is missed, below it all. Falling with the count."""
    filled = table.copy()
    width = table.shape[1]
    for row in filled:
        known = np.flatnonzero(~np.isnan(row))
        row[:] = np.interp(np.arange(width), known, np.minimum.accumulate(row[known]), left=NEVER)
    return filled


def scheduled(scenario: Scenario, lost: Floats, cost: Floats, budget: float) -> Ints:
    """The cheapest counts that miss no more than the budget, by bisection of the multiplier."""
    price = scenario.pools[0].price if len(scenario.pools) > 1 else 1.0
    low, high, best = 1e-2, 1e6, None
    for _ in range(20):
        multiplier = float(np.sqrt(low * high))
        counts, _ = cheapest(
            cost * BIN + multiplier * lost, scenario.pools[0].boot * price, scenario.start, scenario.minimum
        )
        if lost[np.arange(len(lost)), counts].sum() > budget:
            low = multiplier
        else:
            high, best = multiplier, counts
    return counts if best is None else best


def _cost(result: Result, *, dollars: bool) -> float:
    return result.dollars if dollars else result.replica_hours
