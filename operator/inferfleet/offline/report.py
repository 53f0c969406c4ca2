"""From decisions to figures: one row for each workload and pool. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import inf

from inferfleet.api.figures import figures
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.fleet.conditions import short
from inferfleet.fleet.observe import read_nodes
from inferfleet.fleet.pools import accelerator_of, room, size_of
from inferfleet.fleet.types import Placement, PoolView, Problem, Valid, WorkloadPlan
from inferfleet.names import Reason
from inferfleet.offline.decide import ModelPlan, Plans
from inferfleet.offline.types import PlacementRow, PoolRow, RejectedRow, Report, Target, Violation, WorkloadRow
from inferfleet.offline.world import World
from inferfleet.planning.candidates.engines import unplaced_of
from inferfleet.planning.types import Candidate, Evaluated, Prediction, Rejection
from inferfleet.planning.unit import Unit, unit_of

REASONS = 5
"""Told of a workload that has no candidate."""


def report(world: World, plans: Plans) -> Report:
    """Workloads by namespace, Model and the order of its spec; pools by name."""
    workloads = tuple(_workload(world, model, w) for model in plans.models for w in model.plan.workloads)
    notes = (plans.note, *world.notes) if plans.note else world.notes
    return Report(workloads, _pools(world, plans, workloads), world.assumptions, notes)


def _workload(world: World, model: ModelPlan, planned: WorkloadPlan) -> WorkloadRow:
    key = (*model.key, planned.class_)
    asked = planned.valid or model.asked(planned.class_)
    return WorkloadRow(
        key=key,
        planned=planned.planned,
        reason=planned.reason,
        message=_message(planned),
        placements=tuple(_placement(model, p, asked) for p in planned.placements),
        rejected=tuple(_rejected(r) for r in planned.rejected),
        violations=tuple(_violations(planned, asked, model.unserved.get(planned.class_))),
        objective=asked.spec.objective if asked else "",
        demand=_demand(asked),
        unit=unit_of(asked.spec).value if asked else "",
        undeployed=_undeployed(planned),
        place=world.places.get(key) or world.places.get((*model.key, "")),
    )


def _demand(asked: Valid | None) -> float:
    return asked.declared_demand if asked else 0.0


def _placement(model: ModelPlan, placement: Placement, asked: Valid | None) -> PlacementRow:
    pool, variant, engine = placement.identity
    demand = _demand(asked)
    view = model.seen.pools.get(pool)
    row = PlacementRow(
        name=placement.name,
        state=placement.state,
        pool=pool,
        variant=variant,
        engine=engine,
        replicas=placement.replicas,
        usd_per_hour=_hourly(model, placement, demand),
        each=float(_count(view, model)) if isinstance(view, PoolView) and view.spec.nodes else 0.0,
    )
    return row if placement.evaluated is None or asked is None else _with_figures(row, placement.evaluated, asked)


def _with_figures(row: PlacementRow, chosen: Evaluated, asked: Valid) -> PlacementRow:
    return replace(
        row,
        evaluated=True,
        slots=chosen.prediction.slots,
        tokens_per_second=chosen.tokens_per_second,
        capacity_source=chosen.capacity_source,
        cost=chosen.cost,
        joules_per_token=chosen.joules_per_token,
        targets=targets(chosen.prediction, asked.spec),
        accelerators=_accelerators(chosen.candidate),
        each=0.0 if chosen.candidate.offer else chosen.candidate.accelerators,
        guess=chosen.prediction.outside if chosen.guessed else "",
        provider=chosen.candidate.offer is not None,
        input_cost=chosen.costs.input if chosen.costs else None,
        output_cost=chosen.costs.output if chosen.costs else None,
    )


def targets(expected: Prediction, spec: WorkloadClassSpec) -> tuple[Target, ...]:
    """What is expected of every latency that the class could bind; the deadline only where it does."""
    slo, bounds = spec.slo, expected.bounds
    found = [
        Target("ttft", expected.ttft, _seconds(slo.ttft), bounds.ttft.high if bounds else None),
        Target("tpot", expected.tpot, _seconds(slo.tpot), bounds.tpot.high if bounds else None),
        Target("endToEnd", expected.end_to_end, _seconds(slo.end_to_end), bounds.end_to_end.high if bounds else None),
    ]
    if unit_of(spec) is Unit.PROMPT:  # nothing is generated: there is no first token, nor one after it
        found = [t for t in found if t.name == "endToEnd" or t.allowed is not None]
    if slo.deadline:
        found.append(replace(found[-1], name="deadline", allowed=_seconds(slo.deadline)))
    return tuple(found)


def _seconds(given: timedelta | None) -> float | None:
    return given.total_seconds() if given else None


def _accelerators(candidate: Candidate) -> str:
    pool = candidate.pool
    if pool.external:
        return "a provider"
    cores = pool.accelerator is not None and pool.accelerator.kind == "CPU"
    return f"{figures(candidate.accelerators)} {'cores of' if cores else 'x'} {pool.accelerator_name}"


def _hourly(model: ModelPlan, placement: Placement, demand: float) -> Decimal | None:
    """Price of an accelerator times those of a replica times replicas; a provider's by token, at the demand.

    Of what stays as it is by its pool, as replicas of one accelerator (for CPUs, of the pool's cores).
    """
    if placement.evaluated:
        candidate, price = placement.evaluated.candidate, placement.evaluated.candidate.pool.price
        if candidate.pool.external:
            return placement.evaluated.cost * Decimal(str(demand)) * 3600 / 1_000_000
        return None if price is None else price * Decimal(str(candidate.accelerators)) * placement.replicas
    view = model.seen.pools.get(placement.identity[0])
    if not isinstance(view, PoolView) or view.spec.price is None:
        return None
    return view.spec.price.per_accelerator_hour * _count(view, model) * placement.replicas


def _count(view: PoolView, model: ModelPlan) -> Decimal:
    asked = next((v for v in (model.asked(w.class_) for w in model.plan.workloads) if v), None)
    known = next((p for p in asked.question.pools if p.name == view.name), None) if asked else None
    return Decimal(str(known.cores)) if known else Decimal(1)


def _rejected(rejection: Rejection) -> RejectedRow:
    candidate = rejection.candidate
    return RejectedRow(
        candidate.pool.name,
        candidate.variant.name,
        candidate.how,
        rejection.reason,
        rejection.message,
        rejection.binding,
    )


def _undeployed(planned: WorkloadPlan) -> str:
    """What of its placements this release has no way to deploy."""
    if planned.valid is None:
        return ""
    for placement in planned.placements:
        chosen = placement.evaluated.candidate if placement.evaluated else None
        if chosen and (chosen.offer or unplaced_of(chosen, planned.valid.question)):
            where = chosen.pool.name if chosen.offer else chosen.pool.accelerator_name
            return f"this release does not deploy {chosen.engine} on {where}"
    return ""


def _violations(planned: WorkloadPlan, asked: Valid | None, unserved: WorkloadPlan | None) -> Iterable[Violation]:
    """A workload without a placement, or with less than its demand needs."""
    if unserved:
        yield Violation(unserved.reason, _unserved(unserved))
    if not planned.planned:
        yield Violation(planned.reason, _message(planned), _binding(planned))
        return
    for placement in planned.placements:
        if asked and placement.evaluated and placement.state != "Retiring" and not placement.spill:
            yield from _short(asked, planned, (placement, placement.evaluated))


def _message(planned: WorkloadPlan) -> str:
    """Of a workload without candidates each reason once, with what is nearest to serving: there may be hundreds."""
    if not planned.rejected or planned.reason != Reason.NO_CANDIDATE:
        return planned.message
    groups = _by_reason(planned)
    listed = "; ".join(f"{reason} {len(group)} ({_nearest(group)})" for reason, group in groups[:REASONS])
    return f"none of {len(planned.rejected)} candidates can serve: {listed}"


def _unserved(planned: WorkloadPlan) -> str:
    """Why the operator would place nothing, shorter: what could be done is told beside it."""
    if not planned.rejected or planned.reason != Reason.NO_CANDIDATE:
        return f"this release deploys nothing for it: {planned.message}"
    (reason, most), *others = sorted(_by_reason(planned), key=lambda g: (g[0] == Reason.NOT_PINNED, -len(g[1])))
    counts = "".join(f", {other} {len(group)}" for other, group in others)
    words = f"{reason} {len(most)} ({_nearest(most)}){counts}"
    return f"this release deploys nothing for it: none of {len(planned.rejected)} candidates can serve: {words}"


def _by_reason(planned: WorkloadPlan) -> list[tuple[str, list[Rejection]]]:
    groups: dict[str, list[Rejection]] = {}
    for rejection in planned.rejected:
        groups.setdefault(rejection.reason, []).append(rejection)
    return list(groups.items())


def _nearest(group: Sequence[Rejection]) -> str:
    """The one that misses by least, where that has a number; else the first."""
    found = min(group, key=lambda r: inf if r.excess is None else r.excess)
    nearest = "the nearest is " if found.excess is not None and len(group) > 1 else ""
    return f"{nearest}{_rejected(found).words}: {found.message}"


def _binding(planned: WorkloadPlan) -> str | None:
    """Of the most telling candidate that has one."""
    return next((r.binding for r in planned.rejected if r.binding), None)


def _short(asked: Valid, planned: WorkloadPlan, first: tuple[Placement, Evaluated]) -> Iterable[Violation]:
    placement, chosen = first
    if chosen.candidate.offer:
        yield from _over_rate_limit(asked, chosen)
        return
    needed, most = asked.replicas_for_demand(chosen.tokens_per_second), asked.workload.replicas.max
    if needed > most:
        message = f"the demand needs {needed} replicas, and replicas.max is {most}"
        yield Violation(Reason.MAX_REPLICAS, message, "replicas.max")
    if placement.wanted > placement.replicas:
        yield Violation(Reason.POOL_EXHAUSTED, short(planned, placement), "nodes")


def _over_rate_limit(asked: Valid, chosen: Evaluated) -> Iterable[Violation]:
    if asked.declared_demand > chosen.tokens_per_second:
        most, demand = figures(chosen.tokens_per_second), figures(asked.declared_demand)
        message = f"the demand is {demand} tokens/s, and the provider's rate limits allow {most}"
        yield Violation(Reason.POOL_EXHAUSTED, message, "rateLimit")


def _pools(world: World, plans: Plans, workloads: tuple[WorkloadRow, ...]) -> tuple[PoolRow, ...]:
    """Of the files and the snapshot; those of one world look alike to all Models."""
    if not plans.models:
        return ()
    views = plans.models[0].seen.pools
    return tuple(_pool(world, name, views[name], workloads) for name in sorted(views))


def _pool(world: World, name: str, view: PoolView | Problem, workloads: tuple[WorkloadRow, ...]) -> PoolRow:
    mine = [p for w in workloads for p in w.staying if p.pool == name]
    used, cost = sum(p.replicas for p in mine), sum((p.usd_per_hour or Decimal(0) for p in mine), Decimal(0))
    if isinstance(view, Problem):
        return PoolRow(name, "", None, used, cost, 0, view.message)
    accelerator_name, accelerator = accelerator_of(view.spec, world.catalog)
    there = room(view.spec, accelerator, read_nodes(world.stores))
    bounded = name not in world.as_needed
    price = view.spec.price.per_accelerator_hour if view.spec.price else None
    where = view.spec.external.endpoint if view.spec.external else accelerator_name
    known = accelerator or view.spec.external
    row = PoolRow(name, where, price, used, cost, there.nodes if bounded else None, "" if known else "unknown")
    if view.spec.nodes is None:
        return row
    unit = "cores" if accelerator and accelerator.kind == "CPU" else "accelerators"
    size = float(size_of(view.spec, accelerator)[0])
    taken = sum(p.replicas * p.each for p in mine)
    return replace(row, unit=unit, taken=taken, room=there.replicas * size if bounded else None)
