"""Workloads of a fleet that ask the same thing: most are like others, and are judged once. Pure but for the memo."""

from collections.abc import Hashable, Iterable
from itertools import chain

from inferfleet.planning.candidates.enumerate import candidates
from inferfleet.planning.evaluate.evaluate import Asked, numbered, usable
from inferfleet.planning.evaluate.memo import Memo, content_of
from inferfleet.planning.options.merge import Workload
from inferfleet.planning.types import Measured, Pool, Question, Rejection


def alike(workloads: Iterable[Workload], limited: frozenset[str], memo: Memo) -> list[list[Workload]]:
    """Groups for which the same candidates are as good, whatever their keys and loads; in the order of their first.

    `limited`: namespaces that have a quota of some pool, and therefore room of their own. What is free of a pool is
    left out: the program decides for all at once.
    """
    names: dict[Hashable, tuple[str, ...]] = {}
    groups: dict[Hashable, list[Workload]] = {}
    for w in workloads:
        asked = _asked(w.question)
        if asked not in names:
            names[asked] = _profiles(w.question, memo)
        tenant = w.namespace if w.namespace in limited else None
        key = (asked, _evidence(w.question, names[asked]), w.whole, w.sharing, tenant)
        groups.setdefault(key, []).append(w)
    return list(groups.values())


def _asked(q: Question) -> Hashable:
    """All that decides about the candidates of a question but for what was measured of them."""
    bounds = (q.min_replicas, q.max_replicas, q.guaranteed, q.pin, q.robust_margin, q.believes_physics, q.move_saving)
    running = (q.incumbents, q.untold, *(frozenset(m.items()) for m in (q.running, q.slots, q.versions)))
    return (content_of(q), q.variants, *bounds, *running, tuple(_offered(p) for p in q.pools))


def _offered(p: Pool) -> Hashable:
    hardware = (p.name, p.accelerator_name, p.cores, p.memory, p.price, p.watts, p.engines, p.node_accelerators)
    return (*hardware, p.nodes, p.allowed, p.external.model_dump_json() if p.external else None)


def _profiles(q: Question, memo: Memo) -> tuple[str, ...]:
    """Names of the CapacityProfiles that say anything about it."""
    found = candidates(q)
    asked = Asked(q, numbered(found, q, memo), {}, memo)
    able = (batches for c in found if not isinstance(batches := usable(c, asked), Rejection))
    return tuple(sorted({batch.profile for batch in chain.from_iterable(able)}))


def _evidence(q: Question, names: Iterable[str]) -> tuple[tuple[str, Measured], ...]:
    """By content: every reconcile reads the ledger anew, so that no two workloads hold the same one."""
    return tuple((name, found) for name in names if (found := q.ledger.get(name))) if q.ledger else ()
