"""What shall be: placements and replicas of every workload, each with its reason. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from inferfleet.fleet.placements import Here, as_it_is, placed, recommended
from inferfleet.fleet.types import Blocked, Live, Observed, Plan, Problem, Told, Valid, WorkloadPlan
from inferfleet.names import Reason, classes_of
from inferfleet.planning.choose import choose
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.types import Answer, Rejection


def make_plan(
    seen: Observed,
    validated: tuple[Valid | Blocked, ...] | Problem,
    replicas: Mapping[str, int],
    assigned: Mapping[str, Told] | None = MappingProxyType({}),
    memo: Memo | None = None,
) -> Plan:
    """`replicas` holds the scaling loop's decisions by class; a workload without one keeps what runs. `assigned` holds
    what was chosen for the fleet as a whole; a workload without one chooses alone. None: not known yet. `memo` holds
    what was computed for other plans.
    """
    if isinstance(validated, Problem):
        classes = sorted({p.class_ for p in seen.live}) or [""]
        return Plan(tuple(_frozen(class_, validated, seen) for class_ in classes), keep_all=True)
    running = {p.name: p.replicas for p in seen.live}
    assigned = _last_chosen(seen) if assigned is None else assigned
    plans, added = [], Counter[str]()
    left = list(validated)
    while left:
        item = left.pop(0)
        if isinstance(item, Blocked):
            plans.append(_frozen(item.class_, item.problem, seen))
            continue
        label = item.workload.class_
        found = _planned(_beside(item, added), seen, replicas.get(label), assigned.get(label), memo)
        if item.members and not found.planned and not seen.running(label):
            left = [*item.members, *left]  # there is no room for it beside what serves them: each goes on by itself
            continue
        plans.append(found if item.advised else replace(found, asked=item))
        for placement in plans[-1].placements:
            if placement.state != "Recommended":
                added[placement.identity[0]] += max(0, placement.taken - running.get(placement.name, 0))
    return Plan(tuple(plans))


def _beside(valid: Valid, added: Mapping[str, int]) -> Valid:
    """With what the Model's other workloads are about to take of each pool, which no pod shows yet."""
    pools = tuple(replace(p, free=p.free - added.get(p.name, 0)) for p in valid.question.pools)
    return replace(valid, question=replace(valid.question, pools=pools))


def _last_chosen(seen: Observed) -> dict[str, Told]:
    """By class label, the newest that runs: if each chose alone, a restart would move what was placed for the fleet."""
    return {p.class_: Told(p.identity, p.replicas) for p in seen.live if not (p.spill or p.deleting)}


def _others(seen: Observed, label: str) -> list[Live]:
    """What is there for any of these classes under another label: for one by itself, or for several together."""
    classes = set(classes_of(label))
    return [p for p in seen.live if p.class_ != label and not p.deleting and classes & set(classes_of(p.class_))]


def _elsewhere(seen: Observed, label: str) -> list[Live]:
    """Those that have served: what never did holds a place for nothing."""
    return [p for p in _others(seen, label) if p.served]


def _frozen(class_: str, problem: Problem, seen: Observed) -> WorkloadPlan:
    """Nothing of what serves is touched: a declared input that vanished is not an order to stop."""
    running = [*seen.running(class_), *_others(seen, class_)]
    if not running:
        return WorkloadPlan(class_, False, problem.reason, problem.message, ())
    kept = ", ".join(p.name for p in running)
    message = f"{problem.message}; frozen: {kept} keeps serving as it is"
    return WorkloadPlan(class_, False, problem.reason, message, tuple(as_it_is(p, "Frozen") for p in running))


def _planned(valid: Valid, seen: Observed, decided: int | None, told: Told | None, memo: Memo | None) -> WorkloadPlan:
    valid = replace(valid, question=replace(valid.question, assigned=told.identity if told else None))
    class_ = valid.workload.class_
    running, elsewhere = seen.running(class_), _elsewhere(seen, class_)
    answer = choose(valid.question, memo)
    if answer.chosen is None:
        frozen = _frozen(class_, Problem(answer.reason, answer.message), seen)
        return WorkloadPlan(class_, False, frozen.reason, frozen.message, frozen.placements, answer.rejected)
    if (paused := _paused(valid, answer, running)) and not valid.advised:
        frozen = _frozen(class_, paused, seen)
        return WorkloadPlan(class_, False, frozen.reason, frozen.message, frozen.placements, answer.rejected)
    if valid.advised:
        placements, spread = recommended(valid, answer.chosen, [*running, *elsewhere], seen.name), None
    else:
        here = Here(running, elsewhere, seen.name, told.replicas or None if told else None)
        placements, spread = placed(valid, answer, here, decided)
    found = WorkloadPlan(class_, True, answer.reason, _sentence(answer), placements, answer.rejected, valid, spread)
    message = "; ".join((found.message, *(p.spill for p in found.spills)))
    ready = not valid.advised and any(p.state == "Serving" for p in placements)
    selects, slow = _selects(found, elsewhere, seen, ready), bool(answer.chosen.missed)
    return replace(found, message=message, several=answer.several, slow=slow, selects=selects)


def _selects(found: WorkloadPlan, elsewhere: list[Live], seen: Observed, ready: bool) -> dict[str, str]:
    """Requests stay with what serves them until what shall is ready."""
    there, served_by = {p.class_ for p in elsewhere}, seen.served_by
    now = {class_: served_by.get(class_, found.class_) for class_ in found.classes}
    return {c: label if label in there and not ready else found.class_ for c, label in now.items()}


def _paused(valid: Valid, answer: Answer, running: list[Live]) -> Problem | None:
    """What serves is no candidate any more, and another would replace it; a pin is the user's own order.

    What still is a candidate is part of a move that had begun, which ends.
    """
    assert answer.chosen
    if not valid.moves_paused:
        return None
    pin, rejected = valid.question.pin, {_identity(r): r for r in answer.rejected}
    possible = {e.identity for e in answer.able}
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


def _sentence(answer: Answer) -> str:
    assert answer.chosen
    candidate = answer.chosen.candidate
    return f"{candidate.variant.name} on {candidate.pool.name} with {candidate.how}: {answer.message}"
