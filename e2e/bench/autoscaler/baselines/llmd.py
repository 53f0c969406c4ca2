"""The latency rule of llm-d's guide for KEDA, from its published formula. Pure but for what it remembers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from e2e.bench.autoscaler.baselines.hpa import Behavior, Stabilizer
from e2e.bench.autoscaler.baselines.periodic import Periodic
from e2e.bench.autoscaler.baselines.request_based import Average
from e2e.bench.autoscaler.baselines.sight import Bounds, quantile, serving
from inferfleet.sim.types import Pod, Seen


@dataclass(frozen=True)
class LatencyRule:
    """llm-d's guide "SLO-Aware Autoscaling with KEDA" (llm-d#2011) at its published values. Seconds."""

    ttft: float
    tpot: float
    up: float = 0.55
    down: float = 0.40
    clamp: float = 2.0
    smoothing: float = 45.0
    evaluation: float = 15.0
    quantile: float = 0.90
    span: float = 60.0


BEHAVIOR = Behavior(up_window=30.0, up_period=60.0, down_window=180.0, down_pods=1, down_period=120.0)


class SloKeda(Periodic):
    """The worse of P90 TTFT and P90 TPOT against their targets, clamped and smoothed, drives the replicas; those that
    boot are credited while it scales out. Measured histograms: the guide's fallback for its predictor.
    """

    def __init__(self, rule: LatencyRule, bounds: Bounds) -> None:
        super().__init__(bounds, rule.evaluation)
        self._rule = rule
        self._stabilizer = Stabilizer(BEHAVIOR, bounds)
        self._smooth = Average(rule.smoothing)

    def wanted(self, seen: Seen, current: int) -> int:
        """At each evaluation of the rule."""
        ready = serving(seen, self._bounds.pool)
        self._smooth.note(seen.now, self._signal(ready))
        asked = latency_replicas(self._smooth.value, current, len(ready), self._rule)
        return self._stabilizer.step(seen.now, current, asked)

    def _signal(self, pods: Sequence[Pod]) -> float:
        r, windows = self._rule, [pod.window for pod in pods]
        ttft = quantile(windows, "ttft", r.quantile, r.span) or 0.0
        tpot = quantile(windows, "itl", r.quantile, r.span) or 0.0
        return min(max(ttft / r.ttft, tpot / r.tpot), r.clamp)


def latency_replicas(signal: float, current: int, ready: int, rule: LatencyRule) -> int:
    """n + ceil(n(s c / up - 1)) above the band, n - floor(n(1 - s / down)) below it, n within; c = ready / n."""
    credit = ready / current if 0 < ready < current else 1.0
    if signal > rule.up:
        return current + max(0, ceil(current * (signal * credit / rule.up - 1) - 1e-9))
    if signal < rule.down:
        return current - floor(current * (1 - signal / rule.down) + 1e-9)
    return current
