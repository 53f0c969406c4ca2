"""Resident memory of pods beside what the planner assumes of them. Reads /proc."""

from collections.abc import Mapping, Sequence

from e2e.bench import big
from e2e.bench.arms import SLOTS, Arm
from e2e.bench.pods import Pod, configuration
from inferfleet.catalog import loader
from inferfleet.catalog.loader import ModelArchitecture
from inferfleet.planning.performance import memory_bytes
from inferfleet_runtime.engines import ENGINES


def assumed_bytes(arm: Arm) -> float:
    """The planner's figure for an arm."""
    numbers = {name: value for name, value in big.SHAPE.items() if name != "context"}
    model = ModelArchitecture.model_validate({"name": "bench"} | numbers)
    engine = ENGINES[arm.changes.get("engine", "llama-cpp")]
    slots = arm.changes.get("slots", SLOTS)
    context = configuration(big.ANYWHERE)["contextTokens"]
    return memory_bytes(model, loader.load().quantizations[arm.file], engine, slots, context)


def ratios(able: Sequence[Arm], pods: Mapping[str, Pod]) -> dict[str, float]:
    """Peak over assumed, by arm; 1 is a perfect assumption. And the worst deviation of an arm, in percent."""
    found = {arm.name: pods[arm.name].memory_bytes() / assumed_bytes(arm) for arm in able}
    worst = max(abs(ratio - 1) for ratio in found.values())
    return {f"memory_ratio_{name}": round(ratio, 3) for name, ratio in found.items()} | {
        "memory_worst_deviation_percent": round(100 * worst, 1)
    }
