"""The placement program's problem for a fleet. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import inf, isinf

from inferfleet.placing.types import Option, Pool, Problem, Provider, Quota
from inferfleet.planning.choose import Judged, judged
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.options.alike import alike
from inferfleet.planning.options.merge import Workload, merged, sets
from inferfleet.planning.options.prune import replaced
from inferfleet.planning.options.shared import shared
from inferfleet.planning.options.way import Way, namespace_of, offers, separate, together
from inferfleet.planning.room import ROUNDING
from inferfleet.planning.types import Evaluated, Question, Rejection
from inferfleet.planning.types import Pool as PlannedPool


@dataclass(frozen=True)
class Room:
    """Accelerators of a pool (for CPUs, cores), whatever runs there."""

    accelerators: float
    """Standing, and those that may be added."""
    existing: float | None = None
    """Standing; None: all."""
    quotas: Mapping[str, float] = field(default_factory=dict)
    """Those of them that the workloads of a namespace may have together; a namespace without an entry: all."""

    def of(self, namespace: str) -> float:
        """Accelerators that a namespace may have."""
        return min(self.accelerators, self.quotas.get(namespace, inf))


@dataclass(frozen=True)
class Fleet:
    """The problem, what its keys mean, and what never came into question."""

    problem: Problem
    ways: Mapping[str, Way]
    """By key of the option or provider."""
    rejected: Mapping[str, tuple[Rejection, ...]]
    """By workload."""


def fleet(workloads: Iterable[Workload], rooms: Mapping[str, Room], memo: Memo, *, sharing: bool = True) -> Fleet:
    """Separate options for every workload, and with `sharing` also those of sets of a Model's workloads.

    `rooms` by name of the pool. The order of workloads and pools decides nothing.
    """
    ordered = sorted(workloads, key=lambda w: (w.group, w.key))
    alone, rejected = _alone(ordered, rooms, memo)
    ways = {way.key: way for way in (*alone, *(_shared(ordered, rooms, memo) if sharing else ()))}
    pools = tuple(Pool(name, room.accelerators, room.existing) for name, room in sorted(rooms.items()))
    offered = [way.offered for way in ways.values()]
    options = tuple(o for o in offered if isinstance(o, Option))
    providers = tuple(o for o in offered if isinstance(o, Provider))
    problem = Problem(tuple(w.demand for w in ordered), options, pools, providers, _quotas(options, rooms))
    return Fleet(problem, ways, rejected)


def _quotas(options: Iterable[Option], rooms: Mapping[str, Room]) -> tuple[Quota, ...]:
    """Those that options count towards; not less than what runs, since nothing stops for a quota that was lowered."""
    running: dict[tuple[str, str], float] = {}
    for o in options:
        if o.quota:
            running[o.pool, o.quota] = running.get((o.pool, o.quota), 0.0) + o.incumbent * o.accelerators
    return tuple(
        Quota(key, max(rooms[pool].quotas[namespace_of(key)], taken)) for (pool, key), taken in sorted(running.items())
    )


def _alone(
    ordered: Sequence[Workload], rooms: Mapping[str, Room], memo: Memo
) -> tuple[Iterable[Way], dict[str, tuple[Rejection, ...]]]:
    """Of every workload by itself its ways, in that order, and what was rejected."""
    ways: dict[str, list[Way]] = {}
    rejected: dict[str, tuple[Rejection, ...]] = {}
    limited = frozenset(namespace for room in rooms.values() for namespace in room.quotas)
    for group in alike(ordered, limited, memo):
        first = replace(group[0], question=_with_room(group[0], rooms))
        found = judged(first.question, memo)
        offered, refused = offers(first, _able(first, found)), tuple(found.rejected)
        ways |= {w.key: separate(w, offered) for w in group}
        rejected |= dict.fromkeys((w.key for w in group), refused)
    return (way for w in ordered for way in ways[w.key]), rejected


def _able(w: Workload, found: Judged) -> Sequence[Evaluated]:
    """A pool without room for the whole may still take a part."""
    return found.possible if w.whole else (*found.possible, *found.cramped)


def _shared(ordered: Iterable[Workload], rooms: Mapping[str, Room], memo: Memo) -> Iterator[Way]:
    for _, members in groupby(ordered, key=lambda w: w.group):
        for found in sets([replace(w, question=_with_room(w, rooms)) for w in members]):
            question = merged(found)
            ways = [together(found, question, e) for e in shared(found, question, memo)]
            options = [way.offered for way in ways if isinstance(way.offered, Option)]
            stays = {o.key for o in options if o.incumbent}
            useless = replaced(options, stays)
            if stays and isinf(question.move_saving):
                useless = {o.key for o in options} - stays
            yield from (way for way in ways if way.key not in useless)


def _with_room(w: Workload, rooms: Mapping[str, Room]) -> Question:
    """With all that a pool has for its namespace, not only what is free: the program decides for all workloads at once.

    A pool that is gone since the workload was last looked at is left out, so that it stops nobody else.
    """
    there = (p for p in w.question.pools if p.name in rooms or p.external)
    pools = tuple(p if p.external else _sized(p, rooms[p.name], w.namespace) for p in there)
    return replace(w.question, pools=pools)


def _sized(p: PlannedPool, room: Room, namespace: str) -> PlannedPool:
    allowed = room.of(namespace)
    free = int(min(allowed, 1e9) / p.cores + ROUNDING)
    return replace(p, free=free, quota=namespace if allowed < room.accelerators else None)
