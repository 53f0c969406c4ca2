"""A candidate as an option or provider of the placement program. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isinf

from inferfleet.placing.types import Option, Provider
from inferfleet.planning.objectives import OBJECTIVES
from inferfleet.planning.options.merge import Workload
from inferfleet.planning.options.prune import cheapest, replaced, undominated
from inferfleet.planning.options.shared import Shared
from inferfleet.planning.room import least
from inferfleet.planning.rules.targets import margin_of
from inferfleet.planning.types import Evaluated, Question

HORIZON = 3600.0
"""Seconds over which the cost of a start is spread: no forecast of demand reaches further."""
MOST_MARGIN = 0.9
"""Of a capacity is not believed at most."""


@dataclass(frozen=True)
class Way:
    """What a key of the problem means."""

    offered: Option | Provider
    each: Mapping[str, Evaluated]
    """By workload that it may serve."""
    mix: Evaluated | None = None
    """Of several workloads: what is deployed for all of them."""

    @property
    def key(self) -> str:
        """Of the option or provider."""
        return self.offered.key


@dataclass(frozen=True)
class Offers:
    """Ways for a workload and all that are like it, without its name."""

    ways: Mapping[str, Way]
    """By key."""
    stays: frozenset[str]
    """Keys of what runs."""


def offers(w: Workload, possible: Sequence[Evaluated]) -> Offers:
    """All that may be best at some load."""
    q = w.question
    if w.sharing and isinf(q.move_saving):
        return Offers({}, frozenset())  # moves are paused
    running = [e for e in possible if e.identity in q.incumbents]  # none while it shares
    stay = bool(running) and isinf(q.move_saving)
    offered = running if stay else possible
    spent = sum(q.running.get(e.identity, 0) * e.hourly for e in running) + _shared_cost(w, possible)
    costs = _comparable(q, possible)
    ways = {way.key: way for way in (_alone(w, e, spent, costs[e.identity]) for e in offered)}
    stays = frozenset(_key("", e) for e in running)
    options = [way.offered for way in ways.values() if isinstance(way.offered, Option)]
    useless = replaced(options, stays) if w.whole else {o.key for o in options} - _undominated(options, stays)
    return Offers({key: way for key, way in ways.items() if key not in useless}, stays)


def _undominated(options: Sequence[Option], stays: frozenset[str]) -> set[str]:
    return {o.key for o in undominated(options, stays, "")}


def separate(w: Workload, found: Offers) -> list[Way]:
    """Of what is offered to all that are like it (`offers`): without what another beats at its load."""
    options = [way.offered for way in found.ways.values() if isinstance(way.offered, Option)]
    kept = cheapest(options, found.stays, replace(w.demand, key="")) if w.whole else options
    best = {o.key for o in kept}
    return [_named(w.key, way) for way in found.ways.values() if way.key in best or isinstance(way.offered, Provider)]


def _named(name: str, way: Way) -> Way:
    """For the workload of that name."""
    o, each = way.offered, {name: way.each[""]}
    if isinstance(o, Option):
        return Way(replace(o, key=name + o.key, capacity={name: o.capacity[""]}), each)
    limit = dict.fromkeys([name] if o.limit else [], o.limit.get("", inf))
    return Way(replace(o, key=name + o.key, price={name: o.price[""]}, limit=limit), each)


def _alone(w: Workload, e: Evaluated, spent: float, cost: float) -> Way:
    q, key, runs = w.question, _key("", e), e.identity in w.question.incumbents
    opening = 0.0 if runs or isinf(q.move_saving) else q.move_saving * spent
    if e.candidate.offer:
        return Way(_provider(key, {"": e}, opening, runs), {"": e})
    running = q.running.get(e.identity, 0)
    always = least(q, e.tokens_per_second) if w.whole else 0  # of several parts none has to hold them alone
    bounds = Bounds(always, min(q.max_replicas, max(e.candidate.free, running)), running)
    return Way(_option(key, e, {"": e.tokens_per_second}, Terms(cost, opening, _margin(e, q), bounds)), {"": e})


def _shared_cost(w: Workload, known: Sequence[Evaluated]) -> float:
    """USD per hour: its part of what it shares; as if that cost as much as the dearest known where it is not known."""
    if w.sharing is None or not known:
        return 0.0
    each = next((e.hourly for e in known if e.identity == w.sharing.identity), max(e.hourly for e in known))
    return w.sharing.replicas * each / len(w.sharing.members)


def together(found: Sequence[Workload], q: Question, s: Shared) -> Way:
    """The option of one placement for several workloads; `q` is their merged question."""
    capacity = {key: e.tokens_per_second for key, e in sorted(s.each.items())}
    least_of_all = max(least(w.question, capacity[w.key]) for w in found)
    spent = sum(n * s.mix.hourly for w in found for n in w.question.running.values())
    spent += sum(_shared_cost(w, [s.mix]) for w in found)
    saving = min(w.question.move_saving for w in found)
    now = found[0].sharing
    same = now is not None and now.identity == s.mix.identity and now.members == {w.key for w in found}
    running = now.replicas if now and same else 0
    opening = 0.0 if isinf(saving) or running else saving * spent
    bounds = Bounds(least_of_all, min(q.max_replicas, max(s.mix.candidate.free, running)), running)
    terms = Terms(s.mix.hourly, opening, _margin(s.mix, q), bounds)
    return Way(_option(_key("+".join(w.key for w in found), s.mix), s.mix, capacity, terms), s.each, s.mix)


@dataclass(frozen=True)
class Bounds:
    """Of replicas."""

    least: int
    most: int
    running: int = 0


@dataclass(frozen=True)
class Terms:
    """At which a candidate is offered."""

    cost: float
    """USD per replica-hour, or what is compared with it."""
    opening: float
    margin: float
    replicas: Bounds


def _option(key: str, e: Evaluated, capacity: Mapping[str, float], terms: Terms) -> Option:
    return Option(
        key=key,
        pool=e.candidate.pool.name,
        capacity=capacity,
        cost=terms.cost,
        accelerators=e.candidate.accelerators,
        min_replicas=terms.replicas.least,
        max_replicas=terms.replicas.most,
        incumbent=terms.replicas.running,
        opening=terms.opening,
        starting=e.hourly * e.startup_seconds / HORIZON,
        margin=terms.margin,
        quota=_quota(e),
    )


def _quota(e: Evaluated) -> str:
    """Key of what a pool leaves to a namespace; empty where that is all."""
    pool = e.candidate.pool
    return f"{pool.name}/{pool.quota}" if pool.quota else ""


def namespace_of(quota: str) -> str:
    """Whose quota it is. Names of namespaces have no slash."""
    return quota.rpartition("/")[2]


def _margin(e: Evaluated, q: Question) -> float:
    """How much of a capacity is not believed: nothing of what was measured, of an estimate down to the low end."""
    bounds = e.prediction.bounds
    if e.capacity_source != "Estimated" or bounds is None or not bounds.tokens_per_second.mid:
        return 0.0
    speed = bounds.tokens_per_second
    return min(MOST_MARGIN, max(0.0, margin_of(e.candidate, q) * (speed.mid - speed.low) / speed.mid))


def _provider(key: str, each: Mapping[str, Evaluated], opening: float, runs: bool) -> Provider:
    limits = {name: e.tokens_per_second for name, e in each.items() if not isinf(e.tokens_per_second)}
    return Provider(key, {name: float(e.cost) for name, e in each.items()}, limits, runs, opening)


def _comparable(q: Question, possible: Sequence[Evaluated]) -> Mapping[tuple[str, str, str], float]:
    """USD per replica-hour; for other goals than cost, an amount that is as much larger per token as the score is.

    So one program weighs workloads with different goals: each at the price of its own best candidate.
    """
    nodes = [e for e in possible if not e.candidate.offer]
    if q.workload.objective == "Cost" or not nodes:
        return {e.identity: e.hourly for e in possible}
    score = OBJECTIVES[q.workload.objective].score
    best = min(nodes, key=lambda e: (score(e), e.identity))
    token = best.hourly / best.tokens_per_second / (score(best) or 1.0)
    return {e.identity: token * score(e) * e.tokens_per_second for e in nodes} | {
        e.identity: 0.0 for e in possible if e.candidate.offer
    }


def _key(name: str, e: Evaluated) -> str:
    return f"{name}@{'/'.join(e.identity)}"
