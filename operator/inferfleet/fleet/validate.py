"""Which workloads of a Model can be planned, and what is wrong with the others. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from inferfleet.api import artifacts
from inferfleet.api.architecture import Architecture
from inferfleet.api.model import ModelSpec, PlacementPolicy, Workload
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Catalog, ModelArchitecture
from inferfleet.catalog.near import unknown
from inferfleet.fleet.build.dialect import untold, versions
from inferfleet.fleet.pools import Tenant, accelerator_of, allows, matches, matching, pool, room, selector_of, yielding
from inferfleet.fleet.sources import seen_as, source_of, sourceless, unmounted
from inferfleet.fleet.types import Blocked, Live, Observed, PoolView, Problem, Valid, declared_demand
from inferfleet.names import Reason, digest
from inferfleet.planning.types import Pin, Pool, Question, Variant
from inferfleet.planning.unit import without_answers
from inferfleet.settings import Settings
from inferfleet_runtime.engines import ENGINES, EngineProfile

_NEEDED = ("layers", "hidden", "feed_forward", "heads", "kv_heads", "head_dim", "vocabulary")


@dataclass(frozen=True)
class _Known:
    """What all workloads of a Model share."""

    spec: ModelSpec
    architecture: ModelArchitecture
    key: str
    numbers: dict[str, Any]
    """Of an architecture that is given by its numbers."""


def validate(seen: Observed, catalog: Catalog, settings: Settings) -> tuple[Valid | Blocked, ...] | Problem:
    """One result per workload in the order of the spec, or the problem that blocks all of them."""
    if isinstance(seen.spec, Problem):
        return seen.spec
    if problem := sourceless(seen.spec.variants):
        return Problem(Reason.INVALID_SPEC, problem)
    architecture = _architecture(seen.spec.architecture, catalog)
    if isinstance(architecture, Problem):
        return architecture
    known = _Known(seen.spec, *architecture)
    return tuple(_workload(w, known, seen, (catalog, settings)) for w in seen.spec.workloads)


def _architecture(given: Architecture, catalog: Catalog) -> tuple[ModelArchitecture, str, dict[str, Any]] | Problem:
    if given.preset is not None:
        if found := catalog.models.get(given.preset):
            return found, given.preset, {}
        message = f"spec.architecture.preset: {unknown(given.preset, catalog.models)}"
        return Problem(Reason.ARCHITECTURE_UNKNOWN, message)
    numbers = given.model_dump(exclude={"preset"} | (set() if given.encoder else {"encoder"}), exclude_none=True)
    if lacking := ", ".join(sorted(set(_NEEDED) - set(numbers))):
        return Problem(Reason.INVALID_SPEC, f"spec.architecture: without preset, also {lacking} must be given")
    try:
        return ModelArchitecture(name="inline", **numbers), f"custom-{digest(numbers)}", numbers
    except ValidationError as error:  # the CRD's rules say it first; an object may be older than they are
        return Problem(Reason.INVALID_SPEC, f"spec.architecture: {error.errors()[0]['msg']}")


def _workload(workload: Workload, known: _Known, seen: Observed, context: tuple[Catalog, Settings]) -> Valid | Blocked:
    class_ = seen.classes.get(workload.class_)
    if class_ is None:
        message = f"WorkloadClass {workload.class_} does not exist; create it, or correct spec.workloads[].class"
        return Blocked(workload.class_, Problem(Reason.CLASS_NOT_FOUND, message))
    if isinstance(class_, Problem):
        return Blocked(workload.class_, class_)
    if not allows(class_.allowed_namespaces, seen.namespace_labels):
        message = f"WorkloadClass {workload.class_} does not allow namespace {seen.namespace} (spec.allowedNamespaces)"
        return Blocked(workload.class_, Problem(Reason.CLASS_NOT_ALLOWED, message))
    class_ = without_answers(class_.model_copy(update={"traffic": class_.traffic.overridden(workload.traffic)}))
    mine = (seen.namespace, seen.name, workload.class_)
    live = seen.running(workload.class_)
    if problem := vanished(live, seen, context[0]):
        return Blocked(workload.class_, problem)
    tenant = Tenant(mine, yielding(mine, seen, context[1].priority_classes))
    pools = tuple(pool(p, seen, tenant, context[0]) for p in _selected(workload, seen))
    question = _question(workload, class_, _as_asked(known, class_), seen, (pools, *context))
    keeps_image = known.spec.engine_update == "Manual"
    return Valid(workload, class_, question, keeps_image, context[1].pause_moves)


def _as_asked(known: _Known, class_: WorkloadClassSpec) -> _Known:
    """Numbers alone do not say whether a transformer generates or embeds, and it may do either: its class says.

    What embeds generates nothing, so what was measured of it is about something else. An encoder can do nothing else.
    """
    if not known.numbers or not (class_.modality == "Embedding" or known.architecture.encoder):
        return known
    architecture = known.architecture.model_copy(update={"modality": "Embedding"})
    key = f"custom-{digest(known.numbers | {'modality': 'Embedding'})}"
    return replace(known, architecture=architecture, key=key)


def vanished(live: list[Live], seen: Observed, catalog: Catalog) -> Problem | None:
    """A pool or all its nodes gone under a placement that serves: a mistake until somebody says otherwise.

    One that never got ready serves nobody: it is no reason to freeze what does.
    """
    for placement in [p for p in live if p.ready] or live:
        name = placement.pool
        found = seen.pools.get(name)
        if found is None:
            return Problem(Reason.POOL_NOT_FOUND, f"HardwarePool {name} does not exist any more")
        if isinstance(found, Problem):
            return found
        accelerator = accelerator_of(found.spec, catalog)[1]
        there = matching(seen.nodes, selector_of(found.spec, accelerator))
        if not there and not room(found.spec, accelerator, seen.nodes).nodes:
            return Problem(Reason.NODES_NOT_FOUND, f"no node matches HardwarePool {name} any more")
    return None


def _selected(workload: Workload, seen: Observed) -> list[PoolView]:
    wanted = workload.pools.match_labels if workload.pools else {}
    return [p for p in seen.pools.values() if isinstance(p, PoolView) and matches(p.labels, wanted)]


def _question(
    workload: Workload,
    class_: WorkloadClassSpec,
    known: _Known,
    seen: Observed,
    world: tuple[tuple[Pool, ...], Catalog, Settings],
) -> Question:
    pools, catalog, settings = world
    incumbents = _incumbents(workload.class_, seen, settings)
    running = {p.identity: p.replicas for p in incumbents}
    live = seen.running(workload.class_)
    demand = workload.demand
    return Question(
        architecture=known.architecture,
        architecture_key=known.key,
        variants=tuple(_variant(v, known.spec) for v in known.spec.variants),
        pools=pools,
        workload=class_,
        min_replicas=workload.replicas.least,
        incumbents=frozenset(running),
        engines=_engines(catalog),
        quantizations=catalog.quantizations,
        ledger=seen.ledger,
        move_saving=float("inf") if settings.pause_moves else settings.move_saving,
        pin=_pin(workload.placement),
        max_replicas=workload.replicas.max,
        speculators=_speculators(known.spec),
        adapted=bool(known.spec.adapters),
        trusted_headers=settings.trusted_headers,
        guaranteed=declared_demand(workload, class_) if demand and demand.guaranteed else 0.0,
        running=running,
        slots={p.identity: p.slots for p in incumbents},
        untold=untold(live, settings, keeps_image=known.spec.engine_update == "Manual"),
        versions=versions(live, settings, keeps_image=known.spec.engine_update == "Manual"),
        unselected=frozenset(name for name, p in seen.pools.items() if isinstance(p, PoolView))
        - {p.name for p in pools},
        unreadable={name: p.message for name, p in seen.pools.items() if isinstance(p, Problem)},
    )


def _speculators(spec: ModelSpec) -> dict[str, str]:
    """The first of each method. Where its weights come from is what they are, unless a digest says it better."""
    found: dict[str, str] = {}
    for one in spec.speculators:
        source = one.source
        content = source and (source.sha256 or [source.uri, source.revision])
        found.setdefault(one.method, digest(content) if content else "")
    return found


def _engines(catalog: Catalog) -> Mapping[str, EngineProfile]:
    """With the images that the administrator names."""
    named = {name: entry.image for name, entry in catalog.engines.items() if entry.image}
    return {
        name: replace(profile, image=named[name], version=_tag(named[name]))
        if name in named and profile.shape == "Beside"
        else profile
        for name, profile in ENGINES.items()
    }


def _tag(image: str) -> str:
    """As good a version as any: what it is called, or its digest; as short as a CapacityProfile can say."""
    tag = image.replace("{arch}", "").rpartition("/")[2].rpartition(":")[2]
    return tag.removeprefix("v").rstrip("-")[:48]


def _incumbents(class_: str, seen: Observed, settings: Settings) -> list[Live]:
    """What runs; while moves are paused what serves, so that a successor that does not yet is given up."""
    running = [p for p in seen.running(class_) if not p.spill]
    serving = [p for p in running if p.ready] if settings.pause_moves else []
    return serving or running


def _variant(variant: artifacts.Variant, spec: ModelSpec) -> Variant:
    source = source_of(variant, {v.name: v for v in spec.variants})
    scheme = seen_as(source.uri).split(":")[0]
    companions = [s.source for s in spec.speculators if s.source] + [a.source for a in spec.adapters]
    problem = next((found for c in companions if (found := unmounted(c.uri, source.uri))), "")
    gguf = source.uri.endswith(".gguf")
    return Variant(variant.name, variant.quantization, scheme, tuple(variant.accuracy), gguf, problem)


def _pin(policy: PlacementPolicy) -> Pin | None:
    if policy.mode != "Pinned" or policy.pool is None or policy.variant is None:
        return None
    return Pin(policy.pool, policy.variant, policy.engine, policy.tensor_parallel)
