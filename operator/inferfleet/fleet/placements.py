"""The placements of one workload: the chosen one, what it replaces until it is ready, and where it spills to. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil

from inferfleet import names
from inferfleet.fleet.types import Live, Placement, Spread, State, Valid
from inferfleet.planning.room import ROUNDING
from inferfleet.planning.spill import Offer, Share, as_replicas, carries, one_of_each_pool, spill
from inferfleet.planning.types import Answer, Evaluated

Identity = tuple[str, str, str]
Speeds = Mapping[Identity, float]
"""Tokens per second of a replica, by identity of the placement."""


@dataclass(frozen=True)
class Here:
    """What runs of a Model for a workload."""

    running: list[Live]
    """Of its own class label."""
    elsewhere: list[Live]
    """Under other labels: of its classes by themselves, or of more classes together."""
    model: str
    start: int | None
    """Replicas that the fleet's program planned with, if it did."""


@dataclass(frozen=True)
class _Case:
    """A workload that is to be deployed."""

    valid: Valid
    chosen: Evaluated
    able: tuple[Evaluated, ...]
    running: list[Live]
    elsewhere: list[Live] = field(default_factory=list)
    start: int | None = None

    @property
    def current(self) -> Live | None:
        return next((p for p in self.running if p.identity == self.chosen.identity), None)

    @property
    def others(self) -> list[Live]:
        return [p for p in self.running if p.identity != self.chosen.identity]

    @property
    def speeds(self) -> Speeds:
        return {e.identity: e.tokens_per_second for e in self.able}

    @property
    def most(self) -> int:
        return self.valid.workload.replicas.max


def recommended(valid: Valid, chosen: Evaluated, running: list[Live], model: str) -> tuple[Placement, ...]:
    """The advice beside what runs, which stays as it is; nothing beside it where they are the same."""
    kept = tuple(as_it_is(p, "Serving") for p in running)
    if any(p.identity == chosen.identity for p in running):
        return kept
    count = _within_room(_wanted(_Case(valid, chosen, (), []), None), chosen, None)
    return (*kept, Placement(_name(model, valid, chosen), chosen.identity, "Recommended", count, chosen))


def placed(valid: Valid, answer: Answer, here: Here, decided: int | None) -> tuple[tuple[Placement, ...], Spread]:
    """The chosen one, what takes the load that its pool has no room for, and what they replace until they are ready."""
    assert answer.chosen
    case, model = _Case(valid, answer.chosen, answer.able, here.running, here.elsewhere, here.start), here.model
    chosen, current = case.chosen, case.current
    wanted = _wanted(case, decided)
    theirs = current.replicas if current and valid.external and current.scaled_by else None
    count, shares = _spread(case, wanted) if theirs is None else (theirs, (Share(chosen, theirs),))
    leaving = [p for p in case.others if p.identity not in {s.evaluated.identity for s in shares[1:]}]
    ready = _ready(case, shares, wanted, leaving)
    does = as_replicas(shares, chosen)
    target = _one(case, model, Share(chosen, count), "Serving" if ready else "Starting")
    missing = max(0, wanted - does) if theirs is None else 0
    target = replace(target, scaled_elsewhere=theirs is not None, wanted=count + missing)
    spills = tuple(_spilled(case, model, share, (shares[0], wanted)) for share in shares[1:])
    retiring = () if ready else (*_retiring(case, leaving, wanted, answer.possible), *map(_stays, case.elsewhere))
    return (target, *spills, *retiring), Spread(does, does - shares[0].replicas, _room(case))


def _spread(case: _Case, wanted: int) -> tuple[int, tuple[Share, ...]]:
    """Replicas that the chosen is told to have, and what serves: the part of them that has a place, and the spills.

    What is less important is evicted for what no other pool can take.
    """
    count = _within_room(wanted, case.chosen, case.current)
    shares = _shares(case, Share(case.chosen, _with_a_place(count, case)), wanted)
    missing = wanted - as_replicas(shares, case.chosen)
    evicted = min(missing, case.chosen.candidate.pool.yielding)
    if evicted <= 0:
        return count, shares
    count = max(count, min(wanted, shares[0].replicas + evicted))
    return count, (Share(case.chosen, count), *shares[1:])


def _with_a_place(count: int, case: _Case) -> int:
    """Those that run, or that the pool has room for: a node that is lost takes the place of what ran there."""
    ready = case.current.ready if case.current else 0
    return min(count, max(case.chosen.candidate.free, ready, 0))


def _one(case: _Case, model: str, share: Share, state: State) -> Placement:
    """Of the image that runs there already, or that the Model keeps."""
    e = share.evaluated
    live = next((p for p in case.running if p.identity == e.identity), None)
    kept = live.image if live and case.valid.keeps_image else None
    runs = (live.image, live.dialect) if live else None
    return Placement(_name(model, case.valid, e), e.identity, state, share.replicas, e, kept, runs=runs)


def _ready(case: _Case, shares: tuple[Share, ...], wanted: int, leaving: list[Live]) -> bool:
    """Whether the first serves, and all that is needed of what leaves is done by the others."""
    first, current = shares[0], case.current
    if current is None or current.ready < min(case.valid.workload.replicas.least, first.replicas):
        return False
    if not leaving and not case.elsewhere:
        return True
    if case.elsewhere and current.ready < first.replicas:
        return False
    stays = {s.evaluated.identity: s.replicas for s in shares}
    now, speed = _serving(case, case.running), first.speed
    then = _serving(case, [replace(p, ready=min(p.ready, stays.get(p.identity, 0))) for p in case.running])
    enough = then >= min(wanted * speed, now) * (1 - ROUNDING)
    return enough and (as_replicas(shares, first.evaluated) >= wanted or _carry(case, shares, leaving))


def _serving(case: _Case, some: list[Live]) -> float:
    """Tokens per second that ready replicas do together."""
    there = [(p.ready, case.speeds.get(p.identity, case.chosen.tokens_per_second)) for p in some if p.ready]
    return sum(n for n, _ in there) * min((speed for _, speed in there), default=0.0)


def _carry(case: _Case, shares: tuple[Share, ...], leaving: list[Live]) -> bool:
    """Whether successors without room for more serve what those that they replace serve now, with their spills."""
    speeds, speed = case.speeds, case.chosen.tokens_per_second
    alone = max((p.ready * speeds.get(p.identity, speed) for p in leaving if not p.spill), default=0.0)
    beside = sum(p.ready * speeds.get(p.identity, speed) for p in leaving if p.spill)
    return carries(shares) >= alone + beside


def _shares(case: _Case, first: Share, wanted: int) -> tuple[Share, ...]:
    """The first, and beside it what its pool has no room for. What is spilled already stays there."""
    if first.replicas >= wanted:
        return (first,)
    return (first, *spill(first, wanted * first.speed, _offers(case), case.most))


def _offers(case: _Case) -> list[Offer]:
    """What runs comes first: it was spilled to before, or is what the chosen replaces."""
    free = {e.identity: e.candidate.free for e in case.able}
    runs = {p.identity: _still_there(p, free) for p in case.others}
    stay = {p.pool for p in case.others if p.identity not in case.speeds}
    taken = {case.chosen.candidate.pool.name} | stay
    ranked = sorted(case.able, key=lambda e: e.identity not in runs)
    return [Offer(e, runs.get(e.identity, 0)) for e in one_of_each_pool(ranked, taken)]


def _still_there(live: Live, free: Mapping[Identity, int]) -> int:
    """Replicas that run, or that its pool has room for: what ran on a lost node, or was evicted, carries nothing."""
    return min(live.replicas, max(free.get(live.identity, live.replicas), live.ready))


def _room(case: _Case) -> int:
    """In all pools together, in replicas of the chosen."""
    chosen, pool = case.chosen, case.chosen.candidate.pool
    full = Share(chosen, min(case.most, _with_a_place(case.most, case) + pool.yielding))
    return as_replicas((full, *spill(full, case.most * full.speed, _offers(case), case.most)), chosen)


def _spilled(case: _Case, model: str, share: Share, instead: tuple[Share, int]) -> Placement:
    live = next((p for p in case.others if p.identity == share.evaluated.identity), None)
    (first, wanted), e = instead, share.evaluated
    share = replace(share, replicas=max(share.replicas, _until_first(case, live, *instead)))
    replicas = f"{share.replicas} replica{'' if share.replicas == 1 else 's'}"
    why = (
        f"{replicas} of {e.candidate.variant.name} on {e.candidate.pool.name} with {e.candidate.how} "
        f"({e.cost} USD per 1M tokens), since pool {first.evaluated.candidate.pool.name} has room for "
        f"{first.replicas} of {wanted}"
    )
    return replace(_one(case, model, share, "Serving" if live and live.ready else "Starting"), spill=why)


def _until_first(case: _Case, live: Live | None, first: Share, wanted: int) -> int:
    """What spills, or is replaced and will spill, gives up no replica before the first has all of its own; what is
    replaced follows the demand meanwhile.
    """
    current = case.current
    if live is None or (current and current.ready >= first.replicas):
        return 0
    if live.spill or (current and current.ready):
        return live.replicas
    e = next(e for e in case.able if e.identity == live.identity)
    return _within_room(wanted, e, live)


def _retiring(case: _Case, leaving: list[Live], wanted: int, possible: tuple[Evaluated, ...]) -> tuple[Placement, ...]:
    """They follow the demand while their successor serves nothing; one that could not be chosen now stays as it is."""
    alone = case.current is None or not case.current.ready
    known = {e.identity: e for e in possible}
    found = []
    for p in leaving:
        if (e := known.get(p.identity)) is None:
            one = as_it_is(p, "Retiring")
        else:
            count = _within_room(wanted if alone and not p.spill else p.replicas, e, p)
            one = Placement(p.name, p.identity, "Retiring", count, e)
        went = f"its work goes back to pool {case.chosen.candidate.pool.name}" if p.spill else ""
        found.append(replace(one, image=p.image or None, runs=(p.image, p.dialect), spill=went))
    return tuple(found)


def _name(model: str, valid: Valid, chosen: Evaluated) -> str:
    class_ = valid.workload.class_
    return names.placement_name(model, class_, names.placement_id(*chosen.identity, class_))


def _wanted(case: _Case, decided: int | None) -> int:
    """Replicas of the chosen between the bounds, whatever room there is."""
    speed = case.chosen.tokens_per_second
    standing = _standing(case)
    if decided is not None and not case.valid.external:
        count = decided
    else:
        count = case.valid.replicas_for_demand(speed) if standing is None else standing
    return min(max(count, case.valid.least(speed)), case.most)


def _standing(case: _Case) -> int | None:
    """Replicas of what runs. A successor takes over all of it, however few replicas it has itself so far."""
    speed = case.chosen.tokens_per_second
    if not case.running and case.elsewhere:
        return ceil(_done_elsewhere(case) / speed - ROUNDING) if case.start is None else case.start
    if not case.running:
        return None
    spills = [p for p in case.running if p.spill]
    if not spills:
        return max(p.replicas for p in case.running)
    free, speed = {e.identity: e.candidate.free for e in case.able}, case.chosen.tokens_per_second
    others = [p for p in case.running if not p.spill]
    base = max((_still_there(p, free) for p in others), default=0)
    slowest = min(speed, *(case.speeds.get(p.identity, speed) for p in spills))
    beside = sum(_still_there(p, free) for p in spills if not p.goes)
    # what goes back is among the others' replicas already, unless these were lost
    back = sum(_still_there(p, free) for p in spills if p.goes)
    lost = max((p.replicas for p in others), default=0) - base
    together = (base + beside + min(back, lost)) * slowest
    return max(base, int(together / speed + ROUNDING))


def _done_elsewhere(case: _Case) -> float:
    """Tokens per second that what serves its classes has replicas for; an even part of what serves others, too."""
    speed = case.chosen.tokens_per_second
    found = case.elsewhere
    return sum(p.replicas * case.speeds.get(p.identity, speed) / len(names.classes_of(p.class_)) for p in found)


def _within_room(wanted: int, evaluated: Evaluated, current: Live | None) -> int:
    """No more than the pool has room for; what runs is never taken away for lack of it."""
    return min(wanted, max(current.replicas if current else 0, evaluated.candidate.free))


def _stays(live: Live) -> Placement:
    """Until what replaces it is ready; of the image that it has."""
    return replace(as_it_is(live, "Retiring"), image=live.image or None, runs=(live.image, live.dialect))


def as_it_is(live: Live, state: State) -> Placement:
    """Nothing of it changes."""
    return Placement(live.name, live.identity, state, live.replicas, None)
