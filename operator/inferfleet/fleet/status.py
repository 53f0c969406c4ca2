"""The status of a Model: a function of what was observed, planned and applied. Pure."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from inferfleet import names
from inferfleet.api.model_status import Endpoint, ModelStatus, PlacementStatus, Rejected, ScalingStatus, Summary
from inferfleet.api.quantities import two_digits
from inferfleet.fleet.conditions import conditions
from inferfleet.fleet.types import Applied, Live, Observed, Placement, Plan, WorkloadPlan
from inferfleet.names import Reason
from inferfleet.planning.types import Rejection
from inferfleet.scaling.law import Decision

MAX_REJECTED, MAX_PLACEMENTS, MAX_WORKLOADS, MAX_POOLS_TEXT, MAX_NAME = 128, 64, 16, 1024, 63
"""Bounds of the status in the CRD. A Model has fewer; what is left over of many that were removed may not."""
_FIRST = ("Serving", "Starting")


def compute_status(
    seen: Observed,
    plan: Plan,
    applied: Applied,
    scaling: Mapping[str, Decision],
    served: Mapping[str, float] | None,
    now: datetime,
) -> ModelStatus:
    """`served` are tokens per second by class; None before the first scrape: the last written number stays."""
    live = {p.name: p for p in seen.live}
    found = {p.name: _placement(w, p, live.get(p.name), seen.status) for w in plan.workloads for p in w.placements}
    placements = list(found.values())
    return ModelStatus(
        observed_generation=seen.generation,
        conditions=conditions(seen, plan, applied, scaling, now),
        summary=_summary(seen, plan, placements, served),
        endpoints=[
            Endpoint(class_=class_, url=names.endpoint_url(seen.namespace, seen.name, class_))
            for w in plan.workloads
            for class_ in w.classes
            if any(p.state != "Recommended" for p in w.placements)
        ][:MAX_WORKLOADS],
        placements=_foremost(placements),
        rejected=_shared_out(plan),
        rejected_counts=_counts(plan),
        scaling=_scaling(plan, scaling, seen.status),
    )


def _placement(
    workload: WorkloadPlan, placement: Placement, live: Live | None, previous: ModelStatus
) -> PlacementStatus:
    known = next((p for p in previous.placements if p.name == placement.name), None)
    pool, variant, engine = placement.identity
    common = {
        "classes": list(names.classes_of(live.class_) if live else workload.classes),
        "name": placement.name[:MAX_NAME],
        "state": placement.state,
        "pool": pool,
        "variant": variant,
    }
    counts = {"engine": engine, "replicas": placement.replicas, "ready": live.ready if live else 0}
    if placement.evaluated is None:
        slots, speed = (known.slots, known.tokens_per_second) if known else (live.slots if live else 0, 0)
        facts = {"slots": slots, "tokensPerSecond": speed, "reason": workload.reason}
        return PlacementStatus.model_validate(
            {**common, **counts, **facts, "costPer1MTokens": known and known.cost_per1_m_tokens}
        )
    chosen = placement.evaluated
    facts = {
        "slots": chosen.prediction.slots,
        "tokensPerSecond": two_digits(chosen.tokens_per_second),
        "costPer1MTokens": str(chosen.cost),
        "capacitySource": chosen.capacity_source,
        "reason": Reason.SPILLED if placement.spill and placement.state != "Retiring" else workload.reason,
        "message": (placement.spill or workload.message)[:1024],
    }
    return PlacementStatus.model_validate({**common, **counts, **facts})


def _summary(
    seen: Observed, plan: Plan, placements: list[PlacementStatus], served: Mapping[str, float] | None
) -> Summary:
    ready = sum(p.ready for p in placements)
    staying = [p for p in placements if p.state not in ("Retiring", "Recommended")]
    wanted = sum(p.replicas for p in staying)
    speed = seen.status.summary.tokens_per_second if served is None else two_digits(sum(served.values()))
    costs = [p.cost_per1_m_tokens for p in staying if p.cost_per1_m_tokens]
    return Summary.model_validate(
        {
            "workloads": sum(len(w.classes) for w in plan.workloads),
            "ready": ready,
            "wanted": wanted,
            "replicas": f"{ready}/{wanted}",
            "tokensPerSecond": speed,
            "costPer1MTokens": max(costs, key=float) if costs else None,
            "pools": _listed(sorted({p.pool for p in placements if p.state != "Recommended"})),
        }
    )


def _foremost(placements: list[PlacementStatus]) -> list[PlacementStatus]:
    """As many as a status holds, in their order: those that shall serve before those that go."""
    chosen = sorted(range(len(placements)), key=lambda i: placements[i].state not in _FIRST)[:MAX_PLACEMENTS]
    return [placements[i] for i in sorted(chosen)]


def _listed(pools: list[str]) -> str:
    """Whole names only."""
    text = ",".join(pools)
    return text if len(text) <= MAX_POOLS_TEXT else text[: MAX_POOLS_TEXT - 3].rpartition(",")[0] + ",..."


def _shared_out(plan: Plan) -> list[Rejected]:
    """The best of every workload: what one does not use of its share is for the others."""
    ranked = [(rank, at, r) for at, w in enumerate(plan.workloads) for rank, r in enumerate(w.rejected)]
    kept = sorted(ranked, key=lambda item: item[:2])[:MAX_REJECTED]
    return [
        _rejected(plan.workloads[at].classes[0], r) for _, at, r in sorted(kept, key=lambda item: (item[1], item[0]))
    ]


def _counts(plan: Plan) -> dict[str, int] | None:
    counts = Counter(r.reason for w in plan.workloads for r in w.rejected)
    return dict(sorted(counts.items())) or None  # the API server stores an empty map as null


def _rejected(class_: str, rejection: Rejection) -> Rejected:
    candidate = rejection.candidate
    return Rejected(
        class_=class_,
        pool=candidate.pool.name,
        variant=candidate.variant.name,
        engine=candidate.how,
        reason=rejection.reason,
        binding_constraint=rejection.binding,
        message=rejection.message[:1024],
    )


def _scaling(plan: Plan, scaling: Mapping[str, Decision], previous: ModelStatus) -> list[ScalingStatus]:
    """A workload without a decision on a signal keeps the last one that was written: a restart is no news.

    Unless nothing is decided about it any more: then the last one is of another time.
    """
    known = {s.class_: s for s in previous.scaling}
    found = []
    for workload, class_ in ((w, class_) for w in plan.workloads for class_ in w.classes):
        decision = scaling.get(workload.class_)
        if elsewhere := _not_scaled(workload):
            found.append(elsewhere)
        elif decision and (decision.reason != Reason.NO_SIGNAL_YET or class_ not in known):
            found.append(ScalingStatus(class_=class_, reason=decision.reason, message=decision.message[:1024]))
        elif class_ in known:
            found.append(known[class_].model_copy(update={"decisions": []}))
    return found[:MAX_WORKLOADS]


def _not_scaled(workload: WorkloadPlan) -> ScalingStatus | None:
    """Why this operator leaves the replicas alone, where it was told to."""
    asked = workload.valid.workload if workload.valid else None
    if asked is None:
        return None
    if asked.placement.mode == "Recommend":
        message = "placement.mode is Recommend: replicas stay as they are"
        return ScalingStatus(class_=workload.class_, reason=Reason.RECOMMEND_ONLY, message=message)
    if asked.replicas.mode == "External":
        message = "replicas.mode is External: another autoscaler writes the replicas"
        return ScalingStatus(class_=workload.class_, reason=Reason.SCALED_ELSEWHERE, message=message)
    return None


def to_json(status: ModelStatus) -> dict[str, object]:
    """As it is applied; None is left out."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def without_wording(status: ModelStatus) -> ModelStatus:
    """Without the sentences of scaling decisions: refreshed with the numbers, they are no change by themselves."""
    scaling = [s.model_copy(update={"message": ""}) for s in status.scaling]
    return status.model_copy(update={"scaling": scaling})


def settled(status: ModelStatus) -> ModelStatus:
    """Without live numbers and wording: when only these differ, the write may wait."""
    quiet = status.summary.model_copy(update={"tokens_per_second": 0, "cost_per_hour": None, "cost_per_month": None})
    conditions = [c.model_copy(update={"message": ""}) for c in status.conditions]
    placements = [p.model_copy(update={"message": "", "tokens_per_second": 0}) for p in status.placements]
    update = {"summary": quiet, "conditions": conditions, "placements": placements, "costs": []}
    return without_wording(status).model_copy(update=update)
