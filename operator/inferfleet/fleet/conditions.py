"""The conditions of a Model; `Ready` is derived from the others. Pure."""

from collections.abc import Mapping
from datetime import datetime

from inferfleet.api.base import Condition, timestamp
from inferfleet.fleet.types import Applied, Observed, Plan, WorkloadPlan
from inferfleet.names import Cond, Reason
from inferfleet.scaling.law import Decision

Verdict = tuple[str, str, str]
"""Status, reason, message."""


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
        Cond.FIELDS_OBEYED: _obeyed(plan),
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
    failed = [w for w in plan.workloads if not w.planned]
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
    if waiting and any(p.state == "Recommended" for w in plan.workloads for p in w.placements):
        message = "placement.mode is Recommend: what is advised is in status.placements, and not deployed"
        return "False", Reason.RECOMMEND_ONLY, message
    if waiting:
        placed = any(w.placements for w in plan.workloads)
        return "False", Reason.PODS_STARTING if placed else Reason.NOT_PLANNED, waiting
    return "True", Reason.AVAILABLE, "every workload has its replicas"


def _lacking(seen: Observed, plan: Plan) -> str:
    """Workloads with fewer ready replicas than they must have, or empty."""
    ready = {p.name: p.ready for p in seen.live}
    lacking = []
    for workload in plan.workloads:
        there = sum(ready.get(p.name, 0) for p in workload.placements)
        least = workload.valid.workload.replicas.least if workload.valid else 1
        if there < least:
            lacking.append(_of(workload, f"{there} of at least {least} replicas ready"))
    return "; ".join(lacking)


def _ready(seen: Observed, plan: Plan, planned: Verdict, deployed: Verdict) -> Verdict:
    """About serving: what answers with its least replicas is ready, and says what is wrong all the same."""
    if _lacking(seen, plan):
        return "False", *(planned if planned[0] == "False" else deployed)[1:]
    if planned[0] == "False":
        return "True", Reason.FROZEN, planned[2]
    if deployed[0] == "False":
        return "True", Reason.DEGRADED, deployed[2]
    return deployed


def _signal(seen: Observed, plan: Plan, scaling: Mapping[str, Decision]) -> Verdict:
    decisions = [(w, scaling[w.class_]) for w in plan.workloads if w.class_ in scaling]
    if not decisions:
        return _before(seen, Cond.SIGNAL_FRESH) or ("Unknown", Reason.NO_SIGNAL_YET, "no pod was scraped yet")
    stale = [_of(w, d.message) for w, d in decisions if not d.fresh]
    if stale:
        return "False", Reason.SIGNAL_STALE, "; ".join(stale)
    if all(d.reason == Reason.NO_SIGNAL_YET for _, d in decisions):
        return _before(seen, Cond.SIGNAL_FRESH) or ("Unknown", Reason.NO_SIGNAL_YET, "no pod is ready yet")
    return "True", Reason.SIGNAL_FRESH, "metrics of every ready pod are fresh"


def _obeyed(plan: Plan) -> Verdict:
    if not plan.unobeyed:
        return "True", Reason.ALL_FIELDS_OBEYED, "every field that is set is acted on"
    listed = "; ".join(f"{field}: {instead}" for field, instead in plan.unobeyed)
    return "False", Reason.FIELDS_NOT_OBEYED_YET, f"accepted, kept, and not acted on by this release: {listed}"


def _limits(seen: Observed, plan: Plan, scaling: Mapping[str, Decision]) -> Verdict:
    decisions = [(w, scaling[w.class_]) for w in plan.workloads if w.class_ in scaling]
    unknown = all(d.reason in (Reason.NO_SIGNAL_YET, Reason.SIGNAL_STALE) for _, d in decisions)
    if unknown and (before := _before(seen, Cond.WITHIN_LIMITS)):
        return before
    for workload, decision in decisions:
        if decision.reason == Reason.MAX_REPLICAS:
            return "False", decision.reason, _of(workload, "demand asks for more than replicas.max")
        if decision.reason == Reason.POOL_EXHAUSTED:
            return (
                "False",
                decision.reason,
                _of(workload, "demand asks for more replicas than the pool's nodes have room for"),
            )
    return "True", Reason.WITHIN_LIMITS, "replicas follow the demand within their bounds"


def _before(seen: Observed, type_: str) -> Verdict | None:
    """What was last written: a restart of the operator is no news."""
    found = next((c for c in seen.status.conditions if c.type == type_), None)
    return (found.status, found.reason, found.message) if found else None


def _of(workload: WorkloadPlan, message: str) -> str:
    return f"{workload.class_}: {message}" if workload.class_ else message
