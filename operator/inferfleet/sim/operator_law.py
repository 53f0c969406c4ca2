"""The operator's own scaling law as a controller of a simulation: what `fleet.scaler` does, without a cluster. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from statistics import median

from inferfleet.fleet.pods import MAX_BOOT
from inferfleet.fleet.scaler import WINDOW
from inferfleet.planning.room import ROUNDING
from inferfleet.planning.types import Measured
from inferfleet.scaling.law import Decision
from inferfleet.scaling.workload import Memory, Round, Signals, Target, scale
from inferfleet.settings import Settings as Operator
from inferfleet.sim.types import Pod, Room, Seen


@dataclass(frozen=True)
class Served:
    """A workload and where it may run."""

    target: Target
    """As a plan makes it; its replicas and its room are those of the moment."""
    pools: tuple[str, ...]
    """In the order in which they are asked: the first is the placement, the others take what it has no room for."""
    speeds: tuple[float, ...] = ()
    """Planned tokens per second of a replica in each; empty: all are alike."""

    def ratio(self, index: int) -> float:
        """Speed of a replica in a pool, in replicas of the first."""
        return self.speeds[index] / self.speeds[0] if self.speeds else 1.0


@dataclass(frozen=True)
class Said:
    """A decision that differs from the one before in what it says or does."""

    at: float
    class_: str
    decision: Decision


@dataclass
class _Memory:
    passed: Memory = field(default_factory=Memory)
    last: Round | None = None


@dataclass
class Ours:
    """One parameter set: what differs between workloads is in their targets, as plans make them."""

    served: tuple[Served, ...]
    max_age: float = Operator.signal_max_age
    log: list[Said] = field(default_factory=list)
    _memories: dict[str, _Memory] = field(default_factory=dict)
    _known: dict[str, Measured] = field(default_factory=dict)
    _boots: dict[str, float] = field(default_factory=dict)

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """One round over all workloads."""
        rooms = {room.pool.name: room for room in seen.pools}
        self._remember_boots(seen.pods)
        found: dict[str, int] = {}
        for served in self.served:
            found.update(self._round(served, rooms, seen))
        return found

    def _round(self, served: Served, rooms: Mapping[str, Room], seen: Seen) -> dict[str, int]:
        pods = [p for p in seen.pods if p.pool in served.pools]
        there = [rooms[name] for name in served.pools]
        target = replace(
            served.target,
            replicas=as_first(served, [room.wanted for room in there]),
            room=as_first(served, [room.limit for room in there]),
        )
        memory = self._memories.setdefault(target.class_, _Memory())
        before = memory.last
        signals = replace(self._signals(served, pods, seen.now), held=float(seen.held))
        last = scale(target, signals, self._known.get(target.profile), memory.passed)
        memory.last, memory.passed = last, last.memory
        if last.measured:
            self._known[target.profile] = last.measured
        if before is None or _news(before.decision, last.decision):
            self.log.append(Said(seen.now, target.class_, last.decision))
        if last.decision.asked is None:
            return {}
        serving = sum(1 for p in pods if p.pool == served.pools[0] and _serves(p))
        return spread(served, there, last.decision.asked, serving)

    def _signals(self, served: Served, pods: Iterable[Pod], now: float) -> Signals:
        """Of pods that answered; one that has not had the time to is no stale signal."""
        pods = list(pods)
        windows = {
            p.name: tuple(s for s in p.window if s.at >= now - WINDOW) or p.window[-1:]
            for p in pods
            if _serves(p) and (p.window or now - (p.ready_at or 0.0) >= self.max_age)
        }
        own = frozenset(p.name for p in pods if p.pool == served.pools[0] and _serves(p))
        boots = [self._boots[p.name] for p in pods if p.name in self._boots]
        return Signals(now, windows, own, median(boots) if boots else served.target.boot, self.max_age)

    def _remember_boots(self, pods: Iterable[Pod]) -> None:
        """Not of those that were there from the start: nobody saw them boot."""
        took = {p.name: max(1.0, p.ready_at - p.created) for p in pods if p.ready_at}
        self._boots = {name: seconds for name, seconds in took.items() if seconds <= MAX_BOOT}


def as_first(served: Served, counts: Iterable[int]) -> int:
    """What replicas in all its pools do, in replicas of the first; as `planning.spill` counts: the slowest sets the
    pace, since requests are spread evenly.
    """
    there = [(count, served.ratio(i)) for i, count in enumerate(counts) if count > 0]
    return int(sum(count for count, _ in there) * min((ratio for _, ratio in there), default=0.0) + ROUNDING)


def spread(served: Served, rooms: list[Room], asked: int, serving: int) -> dict[str, int]:
    """Replicas by pool. What was spilled stays until the first pool's own are ready (`serving` are)."""
    counts = [min(asked, rooms[0].limit)]
    for i, room in enumerate(rooms[1:], start=1):
        missing = asked - as_first(served, counts)
        slowest = min(served.ratio(j) for j in range(i + 1) if j == i or counts[j])
        needed = min(ceil(asked / slowest - ROUNDING), served.target.maximum) - sum(counts)
        more = min(room.limit, max(0, needed)) if missing > 0 else 0
        helps = as_first(served, [*counts, more]) > as_first(served, counts)
        counts.append(more if helps else 0)
    if serving < counts[0]:
        counts[1:] = [max(n, room.wanted) for n, room in zip(counts[1:], rooms[1:], strict=True)]
    return {room.pool.name: n for room, n in zip(rooms, counts, strict=True)}


def _serves(pod: Pod) -> bool:
    return pod.ready_at is not None and not pod.draining


def _news(before: Decision, after: Decision) -> bool:
    return (before.replicas, before.reason, before.fresh) != (after.replicas, after.reason, after.fresh)
