"""Cost and latency of everything that could serve a workload, for the picture of its choice. Pure.

The planner itself is asked again for each batch size, with targets and limits that nothing misses and pools that are
never full, so that what a target keeps out has figures too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from inferfleet.api.workload_class import Slo, WorkloadClassSpec
from inferfleet.fleet.types import Valid, WorkloadPlan
from inferfleet.names import Reason
from inferfleet.offline.types import Frontier, Point
from inferfleet.planning.choose import choose
from inferfleet.planning.evaluate.estimate import batch_sizes
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.objectives import OBJECTIVES, over_limit
from inferfleet.planning.rules.targets import margin_of, slo_violation
from inferfleet.planning.types import Evaluated, Question, Rejection
from inferfleet.planning.unit import Unit, unit_of

FOREVER = timedelta(days=36_500)
ENDLESS = 1_000_000
"""Replicas."""
ENDLESS_ENERGY = Decimal("1e12")
"""Joules per token: a limit all the same, since with one nothing is planned whose power is not known."""

_ONCE = frozenset(
    {
        *(goal.lost for goal in OBJECTIVES.values()),
        Reason.SLO_VIOLATED,
        Reason.COST_LIMIT_EXCEEDED,
        Reason.ENERGY_LIMIT_EXCEEDED,
    }
)
"""Reasons that are of some of a candidate's batch sizes, or of none: here each is judged by itself."""

Identity = tuple[str, str, str]


def frontier(planned: WorkloadPlan, asked: Valid) -> Frontier:
    """Of one workload, cheapest first."""
    question = (planned.valid or asked).question
    rejected = {r.candidate.identity: r for r in planned.rejected}
    chosen = {
        (p.identity, p.evaluated.prediction.slots) for p in planned.placements if p.evaluated and p.state != "Retiring"
    }
    points: dict[tuple[Identity, int], Point] = {}
    memo = Memo()
    for batch in batch_sizes(question):
        for e in choose(_unbound(question, batch), memo).possible:
            key = (e.identity, e.prediction.slots)
            points.setdefault(key, _point(e, question, rejected.get(e.identity), chosen=key in chosen))
    ordered = sorted(points.values(), key=lambda p: (p.cost, p.words, p.slots))
    return Frontier(tuple(ordered), allowed(question.workload), question.workload.limits.cost_per1_m_tokens)


def _unbound(question: Question, batch: int) -> Question:
    """Each target stays a target: which ones there are decides how an engine is set up."""
    given = question.workload.slo.model_fields_set - {"percentile"}
    slo: Slo = question.workload.slo.model_copy(
        update={name: FOREVER for name in given if getattr(question.workload.slo, name) is not None}
    )
    energy = None if question.workload.limits.joules_per_token is None else ENDLESS_ENERGY
    limits = question.workload.limits.model_copy(update={"cost_per1_m_tokens": None, "joules_per_token": energy})
    serving = question.workload.serving.model_copy(update={"max_batch_size": batch})
    update = {"slo": slo, "limits": limits, "serving": serving, "objective": "Throughput"}
    pools = tuple(replace(pool, free=ENDLESS, quota=None) for pool in question.pools)
    return replace(question, workload=question.workload.model_copy(update=update), pools=pools)


def _point(e: Evaluated, question: Question, why: Rejection | None, *, chosen: bool) -> Point:
    expected = e.prediction
    latency = {"ttft": expected.ttft, "tpot": expected.tpot, "endToEnd": expected.end_to_end}
    if unit_of(question.workload) is Unit.PROMPT:
        latency = {"endToEnd": expected.end_to_end}
    missed = "" if chosen else _missed(e, question, why)
    status = "Chosen" if chosen else "Rejected" if missed else "Possible"
    pool, variant, engine = e.identity
    return Point(f"{variant} on {pool} with {engine}", expected.slots, e.cost, latency, status, missed)


def _missed(e: Evaluated, question: Question, why: Rejection | None) -> str:
    """The first target or limit that it breaks with so many slots, else why the candidate may not serve at all."""
    if violated := slo_violation(e.prediction, question, margin_of(e.candidate, question)):
        return f"{Reason.SLO_VIOLATED}: {violated.words}"
    if limited := over_limit(e, question.workload.limits):
        return f"{limited.reason}: {limited.message}"
    return f"{why.reason}: {why.message}" if why and why.reason not in _ONCE else ""


def allowed(spec: WorkloadClassSpec) -> Mapping[str, float]:
    """Targets in seconds, by the names of the class; a deadline is one of the whole request."""
    slo = spec.slo
    given = {"ttft": slo.ttft, "tpot": slo.tpot, "endToEnd": slo.end_to_end or slo.deadline}
    return {name: target.total_seconds() for name, target in given.items() if target is not None}


def pareto(points: Iterable[Point], axis: str) -> list[Point]:
    """Those that no other beats in both cost and latency, fastest first."""
    best: list[Point] = []
    for point in sorted((p for p in points if axis in p.latency), key=lambda p: (p.latency[axis], p.cost)):
        if not best or point.cost < best[-1].cost:
            best.append(point)
    return best
