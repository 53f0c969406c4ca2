"""The fleet's decisions over a `World`: the one place that calls the operator's own steps. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from inferfleet.catalog.loader import Accelerator
from inferfleet.fleet.observe import read_pools
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.pools import accelerator_of
from inferfleet.fleet.share import planned
from inferfleet.fleet.types import Blocked, Key, Observed, Plan, PoolView, Problem, Told, Valid, WorkloadPlan
from inferfleet.fleet.validate import validate
from inferfleet.offline.program import Chosen, together
from inferfleet.offline.world import World
from inferfleet.performance.load import coefficients
from inferfleet.planning.candidates.engines import unplaced
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.types import Unplaced

Validated = tuple[Valid | Blocked, ...] | Problem
Known = Mapping[tuple[str, str], Unplaced]
Tell = Callable[[str], None]
Engines = Literal["auto", "deployed", "known"]
"""Which engines and providers are planned with: those that this release deploys; all that the catalog knows; or
(auto) the first, and all for what they cannot serve."""


def _nobody(_: str) -> None:
    """Hears nothing."""


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


@dataclass(frozen=True)
class _Given:
    """What every Model is decided with."""

    world: World
    engines: Engines
    known: Known
    memo: Memo
    tell: Tell

    def decided(self, key: Key, seen: Observed, assigned: Mapping[str, Told]) -> ModelPlan:
        """One Model."""
        validated = validate(seen, self.world.catalog, self.world.settings)
        if self.engines == "known" and not isinstance(validated, Problem):
            validated = tuple(_opened(v, self.known) for v in validated)
        make = partial(make_plan, seen, replicas={}, memo=self.memo)
        if isinstance(validated, Problem):
            return ModelPlan(key, seen, validated, make(validated=validated))
        validated, plan = planned(seen, validated, assigned, (self.world.catalog, self.world.settings), make)
        model = ModelPlan(key, seen, validated, plan)
        return _beyond(model, self, assigned) if self.engines == "auto" else model


def decide(world: World, engines: Engines = "auto", memo: Memo | None = None, tell: Tell = _nobody) -> Plans:
    """Each Model as if it were alone, then all together as the placement loop would, then each as a reconcile would.

    What could be placed alone is part of the program, so that none is left out for coming last. `memo` holds what was
    computed for other worlds of the same catalog; `tell` hears how far it is.
    """
    known = {} if engines == "deployed" else unplaced(world.catalog, _custom(world))
    given = _Given(world, engines, known, memo or Memo(), tell)
    alone = _alone(given)
    tell("placing all of them together")
    chosen = together(world, [(m.key, m.plan) for m in alone], _others(world, alone), given.memo)
    return Plans(_each(given, alone, chosen), chosen.note)


def _alone(given: _Given) -> tuple[ModelPlan, ...]:
    found: list[ModelPlan] = []
    for key in given.world.models:
        given.tell(f"{len(found)} of {len(given.world.models)} Models compared")
        found.append(given.decided(key, given.world.observe(key), {}))
    return tuple(found)


def _each(given: _Given, alone: Iterable[ModelPlan], chosen: Chosen) -> tuple[ModelPlan, ...]:
    """One after the other, what is most important first, each beside what those before it take."""
    taken: dict[tuple[str, str, str], dict[str, int]] = {}
    found: dict[Key, ModelPlan] = {}
    for key in sorted((m.key for m in alone), key={m.key: (-_priority(m), m.key) for m in alone}.__getitem__):
        given.tell(f"{len(found)} of {len(given.world.models)} Models placed")
        seen = given.world.observe(key)
        model = given.decided(key, replace(seen, held={**seen.held, **taken}), chosen.of(key))
        found[key] = model
        taken |= {(*key, class_): pools for class_, pools in _held(model.plan).items()}
    return tuple(found[m.key] for m in alone)


def _priority(model: ModelPlan) -> int:
    """Of its most important workload."""
    validated = () if isinstance(model.validated, Problem) else model.validated
    return max((v.spec.priority for v in validated if isinstance(v, Valid)), default=0)


def _others(world: World, models: Iterable[ModelPlan]) -> dict[Key, Counter[str]]:
    """Replicas by pool of Models that only the snapshot has."""
    held: Mapping[tuple[str, str, str], Mapping[str, int]] = next((m.seen.held for m in models), {})
    found, planned = dict[Key, Counter[str]](), set(world.models)
    for (namespace, model, _), pools in held.items():
        if (namespace, model) not in planned:
            found.setdefault((namespace, model), Counter()).update(pools)
    return found


def _custom(world: World) -> Iterable[Accelerator]:
    """Accelerators that pools describe themselves."""
    for view in read_pools(world.stores).values():
        if isinstance(view, PoolView) and view.spec.custom:
            accelerator = accelerator_of(view.spec, world.catalog)[1]
            assert accelerator
            yield accelerator


def _beyond(model: ModelPlan, given: _Given, assigned: Mapping[str, Told]) -> ModelPlan:
    """With what could be, where the operator finds nothing."""
    failed = {w.class_: w for w in model.plan.workloads if not (w.planned or w.placements)}
    if isinstance(model.validated, Problem) or not failed:
        return model
    opened = tuple(_opened(v, given.known) if _class_of(v) in failed else v for v in model.validated)
    plan = make_plan(model.seen, opened, {}, assigned, given.memo)
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
    """Replicas of one accelerator by class and pool; those that retire keep theirs until their successor is ready."""
    held: dict[str, dict[str, int]] = {}
    for workload in plan.workloads:
        pools = held.setdefault(workload.class_, {})
        for placement in workload.placements:
            if placement.state != "Recommended":
                pool = placement.identity[0]
                pools[pool] = pools.get(pool, 0) + placement.taken
    return held
