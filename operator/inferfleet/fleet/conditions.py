"""The conditions of a Model; `Ready` is derived from the others. Pure."""

from collections.abc import Mapping
from datetime import datetime

from inferfleet.api.base import Condition, timestamp
from inferfleet.fleet.types import Applied, Observed, Placement, Plan, WorkloadPlan
from inferfleet.fleet.unobeyed import obeyed
from inferfleet.names import Cond, Reason
from inferfleet.planning import room
from inferfleet.scaling.law import Decision

Verdict = tuple[str, str, str]
"""Status, reason, message."""
_NOT_OURS = (Reason.SCALED_ELSEWHERE, Reason.RECOMMEND_ONLY)
"""Of the scaling conditions: they end when the workload is scaled here again."""


def conditions(
    seen: Observed, plan: Plan, applied: Applied, scaling: Mapping[str, Decision], now: datetime
) -> list[Condition]:
    """All of them, always, in a stable order."""
    planned, deployed = _planned(plan), _deployed(seen, plan, applied)
    verdicts = {
        Cond.READY: _ready(seen, plan, planned, deployed),
        Cond.PLANNED: planned,
        Cond.DEPLOYED: deployed,
        Cond.SIGNAL_FRESH: _signal(seen, plan, scaling),
        Cond.WITHIN_LIMITS: _limits(seen, plan, scaling),
        Cond.FIELDS_OBEYED: obeyed(plan.unobeyed),
    }
    return [_stamped(type_, verdict, seen, now) for type_, verdict in verdicts.items()]


def _stamped(type_: str, verdict: Verdict, seen: Observed, now: datetime) -> Condition:
    status, reason, message = verdict
    previous = next((c for c in seen.status.conditions if c.type == type_), None)
    moved = previous is None or previous.status != status
    return Condition(
        type=type_,
        status=status,  # type: ignore[arg-type]
        reason=reason,
        message=message[:8192],
        observed_generation=seen.generation,
        last_transition_time=timestamp(now) if moved or not previous else previous.last_transition_time,
    )


def _planned(plan: Plan) -> Verdict:
    failed = [w for w in plan.workloads if not w.planned] or [w for w in plan.workloads if w.slow]
    if failed:
        return "False", failed[0].reason, "; ".join(_of(w, w.message) for w in failed)
    return "True", Reason.PLANNED, "; ".join(_of(w, w.message) for w in plan.workloads)


def _deployed(seen: Observed, plan: Plan, applied: Applied) -> Verdict:
    if applied.problem:
        return "False", applied.problem.reason, applied.problem.message
    live = {p.name: p for p in seen.live}
    for workload in plan.workloads:
        for placement in workload.placements:
            current = live.get(placement.name)
            if placement.state != "Retiring" and current and current.failure:
                return "False", Reason.PODS_FAILING, _of(workload, current.failure)
    waiting = _lacking(seen, plan)
    if waiting and all(_only_advised(w) for w, _ in waiting):
        message = "placement.mode is Recommend: what is advised is in status.placements, and not deployed"
        return "False", Reason.RECOMMEND_ONLY, message
    if waiting:
        placed = any(w.placements for w in plan.workloads)
        return "False", Reason.PODS_STARTING if placed else Reason.NOT_PLANNED, "; ".join(m for _, m in waiting)
    return "True", Reason.AVAILABLE, "every workload has its replicas"


def _only_advised(workload: WorkloadPlan) -> bool:
    return bool(workload.placements) and all(p.state == "Recommended" for p in workload.placements)


def _lacking(seen: Observed, plan: Plan) -> list[tuple[WorkloadPlan, str]]:
    """Workloads with fewer ready replicas than they must have, each with a sentence."""
    ready, doing = {p.name: p.ready for p in seen.live}, {p.name: p.doing for p in seen.live}
    lacking = []
    for workload in plan.workloads:
        there = sum(ready.get(p.name, 0) for p in workload.placements)
        least = workload.valid.workload.replicas.least if workload.valid else 1
        for placement in workload.placements:
            least = min(least, placement.replicas) if placement.scaled_elsewhere else least  # KEDA may want none
        if there < least:
            stages = "; ".join(doing[p.name] for p in workload.placements if doing.get(p.name))
            lacks = f"{there} of at least {least} replicas ready" + (f" ({stages})" if stages else "")
            lacking.append((workload, _of(workload, lacks)))
    return lacking


def _ready(seen: Observed, plan: Plan, planned: Verdict, deployed: Verdict) -> Verdict:
    """About serving: what answers with its least replicas is ready, and says what is wrong all the same."""
    if _lacking(seen, plan):
        return "False", *(planned if planned[0] == "False" else deployed)[1:]
    if any(not w.planned for w in plan.workloads):
        return "True", Reason.FROZEN, planned[2]
    if planned[0] == "False":
        return "True", Reason.DEGRADED, planned[2]
    if deployed[0] == "False":
        return "True", Reason.DEGRADED, deployed[2]
    return deployed


def _signal(seen: Observed, plan: Plan, scaling: Mapping[str, Decision]) -> Verdict:
    if elsewhere := _scaled_elsewhere(plan):
        return elsewhere
    decisions = _decisions(plan, scaling)
    if not decisions:
        return _before(seen, Cond.SIGNAL_FRESH) or ("Unknown", Reason.NO_SIGNAL_YET, "no pod was scraped yet")
    stale = [_of(w, d.message) for w, d in decisions if not d.fresh]
    if stale:
        return "False", Reason.SIGNAL_STALE, "; ".join(stale)
    if all(d.reason == Reason.NO_SIGNAL_YET for _, d in decisions):
        return _before(seen, Cond.SIGNAL_FRESH) or ("Unknown", Reason.NO_SIGNAL_YET, "no pod is ready yet")
    return "True", Reason.SIGNAL_FRESH, "metrics of every ready pod are fresh"


def _ours(plan: Plan) -> list[WorkloadPlan]:
    """Workloads whose replicas this operator moves; a frozen one is neither theirs nor ours for now."""
    return [w for w in plan.workloads if w.valid is None or not (w.valid.external or w.valid.advised)]


def _decisions(plan: Plan, scaling: Mapping[str, Decision]) -> list[tuple[WorkloadPlan, Decision]]:
    return [(w, scaling[w.class_]) for w in _ours(plan) if w.class_ in scaling]


def _scaled_elsewhere(plan: Plan) -> Verdict | None:
    """Where no workload is scaled here, what was once said of signals and limits holds no longer."""
    if not plan.workloads or _ours(plan):
        return None
    if all(w.valid and w.valid.advised for w in plan.workloads):
        return "Unknown", Reason.RECOMMEND_ONLY, "placement.mode is Recommend: replicas stay as they are"
    return "Unknown", Reason.SCALED_ELSEWHERE, "replicas.mode is External: another autoscaler writes the replicas"


def _planned_limits(plan: Plan) -> Verdict | None:
    """What the plan alone knows: a guaranteed demand above the maximum, and replicas without room."""
    for workload in _ours(plan):
        chosen = next((p for p in workload.placements if p.evaluated and p.state != "Retiring"), None)
        if workload.valid is None or chosen is None or chosen.evaluated is None:
            continue
        if chosen.wanted > chosen.replicas:
            return "False", Reason.POOL_EXHAUSTED, _of(workload, short(workload, chosen))
        question, maximum = workload.valid.question, workload.valid.workload.replicas.max
        guaranteed = room.guaranteed(question, chosen.evaluated.tokens_per_second)
        if guaranteed > maximum:
            message = f"the guaranteed demand needs {guaranteed} replicas, and replicas.max is {maximum}"
            return "False", Reason.MAX_REPLICAS, _of(workload, message)
    return None


def short(workload: WorkloadPlan, chosen: Placement) -> str:
    """What is needed, and what bounds the pools that the workload is on."""
    needed = chosen.wanted + (workload.spread.spilled if workload.spread else 0)
    found = [p.evaluated.candidate for p in (chosen, *workload.spills) if p.evaluated]
    words = ", ".join(room.room_words(c.pool, c.parallelism.accelerators) for c in found)
    return f"{needed} replicas{room.each_of(found[0])} are needed, and {words}"


def _limits(seen: Observed, plan: Plan, scaling: Mapping[str, Decision]) -> Verdict:
    if known := _scaled_elsewhere(plan) or _planned_limits(plan):
        return known
    decisions = _decisions(plan, scaling)
    unknown = all(d.reason in (Reason.NO_SIGNAL_YET, Reason.SIGNAL_STALE) for _, d in decisions)
    if unknown and (before := _before(seen, Cond.WITHIN_LIMITS)):
        return before
    for workload, decision in decisions:
        if decision.reason == Reason.MAX_REPLICAS:
            return "False", decision.reason, _of(workload, "demand asks for more than replicas.max")
        if decision.reason == Reason.POOL_EXHAUSTED:
            return "False", decision.reason, _of(workload, f"demand asks for more replicas than fit: {_room(workload)}")
    if spills := [_of(w, p.spill) for w in plan.workloads for p in w.spills]:
        return "True", Reason.SPILLED, "; ".join(spills)
    return "True", Reason.WITHIN_LIMITS, "replicas follow the demand within their bounds"


def _room(workload: WorkloadPlan) -> str:
    pools = [p.evaluated.candidate.pool for p in workload.placements if p.evaluated]
    return room.room_words(pools[0]) if pools else "the pool is full"


def _before(seen: Observed, type_: str) -> Verdict | None:
    """What was last written: a restart of the operator is no news."""
    found = next((c for c in seen.status.conditions if c.type == type_), None)
    if found is None or found.reason in _NOT_OURS:
        return None
    return found.status, found.reason, found.message


def _of(workload: WorkloadPlan, message: str) -> str:
    return f"{' and '.join(workload.classes)}: {message}" if workload.class_ else message
