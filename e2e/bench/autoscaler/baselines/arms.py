"""The controllers that are compared, each with one setting to tune. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from e2e.bench.autoscaler.baselines.hpa import Hpa, HpaKvCache, KedaQueue
from e2e.bench.autoscaler.baselines.llmd import LatencyRule, SloKeda
from e2e.bench.autoscaler.baselines.request_based import Knative, KnativeSettings, KubeAi
from e2e.bench.autoscaler.baselines.sight import Bounds
from e2e.bench.autoscaler.baselines.wva import Saturation, WvaSaturation, WvaThroughput
from e2e.bench.autoscaler.traffic.traces import Scenario
from inferfleet.sim.types import Controller, Seen, Slo

Make = Callable[[float, Bounds, Slo], Controller]


@dataclass(frozen=True)
class Arm:
    """A baseline. Higher levels mean fewer replicas."""

    title: str
    level: str
    """What is tuned."""
    default: float
    """As published; where nothing is, what is said in `level`."""
    grid: tuple[float, ...]
    """Rising."""
    make: Make
    interval: float = 5.0
    """Seconds between looks, no longer than its own loop's."""


class Static:
    """Always as many."""

    def __init__(self, replicas: int, pool: str) -> None:
        self._counts = {pool: replicas}

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """Asks for them at once and again."""
        return self._counts


def bounds(scenario: Scenario) -> Bounds:
    """Of the first pool: no baseline knows another."""
    pool = scenario.pools[0]
    return Bounds(pool.name, scenario.minimum, min(scenario.maximum, pool.limit))


def _saturation(level: float, limits: Bounds, slo: Slo) -> Controller:
    """The threshold moves the spare share in proportion."""
    return WvaSaturation(Saturation(kv=level, spare_kv=level / 8), limits)


def _latency(level: float, limits: Bounds, slo: Slo) -> Controller:
    """The band moves as a whole: its lower end stays in the published proportion."""
    return SloKeda(LatencyRule(slo.ttft, slo.itl, up=level, down=level * 0.40 / 0.55), limits)


def _kubernetes() -> Mapping[str, Arm]:
    return {
        "hpa": Arm(
            "HPA, concurrency",
            "requests in flight a replica (none is published: 32)",
            32,
            (0.5, 1, 2, 4, 6, 8, 10, 12, 16, 24, 32, 48),
            lambda level, limits, slo: Hpa(level, limits),
        ),
        "hpa_kv": Arm(
            "HPA, KV cache",
            "share of the KV cache (llm-d: 0.70)",
            0.70,
            (0.01, 0.02, 0.03, 0.05, 0.08, 0.2, 0.7),
            lambda level, limits, slo: HpaKvCache(level, limits),
        ),
        "keda": Arm(
            "KEDA, queue length",
            "waiting requests a replica (5)",
            5,
            (0.25, 0.5, 1, 2, 5, 10),
            lambda level, limits, slo: KedaQueue(level, limits),
        ),
    }


def _serverless() -> Mapping[str, Arm]:
    return {
        "knative": Arm(
            "Knative KPA",
            "container concurrency, 70 % of it aimed at (100)",
            100,
            (1, 3, 6, 9, 12, 16, 24, 48, 100),
            lambda level, limits, slo: Knative(KnativeSettings(concurrency=level), limits),
            interval=2.0,
        ),
        "kubeai": Arm(
            "KubeAI",
            "targetRequests (100)",
            100,
            (0.5, 1, 2, 4, 6, 8, 10, 12, 16, 24, 48, 100),
            lambda level, limits, slo: KubeAi(level, limits),
        ),
    }


def _llmd() -> Mapping[str, Arm]:
    return {
        "wva_saturation": Arm(
            "WVA, saturation", "KV cache threshold (0.80)", 0.80, (0.01, 0.03, 0.05, 0.1, 0.2, 0.8), _saturation
        ),
        "wva_throughput": Arm(
            "WVA, throughput",
            "share of the KV cache at capacity (0.85)",
            0.85,
            (0.01, 0.02, 0.03, 0.05, 0.1, 0.3, 0.85),
            lambda level, limits, slo: WvaThroughput(level, limits),
        ),
        "latency": Arm(
            "llm-d latency rule", "upper end of the band (0.55)", 0.55, (0.35, 0.45, 0.55, 0.7, 0.85), _latency
        ),
    }


def arms() -> Mapping[str, Arm]:
    """By a short name, in the order of the report.

    There is none for an HPA on CPU: an engine on an accelerator keeps one core busy whatever comes, so that nothing
    can be derived from it, and it is not simulated.
    """
    return {**_kubernetes(), **_serverless(), **_llmd()}
