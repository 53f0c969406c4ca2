"""How long a round of decisions takes for a hundred workloads. Reads the processor's clock."""

import time
from collections.abc import Mapping
from dataclasses import replace
from statistics import median

from e2e.bench.autoscaler.cells import full, medians, play
from e2e.bench.autoscaler.ours import target
from e2e.bench.autoscaler.traffic import scripted, traces
from inferfleet.sim.operator_law import Ours, Served
from inferfleet.sim.types import Seen

MODELS = 100
PODS = 5
SECONDS = 600.0


class _Many:
    """A hundred workloads, each seeing the same five pods, decide in each round; nothing is changed by them."""

    def __init__(self, scenario: traces.Scenario) -> None:
        one = target(scenario)
        pools = tuple(pool.name for pool in scenario.pools)
        speeds = tuple(full(pool.engine, *medians(scenario)) for pool in scenario.pools)
        targets = (replace(one, class_=f"class-{i}", profile=f"profile-{i}") for i in range(MODELS))
        self._ours = Ours(tuple(Served(each, pools, speeds) for each in targets))
        self.took: list[float] = []

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """Milliseconds of processor time are noted."""
        began = time.process_time()
        self._ours.decide(seen)
        self.took.append(1000 * (time.process_time() - began))
        return {}


def decide_100_models_ms() -> float:
    """Median over the rounds of five minutes with full windows."""
    trace = scripted.drawn(scripted.steps((8.0, SECONDS)), SECONDS, 0)
    scenario = traces.Scenario("pace", trace, SECONDS, start=PODS)
    many = _Many(scenario)
    play(scenario, many, 5.0)
    return median(many.took[len(many.took) // 2 :])
