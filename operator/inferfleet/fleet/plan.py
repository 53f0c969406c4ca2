"""What shall be: placements and replicas of every workload, each with its reason. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from inferfleet import names
from inferfleet.fleet.types import (
    Blocked,
    Live,
    Observed,
    Placement,
    Plan,
    Problem,
    State,
    Valid,
    WorkloadPlan,
)
from inferfleet.names import Reason
from inferfleet.planning.choose import choose
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.types import Answer, Evaluated, Rejection


def make_plan(
    seen: Observed,
    validated: tuple[Valid | Blocked, ...] | Problem,
    replicas: Mapping[str, int],
    assigned: Mapping[str, tuple[str, str, str]] = MappingProxyType({}),
    memo: Memo | None = None,
) -> Plan:
    """`replicas` holds the scaling loop's decisions by class; a workload without one keeps what runs. `assigned` holds
    what was chosen for the fleet as a whole; a workload without one chooses alone. `memo` holds what was computed for
    other plans.
    """
    if isinstance(validated, Problem):
        classes = sorted({p.class_ for p in seen.live}) or [""]
        return Plan(tuple(_frozen(class_, validated, seen) for class_ in classes), keep_all=True)
    running = {p.name: p.replicas for p in seen.live}
    plans, added = [], Counter[str]()
    for item in validated:
        if isinstance(item, Blocked):
            plans.append(_frozen(item.class_, item.problem, seen))
            continue
        valid = _assigned(_beside(item, added), assigned)
        found = _planned(valid, seen, replicas.get(item.workload.class_), memo)
        plans.append(found if item.advised else replace(found, asked=item))
        for placement in plans[-1].placements:
            if placement.state != "Recommended":
                added[placement.identity[0]] += max(0, placement.taken - running.get(placement.name, 0))
    return Plan(tuple(plans))


def _beside(valid: Valid, added: Mapping[str, int]) -> Valid:
    """With what the Model's other workloads are about to take of each pool, which no pod shows yet."""
    pools = tuple(replace(p, free=p.free - added.get(p.name, 0)) for p in valid.question.pools)
    return replace(valid, question=replace(valid.question, pools=pools))


def _assigned(valid: Valid, assigned: Mapping[str, tuple[str, str, str]]) -> Valid:
    return replace(valid, question=replace(valid.question, assigned=assigned.get(valid.workload.class_)))


def _running(seen: Observed, class_: str) -> list[Live]:
    return [p for p in seen.live if p.class_ == class_ and not p.deleting]


def _frozen(class_: str, problem: Problem, seen: Observed) -> WorkloadPlan:
    """Nothing of what serves is touched: a declared input that vanished is not an order to stop."""
    running = _running(seen, class_)
    if not running:
        return WorkloadPlan(class_, False, problem.reason, problem.message, ())
    kept = ", ".join(p.name for p in running)
    message = f"{problem.message}; frozen: {kept} keeps serving as it is"
    return WorkloadPlan(class_, False, problem.reason, message, tuple(_as_it_is(p, "Frozen") for p in running))


def _planned(valid: Valid, seen: Observed, decided: int | None, memo: Memo | None) -> WorkloadPlan:
    class_, running = valid.workload.class_, _running(seen, valid.workload.class_)
    answer = choose(valid.question, memo)
    if answer.chosen is None:
        frozen = _frozen(class_, Problem(answer.reason, answer.message), seen)
        return WorkloadPlan(class_, False, frozen.reason, frozen.message, frozen.placements, answer.rejected)
    if (paused := _paused(valid, answer, running)) and not valid.advised:
        frozen = _frozen(class_, paused, seen)
        return WorkloadPlan(class_, False, frozen.reason, frozen.message, frozen.placements, answer.rejected)
    if valid.advised:
        placements = _recommended(valid, answer.chosen, running, seen.name)
    else:
        placements = _placements(valid, answer, running, decided, seen)
    return WorkloadPlan(class_, True, answer.reason, _sentence(answer), placements, answer.rejected, valid)


def _paused(valid: Valid, answer: Answer, running: list[Live]) -> Problem | None:
    """What serves is no candidate any more, and another would replace it; a pin is the user's own order.

    What still is a candidate is part of a move that had begun, which ends.
    """
    assert answer.chosen
    if not valid.moves_paused:
        return None
    pin, rejected = valid.question.pin, {_identity(r): r for r in answer.rejected}
    possible = {e.identity for e in answer.possible}
    for placement in (p for p in running if p.identity not in possible):
        ordered = pin is not None and not pin.admits(*placement.identity)
        if placement.ready and not ordered:
            why = rejected.get(placement.identity)
            said = f"{why.reason}, {why.message}" if why else "its pool or variant is no longer to choose from"
            message = f"moves are paused, and {_sentence(answer)} would replace {placement.name}: {said}"
            return Problem(Reason.MOVES_PAUSED, message)
    return None


def _identity(rejection: Rejection) -> tuple[str, str, str]:
    candidate = rejection.candidate
    return candidate.pool.name, candidate.variant.name, candidate.how


def _recommended(valid: Valid, chosen: Evaluated, running: list[Live], model: str) -> tuple[Placement, ...]:
    """The advice beside what runs, which stays as it is; nothing beside it where they are the same."""
    kept = tuple(_as_it_is(p, "Serving") for p in running)
    if any(p.identity == chosen.identity for p in running):
        return kept
    count = _within_room(_wanted(valid, chosen, None, None), chosen, None)
    return (*kept, Placement(_name(model, valid, chosen), chosen.identity, "Recommended", count, chosen))


def _placements(
    valid: Valid, answer: Answer, running: list[Live], decided: int | None, seen: Observed
) -> tuple[Placement, ...]:
    """The chosen one, and those that it replaces for as long as it is not ready."""
    assert answer.chosen
    chosen, bounds = answer.chosen, valid.workload.replicas
    current = next((p for p in running if p.identity == chosen.identity), None)
    others = [p for p in running if p.identity != chosen.identity]
    possible = {e.identity: e for e in answer.possible}
    # a successor takes over the load of all that runs, however few replicas it has itself so far
    most = max(running, key=lambda p: p.replicas, default=None) if others else current
    wanted = _wanted(valid, chosen, most, decided)
    elsewhere = valid.external and current is not None and bool(current.scaled_by)
    count = current.replicas if current and elsewhere else _within_room(wanted, chosen, current)
    least = min(bounds.least, count)
    enough = min(count, current.replicas) if current and others else least
    ready = current is not None and current.ready >= max(enough, least)
    ready = ready and (count >= wanted or _carries(count, chosen.tokens_per_second, others, possible))
    kept = current.image if current and valid.keeps_image else None
    state: State = "Serving" if ready else "Starting"
    target = Placement(_name(seen.name, valid, chosen), chosen.identity, state, count, chosen, kept, elsewhere)
    target = target if elsewhere else replace(target, wanted=wanted)
    target = replace(target, runs=(current.image, current.dialect)) if current else target
    if ready:
        return (target,)
    alone = current is None or not current.ready
    retiring = (_retiring(p, possible.get(p.identity), wanted if alone else p.replicas) for p in others)
    kept_as_it_is = zip(retiring, others, strict=True)
    return (target, *(replace(p, image=o.image or None, runs=(o.image, o.dialect)) for p, o in kept_as_it_is))


def _name(model: str, valid: Valid, chosen: Evaluated) -> str:
    return names.placement_name(model, valid.workload.class_, names.placement_id(*chosen.identity))


def _retiring(live: Live, evaluated: Evaluated | None, replicas: int) -> Placement:
    """It follows the demand while its successor serves nothing; one that could not be chosen now stays as it is."""
    if evaluated is None:
        return _as_it_is(live, "Retiring")
    return Placement(live.name, live.identity, "Retiring", _within_room(replicas, evaluated, live), evaluated)


def _carries(count: int, speed: float, others: list[Live], possible: Mapping[tuple[str, str, str], Evaluated]) -> bool:
    """Whether a successor without room for more serves what those that it replaces serve now."""
    speeds = {identity: e.tokens_per_second for identity, e in possible.items()}
    return all(count * speed >= p.ready * speeds.get(p.identity, speed) for p in others)


def _wanted(valid: Valid, chosen: Evaluated, current: Live | None, decided: int | None) -> int:
    """Replicas between the bounds, whatever room there is."""
    count = _replicas(valid, chosen, current, decided)
    return min(max(count, valid.least(chosen.tokens_per_second)), valid.workload.replicas.max)


def _within_room(wanted: int, evaluated: Evaluated, current: Live | None) -> int:
    """No more than the pool has room for; what runs is never taken away for lack of it."""
    return min(wanted, max(current.replicas if current else 0, evaluated.candidate.free))


def _replicas(valid: Valid, chosen: Evaluated, current: Live | None, decided: int | None) -> int:
    if decided is not None and not valid.external:
        return decided
    return current.replicas if current is not None else valid.replicas_for_demand(chosen.tokens_per_second)


def _as_it_is(live: Live, state: State) -> Placement:
    return Placement(live.name, live.identity, state, live.replicas, None)


def _sentence(answer: Answer) -> str:
    assert answer.chosen
    candidate = answer.chosen.candidate
    return f"{candidate.variant.name} on {candidate.pool.name} with {candidate.how}: {answer.message}"
