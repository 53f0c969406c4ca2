"""How many replicas there must be, and whether a pool has room for them. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from math import ceil

from inferfleet.names import Reason
from inferfleet.planning.performance import replicas_for
from inferfleet.planning.types import Candidate, Evaluated, Pool, Question, Rejection

ROUNDING = 1e-9
"""Of a replica: as many of the same speed must not become one more."""


def guaranteed(q: Question, tokens_per_second: float) -> int:
    """Replicas of that speed that a guaranteed demand needs, whatever the maximum."""
    return replicas_for(q.guaranteed, tokens_per_second, float(q.workload.scaling.target_utilization))


def least(q: Question, tokens_per_second: float) -> int:
    """Replicas that always run: the minimum, and what a guaranteed demand needs, within the maximum."""
    return min(max(q.min_replicas, guaranteed(q, tokens_per_second)), q.max_replicas)


def load(possible: Iterable[Evaluated], q: Question) -> float:
    """Tokens per second that what runs now was given replicas for: the largest of the incumbents."""
    there = ((q.running.get(e.identity, 0), e.tokens_per_second) for e in possible)
    return max(
        (replicas * speed for replicas, speed in there if replicas), default=0.0
    )  # 0 times infinite is no number


def lacks_room(e: Evaluated, q: Question, carried: float) -> Rejection | None:
    """For what always runs, and for a successor also for all that it takes over (`carried`, tokens per second).

    What runs already keeps its place.
    """
    if e.identity in q.incumbents or e.candidate.offer:  # a provider's room is its rate limit
        return None
    needed = at_once(e, q, carried)
    return None if needed <= e.candidate.free else exhausted(e.candidate, needed)


def at_once(e: Evaluated, q: Question, carried: float) -> int:
    """Replicas that it starts with: what always runs, and what takes over `carried` tokens per second."""
    taken_over = ceil(carried / e.tokens_per_second - ROUNDING)
    return min(max(least(q, e.tokens_per_second), taken_over), q.max_replicas)


def evicting(q: Question) -> Question:
    """As if what is less important were gone."""
    pools = tuple(replace(p, free=max(0, p.free) + p.yielding, yielding=0) if p.yielding else p for p in q.pools)
    return replace(q, pools=pools)


def exhausted(candidate: Candidate, needed: int) -> Rejection:
    """So many replicas do not fit beside what is there."""
    pool, spread, each = candidate.pool, candidate.parallelism.accelerators, each_of(candidate)
    nodes = f"{pool.nodes} node{'' if pool.nodes == 1 else 's'}"
    fits = f"{max(0, candidate.free)} more fit on {nodes} of the pool"
    binding, words = ("quota", room_words(pool, spread)) if pool.quota else ("nodes", fits)
    return Rejection(candidate, Reason.POOL_EXHAUSTED, f"{needed} replicas{each} are needed and {words}", binding)


def each_of(candidate: Candidate) -> str:
    """Words for what a replica takes where that is more than one accelerator."""
    spread = candidate.parallelism.accelerators
    return f" of {spread} accelerators" if spread > 1 else ""


def room_words(pool: Pool, spread: int = 1) -> str:
    """What bounds the replicas of a workload on a pool; in accelerators where a replica has several (`spread`)."""
    unit = " accelerators" if spread > 1 else ""
    if pool.quota:
        who = f"the quota of namespace {pool.quota} (spec.quotas of pool {pool.name}) leaves"
    else:
        who = f"the nodes of pool {pool.name} have"
    return f"{who} room for {max(0, pool.free)}{unit}"
