"""What was computed already, by content: for whoever passes one, threads included. Pure but for what it remembers.

Results follow from frozen keys and from the catalog, so one memo is good for one catalog; nothing else makes it wrong.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from inferfleet.planning.types import Candidate, Question

T = TypeVar("T")
MOST = 100_000
"""Results that are kept, of 2 to 4 kB each; beyond it all are forgotten, which costs time and changes nothing."""


@dataclass
class Memo:
    """Results by key."""

    known: dict[Hashable, Any] = field(default_factory=dict)
    most: int = MOST
    numbers: dict[Hashable, int] = field(default_factory=dict)
    """Of long keys."""
    given: "count[int]" = field(default_factory=count)
    """Numbers are never given twice, also not by two threads: `next` of it cannot be interrupted."""

    def number(self, key: Hashable) -> int:
        """Stands for a long key, so that it is compared only once."""
        found = self.numbers.get(key)
        if found is not None:
            return found
        if len(self.numbers) >= self.most:
            self.numbers.clear()
        return self.numbers.setdefault(key, next(self.given))

    def knows(self, key: Hashable) -> bool:
        """Whether it needs no making."""
        return key in self.known

    def put(self, key: Hashable, made: Any) -> None:
        """Remember it."""
        if len(self.known) >= self.most:
            self.known.clear()
        self.known[key] = made

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for the key before, or is now."""
        found = self.known.get(key, self)
        if found is not self:
            return found  # type: ignore[no-any-return]
        made = make()
        self.put(key, made)
        return made


def content_of(q: Question) -> Hashable:
    """All of a question that decides what a candidate can do, but for itself, room, ledger and catalog."""
    model = (q.architecture_key, q.architecture.modality, tuple(q.speculators.items()), q.adapted)
    model_version = q.coefficients.version if q.coefficients else None
    return (*model, q.workload.model_dump_json(), q.trusted_headers, q.plan_unplaced, model_version)


def content_of_candidate(c: Candidate, q: Question) -> Hashable:
    """All of a candidate that decides what it can do, but for room."""
    pool, identity = c.pool, c.identity
    hardware = (pool.name, pool.accelerator_name, pool.cores, pool.memory, pool.price, pool.watts, pool.engines)
    standing = (identity in q.incumbents, identity in q.untold, q.versions.get(identity), pool.node_accelerators)
    return (*hardware, *standing, c.variant, c.engine, c.parallelism, c.offer)
