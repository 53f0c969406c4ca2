"""Which limits stop a demand from being served in full, and what to do about it. Pure."""

from collections.abc import Iterable, Sequence
from math import isfinite

from inferfleet.placing.choice import Use, room, unserved
from inferfleet.placing.index import Index
from inferfleet.placing.types import Binding, Limit, Settings, Shortfall


def shortfalls(use: Use, settings: Settings) -> tuple[Shortfall, ...]:
    """Every demand that waits, in the order of keys."""
    waiting = unserved(use)
    return tuple(_shortfall(use, settings, demand, share) for demand, share in enumerate(waiting) if share > 0)


def _shortfall(use: Use, settings: Settings, demand: int, share: float) -> Shortfall:
    key = use.ix.demands[demand].key
    found = {_limit(use, settings, demand, i) for i in use.ix.of_demand[demand]} | _shut(use.ix, demand)
    limits = tuple(sorted(found, key=lambda limit: (limit.binding, limit.key))) or (Limit(Binding.NO_OPTION, key),)
    return Shortfall(key, share, limits, f"{share:.0%} of {key} waits: " + "; ".join(_words(use, x) for x in limits))


def _shut(ix: Index, demand: int) -> set[Limit]:
    """Options that cannot be used at all, since not even their least fits."""
    key = ix.demands[demand].key
    return {
        _tightest(ix, way, [0.0] * len(ix.ends))
        for way, (option, most) in enumerate(zip(ix.options, ix.most, strict=True))
        if most == 0 and key in option.capacity
    }


def _tightest(ix: Index, way: int, used: Sequence[float]) -> Limit:
    """The pool, or the quota where that has less left."""
    least = min(ix.holds[way], key=lambda place: (ix.ends[place] - used[place], place))
    if least < len(ix.pools):
        return Limit(Binding.POOL_CAPACITY, ix.pools[least].key)
    return Limit(Binding.QUOTA, ix.quotas[least - len(ix.pools)].key)


def _limit(use: Use, settings: Settings, demand: int, position: int) -> Limit:
    """The one that stops this arc from taking what waits."""
    ix, way = use.ix, use.ix.arcs[position].way
    if _at_move_limit(use, settings, way):
        return Limit(Binding.MOVE_LIMIT, ix.key(way))
    if way >= len(ix.options):
        return Limit(Binding.RATE_LIMIT, ix.key(way))
    option = ix.options[way]
    if option.preemptible and _flighty(use, demand) >= settings.preemptible_share - 1e-6:
        return Limit(Binding.PREEMPTIBLE_SHARE, ix.key(way))
    if option.max_replicas is not None and use.choice.replicas[way] >= option.max_replicas:
        return Limit(Binding.MAX_REPLICAS, ix.key(way))
    by_pool = room(ix, way, use.accelerators, 0)
    if option.max_replicas is not None and option.max_replicas - use.choice.replicas[way] < by_pool:
        return Limit(Binding.MAX_REPLICAS, ix.key(way))
    return _tightest(ix, way, use.accelerators)


def _at_move_limit(use: Use, settings: Settings, way: int) -> bool:
    most = settings.max_moves
    return most is not None and not use.used[way] and use.ix.moves(way) and use.moves >= most


def _flighty(use: Use, demand: int) -> float:
    ix = use.ix
    mine: Iterable[int] = (i for i in ix.of_demand[demand] if ix.arcs[i].way < len(ix.options))
    return sum(use.choice.shares[i] for i in mine if ix.options[ix.arcs[i].way].preemptible)


def _words(use: Use, limit: Limit) -> str:
    if limit.binding == Binding.NO_OPTION:
        return "nothing may serve it; allow another pool, variant or provider"
    if limit.binding == Binding.RATE_LIMIT:
        return f"provider {limit.key} is at its rate limit; raise it or add another"
    if limit.binding == Binding.MAX_REPLICAS:
        return f"{limit.key} is at its most replicas; raise the maximum"
    if limit.binding == Binding.MOVE_LIMIT:
        return f"{limit.key} would be one move more than may be made at a time; it is tried again with the next plan"
    if limit.binding == Binding.PREEMPTIBLE_SHARE:
        return f"{limit.key} is preemptible and carries all it may; raise the share or add what is not preemptible"
    return _full(use, limit)


def _full(use: Use, limit: Limit) -> str:
    ix = use.ix
    kind, more, first, keys = "pool", "add some", 0, [pool.key for pool in ix.pools]
    if limit.binding == Binding.QUOTA:
        kind, more, first, keys = "quota", "raise it", len(ix.pools), [quota.key for quota in ix.quotas]
    place = first + keys.index(limit.key)
    has, used = ix.ends[place], use.accelerators[place]
    total = f"{has:g}" if isfinite(has) else "all"
    return f"{kind} {limit.key} has no room ({used:g} of {total} accelerators taken); {more}"
