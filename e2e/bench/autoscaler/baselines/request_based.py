"""Autoscalers that count requests in flight: Knative's and KubeAI's, from their published formulas. Pure but for the
counts that they remember.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor

from e2e.bench.autoscaler.baselines.sight import Bounds, concurrency, room, serving
from inferfleet.sim.types import Seen


class Average:
    """Mean of what was noted in the last `span` seconds."""

    def __init__(self, span: float) -> None:
        self._span = span
        self._noted: deque[tuple[float, float]] = deque()
        self._sum = 0.0
        self._first: float | None = None

    def note(self, at: float, value: float) -> None:
        """Times must rise."""
        self._first = at if self._first is None else self._first
        self._noted.append((at, value))
        self._sum += value
        while self._noted[0][0] <= at - self._span:
            self._sum -= self._noted.popleft()[1]

    @property
    def covered(self) -> bool:
        """Whether its span has passed since the first note: before, the fleet that is there may well be needed."""
        return self._first is not None and self._noted[-1][0] - self._first >= self._span * 0.9

    @property
    def value(self) -> float:
        """0 before anything was noted."""
        return max(0.0, self._sum) / len(self._noted) if self._noted else 0.0


@dataclass(frozen=True)
class KnativeSettings:
    """Defaults of Knative's ConfigMap config-autoscaler. Seconds."""

    concurrency: float = 100.0
    utilization: float = 0.70
    stable: float = 60.0
    panic: float = 6.0
    threshold: float = 2.0
    """Panic once the panic window asks for this many times the ready pods."""
    up_rate: float = 1000.0
    down_rate: float = 2.0
    grace: float = 30.0
    """Before the last replica goes."""


class Knative:
    """The Knative Pod Autoscaler: stable and panic windows. Source: Knative documentation, "KPA specific"."""

    def __init__(self, settings: KnativeSettings, bounds: Bounds) -> None:
        self._settings = settings
        self._bounds = bounds
        self._stable = Average(settings.stable)
        self._panic = Average(settings.panic)
        self._panicked: float | None = None
        self._most = 0
        self._zero_since: float | None = None

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """On each tick: Knative's are 2 s apart."""
        s, pool = self._settings, self._bounds.pool
        now = concurrency(seen, pool)
        self._stable.note(seen.now, now)
        self._panic.note(seen.now, now)
        ready = max(1, len(serving(seen, pool)))
        target = s.concurrency * s.utilization
        stable = self._within(ceil(self._stable.value / target - 1e-9), ready)
        panic = self._within(ceil(self._panic.value / target - 1e-9), ready)
        self._watch(seen.now, over=panic / ready >= s.threshold)
        wanted = stable
        if self._panicked is not None:
            if max(stable, panic) > self._most:
                self._panicked, self._most = seen.now, max(stable, panic)
            wanted = self._most
        current = room(seen, pool).wanted
        wanted = max(wanted, current) if not self._stable.covered else wanted
        return {pool: self._bounds.clip(self._last(seen, wanted))}

    def _within(self, wanted: int, ready: int) -> int:
        s = self._settings
        return int(min(max(wanted, floor(ready / s.down_rate)), ceil(s.up_rate * ready)))

    def _watch(self, now: float, *, over: bool) -> None:
        if over and self._panicked is None:
            self._panicked, self._most = now, 0
        elif over:
            self._panicked = now
        elif self._panicked is not None and now - self._panicked > self._settings.stable:
            self._panicked = None

    def _last(self, seen: Seen, wanted: int) -> int:
        """The last replica stays for the grace period, and while anything was in flight in the stable window."""
        if wanted > 0 or self._stable.value > 0:
            self._zero_since = None
            return max(wanted, 1) if self._stable.value > 0 else wanted
        self._zero_since = seen.now if self._zero_since is None else self._zero_since
        idle = seen.now - self._zero_since >= self._settings.grace
        return 0 if idle else min(1, room(seen, self._bounds.pool).wanted)


class KubeAi:
    """Mean requests in flight over ten minutes, looked at every ten seconds, over `target` a replica; fewer only after
    `patience` looks in a row. Source: KubeAI documentation, "Autoscaling" (interval 10 s, timeWindow 10 min,
    targetRequests 100, scaleDownDelaySeconds 30).
    """

    INTERVAL = 10.0
    WINDOW = 600.0
    PATIENCE = 3

    def __init__(self, target: float, bounds: Bounds) -> None:
        self._target = target
        self._bounds = bounds
        self._mean = Average(self.WINDOW)
        self._next = 0.0
        self._fewer = 0

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """Held requests count, so that the first one starts a replica."""
        if seen.now < self._next:
            return {}
        self._next = seen.now + self.INTERVAL
        pool = self._bounds.pool
        self._mean.note(seen.now, concurrency(seen, pool))
        current = room(seen, pool).wanted
        wanted = self._bounds.clip(ceil(self._mean.value / self._target - 1e-9))
        self._fewer = self._fewer + 1 if wanted < current else 0
        if wanted < current and (self._fewer < self.PATIENCE or not self._mean.covered):
            return {}
        return {pool: wanted}
