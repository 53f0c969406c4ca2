"""llm-d's autoscalers: the Workload Variant Autoscaler (WVA) by saturation and by throughput, and the latency rule of
the guide for KEDA. From their published formulas; pure but for what they remember.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from e2e.bench.autoscaler.hpa import Behavior, Stabilizer
from e2e.bench.autoscaler.request_based import Average
from e2e.bench.autoscaler.sight import Bounds, latest, quantile, rate, room, serving
from inferfleet.scaling.signal import PodSample
from inferfleet.sim.types import Pod, Seen


@dataclass(frozen=True)
class Saturation:
    """Thresholds of WVA's saturation analyzer, version 1, at their published defaults."""

    kv: float = 0.80
    queue: float = 5.0
    spare_kv: float = 0.10
    spare_queue: float = 3.0
    interval: float = 30.0
    """Seconds between decisions."""


class WvaSaturation:
    """One replica more while the replicas that are not saturated have little to spare, one less while they would have
    enough without it; nothing while a change is under way (so it moves one step a boot time).
    """

    def __init__(self, settings: Saturation, bounds: Bounds) -> None:
        self._settings = settings
        self._bounds = bounds
        self._next = 0.0

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """Every `interval` seconds."""
        pool = self._bounds.pool
        current = room(seen, pool).wanted
        if seen.now < self._next:
            return {}
        self._next = seen.now + self._settings.interval
        if current == 0:
            return {pool: self._bounds.clip(1)} if seen.held else {}
        samples = latest(serving(seen, pool))
        if len(samples) != current:
            return {}
        return {pool: self._bounds.clip(current + saturation_step(samples, self._settings))}


def saturation_step(samples: Sequence[PodSample], s: Saturation) -> int:
    """+1, 0 or -1."""
    free = [x for x in samples if x.kv_used < s.kv and x.waiting < s.queue]
    if not free:
        return 1
    spare_kv = sum(s.kv - x.kv_used for x in free) / len(free)
    spare_queue = sum(s.queue - x.waiting for x in free) / len(free)
    if spare_kv < s.spare_kv or spare_queue < s.spare_queue:
        return 1
    if len(free) < 2:
        return 0
    left = len(free) - 1
    kv_after = s.kv - sum(x.kv_used for x in free) / left
    queue_after = s.queue - sum(x.waiting for x in free) / left
    return -1 if kv_after >= s.spare_kv and queue_after >= s.spare_queue else 0


class WvaThroughput:
    """Arriving tokens over a replica's rate with its KV cache `level` full, from a line fitted to observed inter-token
    latency: mu = level x KVmax / KVreq / ITL(level), KVreq = input + output / 2.

    Replicas are added when demand / 0.85 is above the supply, and taken when demand / 0.70 is below what would be left.
    """

    UP, DOWN = 0.85, 0.70
    INTERVAL = 30.0
    LEAST = 4
    """Observations at different load before the line is believed."""

    def __init__(self, level: float, bounds: Bounds) -> None:
        self._level = level
        self._bounds = bounds
        self._next = 0.0
        self._seen: deque[tuple[float, float]] = deque(maxlen=200)
        """KV cache in use, and seconds between tokens."""

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """Every half minute."""
        pool = self._bounds.pool
        current = room(seen, pool).wanted
        if seen.now < self._next:
            return {}
        self._next = seen.now + self.INTERVAL
        if current == 0:
            return {pool: self._bounds.clip(1)} if seen.held else {}
        pods = serving(seen, pool)
        self._observe(pods)
        found = self._capacity(pods)
        if found is None:
            return {}
        demand, capacity = found
        supply = current * capacity
        if demand / self.UP > supply:
            return {pool: self._bounds.clip(ceil(demand / self.UP / capacity))}
        spare = floor((supply - demand / self.DOWN) / capacity)
        return {pool: self._bounds.clip(current - max(0, spare))}

    def _observe(self, pods: Sequence[Pod]) -> None:
        for pod in pods:
            made = rate([pod.window], "generated", 30.0)
            if made > 0 and pod.window[-1].running > 0:
                running = sum(s.running for s in pod.window) / len(pod.window)
                used = sum(s.kv_used for s in pod.window) / len(pod.window)
                self._seen.append((used, running / made))

    def _capacity(self, pods: Sequence[Pod]) -> tuple[float, float] | None:
        """Arriving and possible tokens per second; None while too little was seen."""
        windows = [pod.window for pod in pods if pod.window]
        done, came = rate(windows, "finished", 60.0), rate(windows, "arrivals", 60.0)
        kv = max((w[-1].kv_tokens for w in windows), default=0.0)
        if done <= 0 or kv <= 0 or len(self._seen) < self.LEAST:
            return None
        output = rate(windows, "finished_tokens", 60.0) / done
        prompt = rate(windows, "prompted", 60.0) / done
        itl = line(self._seen, self._level)
        return came * output, self._level * kv / (prompt + output / 2) / itl


def line(points: Sequence[tuple[float, float]], level: float) -> float:
    """ITL at a level of the KV cache: least squares, never below the least that was seen nor falling with load."""
    used, itl = np.array(points).T
    slope = float(np.polyfit(used, itl, 1)[0]) if np.ptp(used) > 1e-3 else 0.0
    slope = max(0.0, slope)
    return max(float(itl.mean()) + slope * (level - float(used.mean())), float(itl.min()))


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


class SloKeda:
    """The worse of P90 TTFT and P90 TPOT against their targets, clamped and smoothed, drives the replicas; those that
    boot are credited while it scales out. Measured histograms: the guide's fallback for its predictor.
    """

    def __init__(self, rule: LatencyRule, bounds: Bounds) -> None:
        self._rule = rule
        self._bounds = bounds
        self._stabilizer = Stabilizer(BEHAVIOR, bounds)
        self._smooth = Average(rule.smoothing)
        self._next = 0.0

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """At each evaluation of the rule."""
        pool = self._bounds.pool
        current = room(seen, pool).wanted
        if seen.now < self._next:
            return {}
        self._next = seen.now + self._rule.evaluation
        if current == 0:
            return {pool: self._bounds.clip(1)} if seen.held else {}
        ready = serving(seen, pool)
        self._smooth.note(seen.now, self._signal(ready))
        asked = latency_replicas(self._smooth.value, current, len(ready), self._rule)
        return {pool: self._stabilizer.step(seen.now, current, asked)}

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
