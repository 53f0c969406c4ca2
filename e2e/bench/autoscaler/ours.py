"""The operator's law on a trace, told what a plan would tell it. Pure, but for what its job reads."""

from dataclasses import dataclass, replace

from e2e.bench.autoscaler.cells import Cell, cell, enough, full, medians, play
from e2e.bench.autoscaler.jobs import Ask, enough_always, static_cell
from e2e.bench.autoscaler.traffic.traces import Scenario
from inferfleet.planning.unit import Unit
from inferfleet.scaling.step import Step
from inferfleet.scaling.workload import Target
from inferfleet.sim.operator_law import Ours, Served
from inferfleet.sim.types import Policy, Router

DELAY = 300.0
"""Seconds before replicas go: the default of a WorkloadClass."""
UTILIZATION = 0.8
INTERVAL = 2.0
"""Seconds between looks, as in the operator."""


def ours_job(ask: Ask, seed: int) -> Cell:
    """One seed of a trace."""
    scenario = ask.scored(seed)
    return cell(play(scenario, ours(scenario), INTERVAL, seed), scenario, "ours", 0.0, seed)


@dataclass(frozen=True)
class Routed:
    """What else a trace takes where requests go to the replica with the fewest in flight."""

    static: Cell
    ours: Cell


def routed_job(ask: Ask, goal: float) -> Routed:
    """The first seed."""
    scenario = replace(ask.scored(0), router=Router(Policy.LEAST))
    least = enough_always(scenario, goal, min(scenario.maximum, 2 * enough(scenario)))
    found = play(scenario, ours(scenario), INTERVAL)
    return Routed(static_cell(scenario, 0, least), cell(found, scenario, "ours", 0.0, 0))


def ours(scenario: Scenario) -> Ours:
    """The operator's law, with what a plan would tell of the trace's class: medians and the planned step line."""
    names = tuple(pool.name for pool in scenario.pools)
    speeds = tuple(full(pool.engine, *medians(scenario)) for pool in scenario.pools)
    return Ours((Served(target(scenario), names, speeds),))


def target(scenario: Scenario) -> Target:
    """As a plan makes it. Offline requests are served by the same replicas, after the others."""
    pool, slo = scenario.pools[0], scenario.slo
    engine, (prompt, output) = pool.engine, medians(scenario)
    return Target(
        class_=scenario.name,
        placement=pool.name,
        profile=pool.name,
        replicas=scenario.start,
        minimum=scenario.minimum,
        maximum=scenario.maximum,
        room=pool.limit,
        planned_capacity=full(engine, prompt, output),
        utilization=UTILIZATION,
        delay=DELAY,
        request_tokens=output,
        unit=Unit.GENERATED,
        prompt_tokens=prompt,
        ttft=slo.ttft + slo.ttft_per_input_token * prompt,
        itl=slo.itl,
        percentile=scenario.percentile,
        step=Step(engine.base, engine.per_sequence, 1 / engine.prefill_rate),
        chunk=float(engine.chunk),
        boot=pool.boot,
        deadline=scenario.deadline or None,
    )
