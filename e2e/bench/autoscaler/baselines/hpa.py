"""Kubernetes' HorizontalPodAutoscaler and what others put in front of it, from the published algorithm. Pure but for
its memory: recommendations and changes of the last minutes.

Source: Kubernetes documentation, "Horizontal Pod Autoscaling": algorithm details and configurable scaling behavior.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from e2e.bench.autoscaler.baselines.sight import Bounds, concurrency, latest, queued, room, serving
from inferfleet.sim.types import Seen

TOLERANCE = 0.1


@dataclass(frozen=True)
class Behavior:
    """Seconds and replicas; the defaults are Kubernetes'."""

    sync: float = 15.0
    up_window: float = 0.0
    up_pods: int = 4
    up_percent: float = 100.0
    up_period: float = 15.0
    down_window: float = 300.0
    down_pods: int = 0
    """0: only the percentage bounds it."""
    down_percent: float = 100.0
    down_period: float = 15.0


class Stabilizer:
    """Turns recommendations into replicas: the stabilization windows, then the policies' rates, then the bounds."""

    def __init__(self, behavior: Behavior, bounds: Bounds) -> None:
        self._behavior = behavior
        self._bounds = bounds
        self._asked: tuple[tuple[float, int], ...] = ()
        self._changes: tuple[tuple[float, int], ...] = ()

    def step(self, now: float, current: int, recommended: int) -> int:
        """Replicas from now on."""
        b = self._behavior
        if not self._asked:
            self._asked = ((now - 1e-3, current),)  # As Kubernetes does: nothing goes before a whole window was seen.
        longest = max(b.up_window, b.down_window)
        self._asked = (*(a for a in self._asked if a[0] > now - longest), (now, recommended))
        upper = max(count for at, count in self._asked if at == now or at > now - b.down_window)
        lower = min(count for at, count in self._asked if at == now or at > now - b.up_window)
        wanted = min(max(current, lower), upper) if lower <= upper else current
        wanted = self._bounds.clip(self._limited(now, current, wanted))
        if wanted != current:
            self._changes = (*self._changes, (now, wanted - current))
        return wanted

    def _limited(self, now: float, current: int, wanted: int) -> int:
        b = self._behavior
        period = max(b.up_period, b.down_period)
        self._changes = tuple(c for c in self._changes if c[0] > now - period)
        if wanted > current:
            added = sum(delta for at, delta in self._changes if delta > 0 and at > now - b.up_period)
            began = current - added
            return min(wanted, max(ceil(began * (1 + b.up_percent / 100)), began + b.up_pods))
        removed = -sum(delta for at, delta in self._changes if delta < 0 and at > now - b.down_period)
        began = current + removed
        least = began - b.down_pods if b.down_pods else int(began * (1 - b.down_percent / 100))
        return max(wanted, min(least, current))


def recommended(current: int, total: float, target: float) -> int:
    """ceil(total / target) for a metric with an average value, and no change within the tolerance."""
    if current and abs(total / (target * current) - 1.0) <= TOLERANCE:
        return current
    return ceil(total / target - 1e-9)


class Hpa:
    """Concurrency per replica as a metric with an average value: in flight and waiting over `target`."""

    def __init__(self, target: float, bounds: Bounds, behavior: Behavior | None = None) -> None:
        self._target = target
        self._bounds = bounds
        self._behavior = behavior or Behavior()
        self._stabilizer = Stabilizer(self._behavior, bounds)
        self._next = 0.0

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """Every `sync` seconds."""
        current = room(seen, self._bounds.pool).wanted
        if seen.now < self._next:
            return {}
        self._next = seen.now + self._behavior.sync
        if current == 0:
            return {}  # An HPA is disabled at zero replicas.
        asked = self.asked(seen, current)
        return {self._bounds.pool: self._stabilizer.step(seen.now, current, asked)}

    def asked(self, seen: Seen, current: int) -> int:
        """The recommendation without bounds."""
        return recommended(current, concurrency(seen, self._bounds.pool), self._target)


class HpaKvCache(Hpa):
    """The share of the KV cache that is taken as a metric of the pods: its mean over ready pods against `target`.

    Pods that are not ready count as using nothing while replicas would be added, as Kubernetes computes it.
    """

    def asked(self, seen: Seen, current: int) -> int:
        """The recommendation without bounds."""
        used = [sample.kv_used for sample in latest(serving(seen, self._bounds.pool))]
        if not used:
            return current
        ratio = sum(used) / len(used) / self._target
        if ratio > 1.0 and current > len(used):
            ratio = max(1.0, sum(used) / current / self._target)
        return current if abs(ratio - 1.0) <= TOLERANCE else ceil(ratio * len(used) - 1e-9)


class KedaQueue:
    """KEDA on the length of the queue: a query every 30 s, `target` waiting requests a replica, an HPA above one.

    Source: KEDA documentation, "Scaling Deployments": pollingInterval 30, cooldownPeriod 300, activationThreshold 0.
    """

    POLL = 30.0
    COOLDOWN = 300.0

    def __init__(self, target: float, bounds: Bounds) -> None:
        self._target = target
        self._bounds = bounds
        self._stabilizer = Stabilizer(Behavior(), Bounds(bounds.pool, max(1, bounds.minimum), bounds.maximum))
        self._next = 0.0
        self._active = 0.0
        self._waiting = 0.0
        self._poll = 0.0

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """Between zero and one by activity, above by the HPA."""
        if seen.now >= self._poll:
            self._poll = seen.now + self.POLL
            self._waiting = queued(seen, self._bounds.pool)
            self._active = seen.now if self._waiting > 0 else self._active
        if seen.now < self._next:
            return {}
        self._next = seen.now + Behavior().sync
        current = room(seen, self._bounds.pool).wanted
        if current == 0:
            return {self._bounds.pool: 1} if self._waiting > 0 else {}
        if self._bounds.minimum == 0 and seen.now - self._active > self.COOLDOWN:
            return {self._bounds.pool: 0}
        asked = recommended(current, self._waiting, self._target)
        return {self._bounds.pool: self._stabilizer.step(seen.now, current, asked)}
