"""Which workloads of a Model can be planned, and what is wrong with the others. Pure."""

from dataclasses import dataclass

from inferfleet.api.model import Architecture, ModelSpec, Workload
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Catalog, ModelArchitecture
from inferfleet.fleet.types import Blocked, Live, Node, Observed, PoolView, Problem, Valid
from inferfleet.names import Reason, digest
from inferfleet.planning.types import Pool, Question, Variant
from inferfleet.settings import Settings
from inferfleet_runtime.engines import ENGINES


@dataclass(frozen=True)
class _Known:
    """What all workloads of a Model share."""

    spec: ModelSpec
    architecture: ModelArchitecture
    key: str


def validate(seen: Observed, catalog: Catalog, settings: Settings) -> tuple[Valid | Blocked, ...] | Problem:
    """One result per workload in the order of the spec, or the problem that blocks all of them."""
    if isinstance(seen.spec, Problem):
        return seen.spec
    architecture = _architecture(seen.spec.architecture, catalog)
    if isinstance(architecture, Problem):
        return architecture
    known = _Known(seen.spec, *architecture)
    return tuple(_workload(w, known, seen, (catalog, settings)) for w in seen.spec.workloads)


def _architecture(given: Architecture, catalog: Catalog) -> tuple[ModelArchitecture, str] | Problem:
    if given.preset is not None:
        if found := catalog.models.get(given.preset):
            return found, given.preset
        message = (
            f"spec.architecture.preset: the catalog has no {given.preset}; it has {', '.join(sorted(catalog.models))}"
        )
        return Problem(Reason.ARCHITECTURE_UNKNOWN, message)
    numbers = given.model_dump(exclude={"preset"})
    if None in numbers.values():
        lacking = ", ".join(sorted(name for name, value in numbers.items() if value is None))
        return Problem(Reason.INVALID_SPEC, f"spec.architecture: without preset, also {lacking} must be given")
    return ModelArchitecture(name="inline", **numbers), f"custom-{digest(numbers)}"


def _workload(workload: Workload, known: _Known, seen: Observed, context: tuple[Catalog, Settings]) -> Valid | Blocked:
    class_ = seen.classes.get(workload.class_)
    if class_ is None:
        message = f"WorkloadClass {workload.class_} does not exist; create it, or correct spec.workloads[].class"
        return Blocked(workload.class_, Problem(Reason.CLASS_NOT_FOUND, message))
    if isinstance(class_, Problem):
        return Blocked(workload.class_, class_)
    mine = (seen.namespace, seen.name, workload.class_)
    live = [p for p in seen.live if p.class_ == workload.class_ and not p.deleting]
    if problem := _vanished(live, seen):
        return Blocked(workload.class_, problem)
    pools = tuple(_pool(p, seen, mine, context[0]) for p in _selected(workload, seen))
    return Valid(workload, class_, _question(workload, class_, known, seen, (pools, *context)))


def _vanished(live: list[Live], seen: Observed) -> Problem | None:
    """A pool or all its nodes gone under a placement that serves: a mistake until somebody says otherwise.

    One that never got ready serves nobody: it is no reason to freeze what does.
    """
    for placement in [p for p in live if p.ready] or live:
        name = placement.pool
        pool = seen.pools.get(name)
        if pool is None:
            return Problem(Reason.POOL_NOT_FOUND, f"HardwarePool {name} does not exist any more")
        if isinstance(pool, Problem):
            return pool
        if not any(_matches(node, pool) for node in seen.nodes):
            return Problem(Reason.NODES_NOT_FOUND, f"no node matches HardwarePool {name} any more")
    return None


def _selected(workload: Workload, seen: Observed) -> list[PoolView]:
    wanted = workload.pools.match_labels.items() if workload.pools else ()
    return [
        pool
        for pool in seen.pools.values()
        if isinstance(pool, PoolView) and all(pool.labels.get(key) == value for key, value in wanted)
    ]


def _question(
    workload: Workload,
    class_: WorkloadClassSpec,
    known: _Known,
    seen: Observed,
    world: tuple[tuple[Pool, ...], Catalog, Settings],
) -> Question:
    pools, catalog, settings = world
    incumbents = {p.identity for p in seen.live if p.class_ == workload.class_ and not p.deleting}
    return Question(
        architecture=known.architecture,
        architecture_key=known.key,
        variants=tuple(Variant(v.name, v.quantization) for v in known.spec.variants),
        pools=pools,
        workload=class_,
        min_replicas=workload.replicas.min,
        incumbents=frozenset(incumbents),
        engines=ENGINES,
        quantizations=catalog.quantizations,
        ledger=seen.ledger,
        move_saving=float("inf") if settings.pause_moves else settings.move_saving,
    )


def _pool(view: PoolView, seen: Observed, mine: tuple[str, str, str], catalog: Catalog) -> Pool:
    spec = view.spec
    accelerator = catalog.accelerators.get(spec.accelerator)
    usable = [n for n in seen.nodes if n.usable and _matches(n, view)]
    usable = sorted(usable, key=lambda n: n.name)[: spec.nodes.max_nodes]
    size = sum(_fits(n, float(spec.nodes.replica.cpu), spec.nodes.replica.memory) for n in usable)
    held = sum(pools.get(view.name, 0) for owner, pools in seen.held.items() if owner != mine)
    return Pool(
        name=view.name,
        accelerator_name=spec.accelerator,
        accelerator=accelerator,
        engines=tuple(spec.engines) if spec.engines is not None else (accelerator.engines if accelerator else ()),
        selector=spec.nodes.selector,
        cores=float(spec.nodes.replica.cpu),
        memory=spec.nodes.replica.memory,
        price=spec.price.per_accelerator_hour if spec.price else None,
        nodes=len(usable),
        free=size - held,
    )


def _fits(node: Node, cores: float, memory: int) -> int:
    """Replicas on an empty node: an upper bound, since the scheduler knows what else runs there."""
    return int(min(node.cores / cores, node.memory / memory))


def _matches(node: Node, pool: PoolView) -> bool:
    return all(node.labels.get(key) == value for key, value in pool.spec.nodes.selector.items())
