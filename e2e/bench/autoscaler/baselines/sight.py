"""What other autoscalers look at: gauges, counters and histograms of the pods that serve. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isinf

from inferfleet.scaling.signal import Buckets, PodSample, Window
from inferfleet.sim.types import Pod, Room, Seen


@dataclass(frozen=True)
class Bounds:
    """Of the replicas of the pool that a baseline scales; it knows no other."""

    pool: str
    minimum: int
    maximum: int

    def clip(self, replicas: float) -> int:
        """Within the bounds."""
        return int(max(self.minimum, min(replicas, self.maximum)))


def room(seen: Seen, pool: str) -> Room:
    """KeyError where there is no such pool."""
    for found in seen.pools:
        if found.pool.name == pool:
            return found
    raise KeyError(pool)


def serving(seen: Seen, pool: str) -> tuple[Pod, ...]:
    """Ready pods of the pool that take new requests."""
    return tuple(pod for pod in seen.pods if pod.pool == pool and pod.ready_at is not None and not pod.draining)


def latest(pods: Iterable[Pod]) -> tuple[PodSample, ...]:
    """The last sample of each pod that has one."""
    return tuple(pod.window[-1] for pod in pods if pod.window)


def concurrency(seen: Seen, pool: str) -> float:
    """Requests in the pods, and those that are held since no pod is ready."""
    return seen.held + sum(sample.running + sample.waiting for sample in latest(serving(seen, pool)))


def queued(seen: Seen, pool: str) -> float:
    """Requests that wait, held ones too."""
    return seen.held + sum(sample.waiting for sample in latest(serving(seen, pool)))


def rate(windows: Iterable[Window], field: str, span: float) -> float:
    """Increase per second of a counter over the last `span` seconds of each window, added up."""
    total = 0.0
    for window in windows:
        inside = [sample for sample in window if sample.at >= window[-1].at - span] if window else []
        if len(inside) > 1 and inside[-1].at > inside[0].at:
            grown: float = getattr(inside[-1], field) - getattr(inside[0], field)
            total += grown / (inside[-1].at - inside[0].at)
    return total


def quantile(windows: Iterable[Window], field: str, level: float, span: float) -> float | None:
    """As Prometheus' histogram_quantile over the increase of the last `span` seconds: linear within a bucket, and
    the last finite bound for what is above it. None without observations.
    """
    total: dict[float, float] = {}
    for window in windows:
        inside = [sample for sample in window if sample.at >= window[-1].at - span] if window else []
        if len(inside) > 1:
            _add(total, getattr(inside[-1], field), getattr(inside[0], field))
    buckets = sorted(total.items())
    count = buckets[-1][1] if buckets else 0.0
    if count <= 0:
        return None
    return _within(buckets, level * count)


def _add(total: dict[float, float], after: Buckets, before: Buckets) -> None:
    earlier = dict(before)
    for bound, seen in after:
        total[bound] = total.get(bound, 0.0) + seen - earlier.get(bound, 0.0)


def _within(buckets: list[tuple[float, float]], rank: float) -> float:
    low, below = 0.0, 0.0
    for bound, upto in buckets:
        if upto >= rank:
            return low if isinf(bound) else low + (bound - low) * (rank - below) / max(upto - below, 1e-12)
        low, below = bound, upto
    return low
