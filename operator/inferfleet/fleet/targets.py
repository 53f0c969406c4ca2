"""What of a plan the scaling loop may move, and with which numbers. Pure."""

from inferfleet.fleet.pods import DEFAULT_BOOT
from inferfleet.fleet.types import Placement, Plan, Valid, WorkloadPlan
from inferfleet.planning.evaluate.line import line
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.types import Evaluated, Question
from inferfleet.planning.unit import ONE_BY_ONE, Unit, counted, unit_of
from inferfleet.scaling.step import Step
from inferfleet.scaling.target import LATER, Target


def targets(plan: Plan, *, external: bool = False) -> dict[str, Target]:
    """What the loop may scale: planned workloads. A frozen one keeps its replicas, and so does one that another
    autoscaler moves, or that is only advised on. With `external` those that another one moves, for whom the number is
    computed and published.
    """
    return {
        w.class_: _target(w, w.valid, w.placements[0])
        for w in plan.workloads
        if w.placements and w.valid and w.valid.external == external and not w.valid.advised
    }


def _target(workload: WorkloadPlan, valid: Valid, chosen: Placement) -> Target:
    evaluated, spec = chosen.evaluated, valid.spec
    assert evaluated
    slo, prompts = spec.slo, spec.traffic.input_tokens.p50
    return Target(
        class_=workload.class_,
        placement=chosen.name,
        profile=evaluated.profile,
        replicas=workload.spread.served if workload.spread else chosen.replicas,
        minimum=valid.least(evaluated.tokens_per_second),
        maximum=valid.workload.replicas.max,
        room=workload.spread.room if workload.spread else evaluated.candidate.free,
        planned_capacity=evaluated.tokens_per_second,
        utilization=float(spec.scaling.target_utilization),
        delay=spec.scaling.scale_in_delay.total_seconds(),
        request_tokens=float(counted(spec).p50),
        unit=unit_of(spec),
        planned_demand=valid.declared_demand,
        prompt_tokens=float(prompts),
        ttft=slo.ttft.total_seconds() if slo.ttft else None,
        itl=slo.tpot.total_seconds() if slo.tpot else None,
        whole=slo.end_to_end.total_seconds() if slo.end_to_end else None,
        one_by_one=spec.modality in ONE_BY_ONE and spec.scaling.signal == "Auto",
        percentile=slo.percentile,
        step=_step(evaluated, valid.question) if slo.tpot and unit_of(spec) is Unit.GENERATED else None,
        boot=evaluated.startup_seconds or DEFAULT_BOOT,
        deadline=slo.deadline.total_seconds() if slo.deadline else LATER if slo.promises_latency else None,
    )


def _step(evaluated: Evaluated, question: Question) -> Step:
    """What a step is predicted to take; pods correct it."""
    found = line(evaluated, question, Memo())
    return Step(found.base, found.per_sequence, found.per_prompt_token)
