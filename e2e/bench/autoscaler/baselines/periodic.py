"""What controllers share that look every so often at the replicas of one pool. Pure but for what it remembers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from e2e.bench.autoscaler.baselines.sight import Bounds, room
from inferfleet.sim.types import Seen


class Periodic(ABC):
    """From zero replicas the first held request starts one; from there on `wanted` says how many."""

    def __init__(self, bounds: Bounds, interval: float) -> None:
        """`interval`: seconds between decisions."""
        self._bounds = bounds
        self._interval = interval
        self._next = 0.0

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """Nothing until an interval has passed."""
        pool = self._bounds.pool
        current = room(seen, pool).wanted
        if seen.now < self._next:
            return {}
        self._next = seen.now + self._interval
        if current == 0:
            return {pool: self._bounds.clip(1)} if seen.held else {}
        asked = self.wanted(seen, current)
        return {} if asked is None else {pool: asked}

    @abstractmethod
    def wanted(self, seen: Seen, current: int) -> int | None:
        """Replicas within the bounds; None for no change."""
