"""What shall be: placements and replicas of every workload, each with its reason. Pure."""

from collections.abc import Mapping
from dataclasses import replace

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
from inferfleet.planning.choose import choose
from inferfleet.planning.types import Answer, Evaluated


def make_plan(seen: Observed, validated: tuple[Valid | Blocked, ...] | Problem, replicas: Mapping[str, int]) -> Plan:
    """`replicas` holds the scaling loop's decisions by class; a workload without one keeps what runs."""
    if isinstance(validated, Problem):
        classes = sorted({p.class_ for p in seen.live}) or [""]
        return Plan(tuple(_frozen(class_, validated, seen) for class_ in classes), keep_all=True)
    return Plan(
        tuple(
            _frozen(item.class_, item.problem, seen)
            if isinstance(item, Blocked)
            else _planned(item, seen, replicas.get(item.workload.class_))
            for item in validated
        )
    )


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


def _planned(valid: Valid, seen: Observed, decided: int | None) -> WorkloadPlan:
    class_, running = valid.workload.class_, _running(seen, valid.workload.class_)
    answer = choose(valid.question)
    if answer.chosen is None:
        frozen = _frozen(class_, Problem(answer.reason, answer.message), seen)
        return WorkloadPlan(class_, False, frozen.reason, frozen.message, frozen.placements, answer.rejected)
    if valid.workload.placement.mode == "Recommend":
        placements = _recommended(valid, answer.chosen, running, seen.name)
    else:
        placements = _placements(valid, answer, running, decided, seen)
    return WorkloadPlan(class_, True, answer.reason, _sentence(answer), placements, answer.rejected, valid)


def _recommended(valid: Valid, chosen: Evaluated, running: list[Live], model: str) -> tuple[Placement, ...]:
    """The advice beside what runs, which stays as it is; nothing beside it where they are the same."""
    kept = tuple(_as_it_is(p, "Serving") for p in running)
    if any(p.identity == chosen.identity for p in running):
        return kept
    count = max(_replicas(valid, chosen, None, None), valid.least(chosen.tokens_per_second))
    count = min(count, valid.workload.replicas.max)
    return (*kept, Placement(_name(model, valid, chosen), chosen.identity, "Recommended", count, chosen))


def _placements(
    valid: Valid, answer: Answer, running: list[Live], decided: int | None, seen: Observed
) -> tuple[Placement, ...]:
    """The chosen one, and those that it replaces for as long as it is not ready."""
    assert answer.chosen
    chosen, bounds = answer.chosen, valid.workload.replicas
    current = next((p for p in running if p.identity == chosen.identity), None)
    others = [p for p in running if p.identity != chosen.identity]
    count = _replicas(valid, chosen, current or next(iter(others), None), decided)
    elsewhere = bounds.mode == "External" and current is not None and bool(current.scaled_by)
    if not elsewhere:
        count = min(max(count, valid.least(chosen.tokens_per_second)), bounds.max)
    least = min(bounds.least, count)
    enough = min(count, current.replicas) if current and others else least
    ready = current is not None and current.ready >= max(enough, least)
    kept = current.image if current and valid.keeps_image else None
    state: State = "Serving" if ready else "Starting"
    target = Placement(_name(seen.name, valid, chosen), chosen.identity, state, count, chosen, kept, elsewhere)
    if ready:
        return (target,)
    alone = current is None or not current.ready
    possible = {e.identity: e for e in answer.possible}
    retiring = (_retiring(p, possible.get(p.identity), count if alone else p.replicas) for p in others)
    return (target, *(replace(p, image=o.image or None) for p, o in zip(retiring, others, strict=True)))


def _name(model: str, valid: Valid, chosen: Evaluated) -> str:
    return names.placement_name(model, valid.workload.class_, names.placement_id(*chosen.identity))


def _retiring(live: Live, evaluated: Evaluated | None, replicas: int) -> Placement:
    """It follows the demand while its successor serves nothing; one that could not be chosen now stays as it is."""
    if evaluated is None:
        return _as_it_is(live, "Retiring")
    return Placement(live.name, live.identity, "Retiring", replicas, evaluated)


def _replicas(valid: Valid, chosen: Evaluated, current: Live | None, decided: int | None) -> int:
    if decided is not None and valid.workload.replicas.mode == "Automatic":
        return decided
    return current.replicas if current is not None else valid.replicas_for_demand(chosen.tokens_per_second)


def _as_it_is(live: Live, state: State) -> Placement:
    return Placement(live.name, live.identity, state, live.replicas, None)


def _sentence(answer: Answer) -> str:
    assert answer.chosen
    candidate = answer.chosen.candidate
    return f"{candidate.variant.name} on {candidate.pool.name} with {candidate.engine}: {answer.message}"
