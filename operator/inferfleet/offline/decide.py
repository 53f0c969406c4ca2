"""The fleet's decisions over a `World`: the one place that calls the operator's own steps. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from inferfleet.catalog.loader import Accelerator
from inferfleet.fleet.observe import read_pools
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.pools import accelerator_of
from inferfleet.fleet.share import together as as_one
from inferfleet.fleet.types import Blocked, Key, Observed, Plan, PoolView, Problem, Told, Valid, WorkloadPlan
from inferfleet.fleet.validate import validate
from inferfleet.offline.program import Chosen, together
from inferfleet.offline.world import World
from inferfleet.performance.load import coefficients
from inferfleet.planning.candidates.engines import unplaced
from inferfleet.planning.types import Unplaced

Validated = tuple[Valid | Blocked, ...] | Problem
Known = Mapping[tuple[str, str], Unplaced]
Engines = Literal["auto", "deployed", "known"]
"""Which engines and providers are planned with: those that this release deploys; all that the catalog knows; or
(auto) the first, and all for what they cannot serve."""


@dataclass(frozen=True)
class ModelPlan:
    """What shall be for one Model, and what it was decided on."""

    key: Key
    seen: Observed
    validated: Validated
    plan: Plan
    unserved: Mapping[str, WorkloadPlan] = field(default_factory=dict)
    """By class: what the operator would say where it places nothing, and `plan` has what could be."""

    def asked(self, class_: str) -> Valid | None:
        """The workload's question as it was put, whether or not it had an answer."""
        if isinstance(self.validated, Problem):
            return None
        found = (v for v in self.validated if isinstance(v, Valid) and v.workload.class_ == class_)
        return next(found, None)


@dataclass(frozen=True)
class Plans:
    """Of all Models of the world."""

    models: tuple[ModelPlan, ...]
    note: str = ""
    """How they were placed together; empty where there was nothing to place together."""


def decide(world: World, engines: Engines = "auto") -> Plans:
    """Each Model as if it were alone, then all together as the placement loop would, then each as a reconcile would.

    What could be placed alone is part of the program, so that none is left out for coming last.
    """
    known = {} if engines == "deployed" else unplaced(world.catalog, _custom(world))
    alone = _each(world, engines, known, None)
    chosen = together(world, [(m.key, m.plan) for m in alone], _others(world, alone))
    return Plans(_each(world, engines, known, chosen), chosen.note)


def _each(world: World, engines: Engines, known: Known, chosen: Chosen | None) -> tuple[ModelPlan, ...]:
    """One after the other, each beside what those before it take; without `chosen` as if there were no others."""
    taken: dict[tuple[str, str, str], dict[str, int]] = {}
    found = []
    for key in world.models:
        seen, assigned = world.observe(key), chosen.of(key) if chosen else {}
        model = _decided(world, key, replace(seen, held={**seen.held, **taken}), assigned)
        if engines != "deployed":
            model = _beyond(model, known, assigned, everything=engines == "known")
        found.append(model)
        if chosen:
            taken |= {(*key, class_): pools for class_, pools in _held(model.plan).items()}
    return tuple(found)


def _others(world: World, models: Iterable[ModelPlan]) -> Counter[str]:
    """Replicas by pool of Models that only the snapshot has."""
    held: Mapping[tuple[str, str, str], Mapping[str, int]] = next((m.seen.held for m in models), {})
    found, planned = Counter[str](), set(world.models)
    for (namespace, model, _), pools in held.items():
        if (namespace, model) not in planned:
            found.update(pools)
    return found


def _custom(world: World) -> Iterable[Accelerator]:
    """Accelerators that pools describe themselves."""
    for view in read_pools(world.stores).values():
        if isinstance(view, PoolView) and view.spec.custom:
            accelerator = accelerator_of(view.spec, world.catalog)[1]
            assert accelerator
            yield accelerator


def _decided(world: World, key: Key, seen: Observed, assigned: Mapping[str, Told]) -> ModelPlan:
    validated = validate(seen, world.catalog, world.settings)
    if not isinstance(validated, Problem):
        validated = as_one(validated, assigned, seen, world.catalog)
    return ModelPlan(key, seen, validated, make_plan(seen, validated, {}, assigned))


def _beyond(model: ModelPlan, known: Known, assigned: Mapping[str, Told], *, everything: bool) -> ModelPlan:
    """With what could be: where the operator finds nothing, or of everything."""
    if isinstance(model.validated, Problem):
        return model
    failed = {} if everything else {w.class_: w for w in model.plan.workloads if not (w.planned or w.placements)}
    opened = tuple(_opened(v, known) if everything or _class_of(v) in failed else v for v in model.validated)
    if opened == model.validated:
        return model
    plan = make_plan(model.seen, opened, {}, assigned)
    unserved = {w.class_: failed[w.class_] for w in plan.workloads if w.planned and w.class_ in failed}
    return replace(model, validated=opened, plan=plan, unserved=unserved)


def _class_of(item: Valid | Blocked) -> str:
    return item.workload.class_ if isinstance(item, Valid) else item.class_


def _opened(item: Valid | Blocked, known: Known) -> Valid | Blocked:
    if isinstance(item, Blocked):
        return item
    opened = replace(item.question, plan_unplaced=True, unplaced=known, coefficients=coefficients())
    return replace(item, question=opened)


def _held(plan: Plan) -> dict[str, dict[str, int]]:
    """Replicas by class and pool; those that retire hold their place until their successor is ready."""
    held: dict[str, dict[str, int]] = {}
    for workload in plan.workloads:
        pools = held.setdefault(workload.class_, {})
        for placement in workload.placements:
            if placement.state != "Recommended":
                pool = placement.identity[0]
                pools[pool] = pools.get(pool, 0) + placement.replicas
    return held
