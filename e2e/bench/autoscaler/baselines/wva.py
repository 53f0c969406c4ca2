"""llm-d's Workload Variant Autoscaler (WVA): by saturation and by throughput. From its published formulas and constants
(documents "Saturation Analyzer" and "Throughput Analyzer" of llm-d-workload-variant-autoscaler); pure but for what they
remember.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from e2e.bench.autoscaler.baselines.periodic import Periodic
from e2e.bench.autoscaler.baselines.sight import Bounds, latest, queued, rate, serving
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


class WvaSaturation(Periodic):
    """One replica more while the replicas that are not saturated have little to spare, one less while they would have
    enough without it; nothing while a change is under way (so it moves one step a boot time).
    """

    def __init__(self, settings: Saturation, bounds: Bounds) -> None:
        super().__init__(bounds, settings.interval)
        self._settings = settings

    def wanted(self, seen: Seen, current: int) -> int | None:
        """Nothing while pods boot or go."""
        samples = latest(serving(seen, self._bounds.pool))
        if len(samples) != current:
            return None
        return self._bounds.clip(current + saturation_step(samples, self._settings))


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


Point = tuple[float, float]
"""Share of a pod's KV cache that is taken, and seconds between tokens."""


@dataclass(frozen=True)
class Line:
    """ITL(k) = slope x k + base, k the share of the KV cache that is taken. Seconds."""

    slope: float
    base: float

    def itl(self, level: float) -> float:
        """At a level of the cache."""
        return self.slope * level + self.base


@dataclass(frozen=True)
class Calibration:
    """When the line is fitted in full, at the published defaults."""

    samples: int = 10
    spread: float = 0.30
    low: float = 0.15
    high: float = 0.85
    base: float = 0.006
    """Seconds: of an H100 without load, while none was fitted."""


def fitted(points: Sequence[Point], rule: Calibration) -> Line | None:
    """Least squares, where there are enough points far enough apart and latency rises with load."""
    if len(points) < rule.samples or max(k for k, _ in points) - min(k for k, _ in points) < rule.spread:
        return None
    used, itl = np.array(points).T
    slope, base = (float(x) for x in np.polyfit(used, itl, 1))
    return Line(slope, base) if slope > 0 else None


def pinned(points: Iterable[Point], base: float) -> Line | None:
    """With the base held: slope = sum((ITL - base) k) / sum(k^2). None where it would not rise."""
    known = [(k, itl) for k, itl in points if k > 0]
    squares = sum(k * k for k, _ in known)
    slope = sum((itl - base) * k for k, itl in known) / squares if squares else 0.0
    return Line(slope, base) if slope > 0 else None


class WvaThroughput(Periodic):
    """Arriving tokens over what a replica makes with its cache `level` full: mu = level x KVmax / KVreq / ITL(level),
    KVreq = input (1 - hits) + output / 2; queued requests add 1 / (2 ITL(level)) each.

    Replicas are added by demand / 0.85 beyond what runs and boots, and taken by what is beyond demand / 0.70.
    """

    UP, DOWN = 0.85, 0.70
    INTERVAL = 30.0
    DRAIN = 2.0
    SPAN = 60.0
    AGE = 1800.0

    def __init__(self, level: float, bounds: Bounds, rule: Calibration | None = None) -> None:
        super().__init__(bounds, self.INTERVAL)
        self._level = level
        self._rule = rule or Calibration()
        self._seen: deque[tuple[float, Point]] = deque(maxlen=20)
        self._base = self._rule.base

    def wanted(self, seen: Seen, current: int) -> int | None:
        """None before the line is known."""
        pool = self._bounds.pool
        pods = serving(seen, pool)
        line = self._line(seen.now, [point for pod in pods if (point := self._point(pod))])
        found = self._tokens(pods, queued(seen, pool), line) if line else None
        if found is None:
            return None
        demand, capacity = found
        missing = demand / self.UP - current * capacity
        if missing > 0:
            return self._bounds.clip(current + ceil(missing / capacity))
        spare = len(pods) * capacity - demand / self.DOWN
        return self._bounds.clip(current - max(0, floor(spare / capacity)))

    def _line(self, now: float, points: Sequence[Point]) -> Line | None:
        r = self._rule
        self._seen.extend((now, point) for point in points if r.low <= point[0] <= r.high)
        while self._seen and self._seen[0][0] < now - self.AGE:
            self._seen.popleft()
        found = fitted([point for _, point in self._seen], r)
        if found:
            self._base = found.base
        return found or pinned(points, self._base)

    def _point(self, pod: Pod) -> Point | None:
        """Of the last half minute; None where nothing was made."""
        inside = [s for s in pod.window if s.at >= pod.window[-1].at - self.INTERVAL]
        made = rate([pod.window], "generated", self.INTERVAL)
        if made <= 0:
            return None
        running = sum(s.running for s in inside) / len(inside)
        return sum(s.kv_used for s in inside) / len(inside), running / made

    def _tokens(self, pods: Sequence[Pod], waiting: float, line: Line) -> tuple[float, float] | None:
        """Tokens per second that come, and that one replica can make; None before anything was finished."""
        windows = [pod.window for pod in pods if pod.window]
        done, came = rate(windows, "finished", self.SPAN), rate(windows, "arrivals", self.SPAN)
        kv = max((w[-1].kv_tokens for w in windows), default=0.0)
        if done <= 0 or kv <= 0:
            return None
        output = rate(windows, "finished_tokens", self.SPAN) / done
        prompt = max(0.0, rate(windows, "prompted", self.SPAN) - rate(windows, "cached", self.SPAN)) / done
        itl = line.itl(self._level)
        capacity = self._level * kv / (prompt + output / 2) / itl
        return came * output + waiting / (self.DRAIN * itl), capacity
