"""The replicas of all pools: what is wanted, what boots, serves, drains and fails, and what that costs. Pure memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappush

import numpy as np

from inferfleet.sim.book import Book
from inferfleet.sim.replica import Replica
from inferfleet.sim.result import HOUR, Choice, Count
from inferfleet.sim.types import Pool, Room


@dataclass(slots=True)
class _Place:
    """One pool's replicas, oldest first."""

    pool: Pool
    limit: int
    wanted: int = 0
    booting: list[Replica] = field(default_factory=list)
    ready: list[Replica] = field(default_factory=list)
    draining: list[Replica] = field(default_factory=list)
    seconds: float = 0.0
    """Of replicas that are gone."""

    @property
    def existing(self) -> int:
        return len(self.booting) + len(self.ready) + len(self.draining)


class Fleet:
    """Obeys what is wanted as a Deployment would: too few are created where there is room, too many drain."""

    def __init__(self, pools: tuple[Pool, ...], book: Book, seed: int, end: float) -> None:
        self.replicas: list[Replica] = []
        """All that ever were, by number."""
        self.boots: list[tuple[float, int]] = []
        """Heap of (ready at, number)."""
        self.choices: list[Choice] = []
        self.timeline: list[Count] = []
        self._places = {pool.name: _Place(pool, pool.limit) for pool in pools}
        self._book, self._end = book, end
        self._random = np.random.default_rng((seed, 0))

    def start(self, counts: Mapping[str, int]) -> None:
        """Replicas that are ready at second 0."""
        for name, place in self._places.items():
            place.wanted = counts.get(name, 0)
            # created before the start, so that whoever asks how long a boot takes is told
            place.ready = [self._new(place.pool, -place.pool.boot, 0.0) for _ in range(place.wanted)]
            self._note(place, 0.0)
        self.choices.append(Choice(0.0, {name: place.wanted for name, place in self._places.items()}))

    def serving(self) -> Iterator[Replica]:
        """Ready and not draining."""
        for place in self._places.values():
            yield from place.ready

    def all(self) -> list[Replica]:
        """Booting, ready and draining, oldest first."""
        found = [r for p in self._places.values() for r in (*p.booting, *p.ready, *p.draining)]
        return sorted(found, key=lambda r: r.number)

    def rooms(self) -> tuple[Room, ...]:
        """As a controller sees the pools."""
        return tuple(Room(p.pool, p.limit, p.wanted, p.existing) for p in self._places.values())

    def want(self, counts: Mapping[str, int], now: float) -> None:
        """From now on; beyond a pool's limit nothing is remembered, and what runs is not taken away for it."""
        changed = {}
        for name, count in counts.items():
            place = self._places[name]
            wanted = max(0, min(count, max(place.limit, len(place.booting) + len(place.ready))))
            if wanted != place.wanted:
                place.wanted = changed[name] = wanted
        if changed:
            self.choices.append(Choice(now, changed))
        self.obey(now)

    def obey(self, now: float) -> None:
        """Create what is missing and there is room for; drain what is too much, the newest first."""
        for place in self._places.values():
            active = len(place.booting) + len(place.ready)
            missing = min(place.wanted - active, place.limit - place.existing)
            for _ in range(missing):
                self._boot(place, now)
            for _ in range(active - place.wanted):
                self._drain(place, now)
            if missing > 0 or active > place.wanted:
                self._note(place, now)

    def limit(self, pool: str, count: int, now: float) -> None:
        """A pool has another limit."""
        self._places[pool].limit = count
        self.obey(now)

    def booted(self, number: int, now: float) -> bool:
        """False: it went before it was ready."""
        replica = self.replicas[number]
        place = self._places[replica.pool.name]
        if replica not in place.booting:
            return False
        place.booting.remove(replica)
        place.ready.append(replica)
        self._note(place, now)
        return True

    def drained(self, replica: Replica, now: float) -> None:
        """It has finished all it had."""
        place = self._places[replica.pool.name]
        place.draining.remove(replica)
        self._gone(place, replica, now)
        self._note(place, now)
        self.obey(now)

    def lose(self, pool: str, count: int, now: float) -> list[Replica]:
        """The oldest fail, those that serve before those that boot. Returns them; what they had is the caller's."""
        place = self._places[pool]
        failed = [*place.ready, *place.draining, *place.booting][:count]
        for members in (place.ready, place.draining, place.booting):
            members[:] = [r for r in members if r not in failed]
        for replica in failed:
            self._gone(place, replica, now)
        self._note(place, now)
        self.obey(now)
        return failed

    def hours(self) -> dict[str, float]:
        """By pool, of what is gone and of what is still there at the end."""
        return {
            name: (p.seconds + sum(self._lived(r, self._end) for r in (*p.booting, *p.ready, *p.draining))) / HOUR
            for name, p in self._places.items()
        }

    def _new(self, pool: Pool, now: float, ready_at: float) -> Replica:
        replica = Replica(len(self.replicas), pool, now, ready_at, self._book)
        self.replicas.append(replica)
        return replica

    def _boot(self, place: _Place, now: float) -> None:
        spread = place.pool.boot_spread
        took = place.pool.boot * (1 + (float(self._random.uniform(-spread, spread)) if spread else 0.0))
        replica = self._new(place.pool, now, now + took)
        place.booting.append(replica)
        heappush(self.boots, (replica.ready_at, replica.number))

    def _drain(self, place: _Place, now: float) -> None:
        if place.booting:
            self._gone(place, place.booting.pop(), now)
            return
        replica = place.ready.pop()
        replica.draining = True
        if replica.outstanding:
            place.draining.append(replica)
        else:
            self._gone(place, replica, now)

    def _gone(self, place: _Place, replica: Replica, now: float) -> None:
        place.seconds += self._lived(replica, now)
        replica.stop()

    def _lived(self, replica: Replica, now: float) -> float:
        return max(0.0, min(now, self._end) - max(0.0, replica.created))

    def _note(self, place: _Place, now: float) -> None:
        self.timeline.append(
            Count(now, place.pool.name, place.wanted, len(place.booting), len(place.ready), len(place.draining))
        )
