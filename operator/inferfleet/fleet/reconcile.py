"""One reconcile of one Model: the five steps in order. Reads informers, writes the cluster."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from inferfleet import errors, names
from inferfleet.api.base import GROUP, VERSION, timestamp
from inferfleet.api.model import ModelSpec
from inferfleet.api.model_status import ModelStatus, ScalingDecision
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Catalog
from inferfleet.costing.mean import Observed as CostObserved
from inferfleet.fleet.apply import Written, apply
from inferfleet.fleet.build import build
from inferfleet.fleet.build.dialect import unspoken
from inferfleet.fleet.build.view import ModelView
from inferfleet.fleet.cost_status import with_costs
from inferfleet.fleet.decisions import with_decisions
from inferfleet.fleet.events import Event, events
from inferfleet.fleet.observe import Stores, observe
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.share import planned
from inferfleet.fleet.status import compute_status, settled, to_json, without_wording
from inferfleet.fleet.types import Applied, Key, Obj, Observed, Plan, Problem, Told
from inferfleet.fleet.unobeyed import unobeyed
from inferfleet.fleet.validate import validate
from inferfleet.kube.cluster import Cluster
from inferfleet.names import Reason
from inferfleet.planning.types import Measured
from inferfleet.scaling.law import Decision
from inferfleet.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decided:
    """What the fleet's two loops know of one Model."""

    decisions: Mapping[str, Decision] = field(default_factory=dict)
    """By class."""
    served: Mapping[str, float] | None = None
    """Tokens per second by class, of its unit; None before the first scrape."""
    status_written: datetime | None = None
    """When live numbers were last written."""
    assigned: Mapping[str, Told] | None = field(default_factory=dict)
    """What the placement program chose for the fleet as a whole, by class label; None: it was not asked since the
    start.
    """
    costs: tuple[CostObserved, ...] | None = None
    """What it costs, by class and pool; None: too little was seen since the start."""
    recent: Mapping[str, tuple[ScalingDecision, ...]] = field(default_factory=dict)
    """The last decisions of the scaling loop since the start, by class label."""


@dataclass(frozen=True)
class Context:
    """What every reconcile is given."""

    cluster: Cluster
    settings: Settings
    catalog: Catalog
    written: Written


@dataclass(frozen=True)
class Result:
    """What came of a reconcile."""

    plan: Plan
    ledger: Mapping[str, Measured]
    """As the plan saw it."""
    writes: int
    status_written: bool
    configs: Mapping[str, str]
    """Hash of the configuration that its pods shall have, by Deployment."""
    recheck: float
    """Seconds until it should be looked at again, whatever happens."""


async def reconcile(key: Key, stores: Stores, decided: Decided, context: Context, now: datetime) -> Result | None:
    """Bring the cluster one step closer to the Model; None when the Model is gone.

    Raises passing API errors after the status has told of them.
    """
    seen = observe(key, stores, now, context.settings.capacity_max_age)
    if seen is None:
        return None
    plan, desired = decide(seen, decided, context)
    failed: errors.ApiError | None = None
    try:
        applied = await apply(desired, plan, seen, context.cluster, context.written)
    except errors.Transient as error:
        failed = error
        applied = Applied(
            0, Problem(Reason.APPLY_FAILING, f"a child could not be written, and is tried again: {error}")
        )
    status = compute_status(seen, plan, applied, decided.decisions, decided.served, now)
    status = with_costs(with_decisions(status, seen.status, decided.recent), seen.status, decided.costs)
    wrote = await _write_status(seen, status, decided, context, now)
    if failed:
        raise failed
    return Result(plan, seen.ledger, applied.writes, wrote, _configs(desired), context.settings.resync_interval)


def _configs(desired: list[Obj]) -> dict[str, str]:
    deployments = [o for o in desired if o["kind"] == "Deployment"]
    noted = {o["metadata"]["name"]: o["spec"]["template"]["metadata"].get("annotations") or {} for o in deployments}
    return {name: notes.get(names.ANNOTATION_CONFIG, "") for name, notes in noted.items()}


def decide(seen: Observed, decided: Decided, context: Context) -> tuple[Plan, list[Obj]]:
    """The pure steps. A bug in them is this Model's condition, removes nothing, and stops no other Model."""
    asked = {class_: decision.asked for class_, decision in decided.decisions.items()}
    replicas = {class_: count for class_, count in asked.items() if count is not None}
    try:
        validated = validate(seen, context.catalog, context.settings)
        if isinstance(validated, Problem):
            plan = make_plan(seen, validated, replicas)
        else:
            world = (context.catalog, context.settings)
            make = partial(make_plan, seen, replicas=replicas)
            _, plan = planned(seen, validated, decided.assigned, world, make)
        model = view(seen)
        if model is None:
            return plan, []
        ignored = unobeyed(model.spec, _named_classes(seen, model.spec), context.settings)
        plan = replace(plan, unobeyed=(*ignored, *unspoken(model, plan, context.settings)))
        return plan, build(model, plan, context.settings)
    except Exception as error:
        log.exception("deciding failed", extra={"namespace": seen.namespace, "model": seen.name})
        problem = Problem(
            Reason.INTERNAL_ERROR, f"a bug of the operator: {type(error).__name__}: {error}; please report it"
        )
        return make_plan(seen, problem, replicas), []


def _named_classes(seen: Observed, spec: ModelSpec) -> dict[str, WorkloadClassSpec]:
    found = {w.class_: seen.classes.get(w.class_) for w in spec.workloads}
    return {name: class_ for name, class_ in found.items() if isinstance(class_, WorkloadClassSpec)}


def view(seen: Observed) -> ModelView | None:
    """The parts that building needs, or None for a Model that cannot be read."""
    if not isinstance(seen.spec, ModelSpec):
        return None
    return ModelView(seen.namespace, seen.name, seen.uid, seen.spec)


async def _write_status(seen: Observed, status: ModelStatus, decided: Decided, context: Context, now: datetime) -> bool:
    """Once, at the end, if different; when only live numbers moved, not more often than they are due."""
    if without_wording(status) == without_wording(seen.status):
        return False
    recently = (
        decided.status_written and (now - decided.status_written).total_seconds() < context.settings.status_interval
    )
    if recently and settled(status) == settled(seen.status):
        return False
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Model",
        "metadata": {"name": seen.name, "namespace": seen.namespace},
        "status": to_json(status),
    }
    try:
        context.written(await context.cluster.apply_status(body, names.STATUS_MANAGER))
    except errors.NotFound:
        return False  # deleted meanwhile: the informer will say so
    for event in events(seen, status):
        with suppress(errors.ApiError):  # a courtesy: the status has said it all
            await context.cluster.create(_event(seen, event, now))
    return True


def _event(seen: Observed, event: Event, now: datetime) -> Obj:
    stamp = timestamp(now)
    suffix = names.digest([event.reason, event.message, stamp], 12)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{seen.name}.{suffix}", "namespace": seen.namespace},
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Model",
            "name": seen.name,
            "namespace": seen.namespace,
            "uid": seen.uid,
        },
        "source": {"component": names.MANAGER},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
