"""The placement program's problem for a fleet. Pure."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import isinf

from inferfleet.placing.types import Option, Pool, Problem, Provider
from inferfleet.planning.choose import Judged, judged
from inferfleet.planning.evaluate.memo import Memo, content_of
from inferfleet.planning.options.merge import Workload, merged, sets
from inferfleet.planning.options.prune import replaced
from inferfleet.planning.options.shared import shared
from inferfleet.planning.options.way import Way, separate, together
from inferfleet.planning.types import Evaluated, Question, Rejection
from inferfleet.planning.types import Pool as PlannedPool


@dataclass(frozen=True)
class Room:
    """Accelerators of a pool (for CPUs, cores), whatever runs there."""

    accelerators: float
    """Standing, and those that may be added."""
    existing: float | None = None
    """Standing; None: all."""


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
    ordered = [
        replace(w, question=_with_room(w.question, rooms)) for w in sorted(workloads, key=lambda w: (w.group, w.key))
    ]
    judgements = _judged(ordered, memo)
    alone = [way for w in ordered for way in separate(w, _able(w, judgements[w.key]))]
    ways = {way.key: way for way in (*alone, *(_shared(ordered, memo) if sharing else ()))}
    pools = tuple(Pool(name, room.accelerators, room.existing) for name, room in sorted(rooms.items()))
    offered = [way.offered for way in ways.values()]
    options = tuple(o for o in offered if isinstance(o, Option))
    providers = tuple(o for o in offered if isinstance(o, Provider))
    problem = Problem(tuple(w.demand for w in ordered), options, pools, providers)
    return Fleet(problem, ways, {key: tuple(found.rejected) for key, found in judgements.items()})


def _able(w: Workload, found: Judged) -> Sequence[Evaluated]:
    """A pool without room for the whole may still take a part."""
    return found.possible if w.whole else (*found.possible, *found.cramped)


def _judged(ordered: Iterable[Workload], memo: Memo) -> dict[str, Judged]:
    """By workload. Of those that ask the same thing only the first is judged: in a fleet most are like others."""
    known: dict[Hashable, Judged] = {}
    found = {}
    for w in ordered:
        key = _asked(w.question)
        if key not in known:
            known[key] = judged(w.question, memo)
        found[w.key] = known[key]
    return found


def _asked(q: Question) -> Hashable:
    """All that decides about the candidates of a question, while it and all others are in memory."""
    bounds = (q.min_replicas, q.max_replicas, q.guaranteed, q.pin, q.robust_margin)
    running = (q.incumbents, frozenset(q.running.items()), q.untold)
    same = (id(q.ledger), id(q.unplaced), id(q.engines), id(q.quantizations))
    return (content_of(q), q.variants, *bounds, *running, *same, tuple(_offered(p) for p in q.pools))


def _offered(p: PlannedPool) -> Hashable:
    hardware = (p.name, p.accelerator_name, p.cores, p.memory, p.price, p.watts, p.engines, p.node_accelerators)
    return (*hardware, p.nodes, p.free, p.quota, p.allowed, id(p.external) if p.external else None)


def _shared(ordered: Iterable[Workload], memo: Memo) -> Iterator[Way]:
    for _, members in groupby(ordered, key=lambda w: w.group):
        for found in sets(list(members)):
            question = merged(found)
            ways = [together(found, question, e) for e in shared(found, question, memo)]
            options = [way.offered for way in ways if isinstance(way.offered, Option)]
            stays = {o.key for o in options if o.incumbent}
            useless = replaced(options, stays)
            if stays and isinf(question.move_saving):
                useless = {o.key for o in options} - stays
            yield from (way for way in ways if way.key not in useless)


def _with_room(q: Question, rooms: Mapping[str, Room]) -> Question:
    """With all that a pool has, not only what is free: the program decides for all workloads at once.

    What a namespace's quota leaves stays what it is. A pool that is gone since the workload was last looked at is
    left out, so that it stops nobody else.
    """
    there = (p for p in q.pools if p.name in rooms or p.external)
    pools = (p if p.quota or p.external else replace(p, free=_free(p.cores, rooms[p.name])) for p in there)
    return replace(q, pools=tuple(pools))


def _free(each: float, room: Room) -> int:
    return int(min(room.accelerators, 1e9) // each)
