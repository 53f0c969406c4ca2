"""What is known of an engine on an accelerator, also where this release does not deploy it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from inferfleet.catalog.engine_entries import EngineEntry, Platform
from inferfleet.catalog.loader import Accelerator, Catalog, Quantization
from inferfleet.planning.types import Candidate, Question, Unplaced
from inferfleet_runtime.engines import ENGINES, EngineProfile
from inferfleet_runtime.engines.profile import SCHEMES
from inferfleet_runtime.engines.vendors.render import VENDORS
from inferfleet_runtime.engines.vendors.vendor import Kind

RUNS = frozenset({"Documented", "Experimental"})
"""Formats of a platform's table that are planned with; what nobody verified is not."""
KV_BYTES: Mapping[str, float] = MappingProxyType(
    {"F16": 2.0, "BF16": 2.0, "FP8": 1.0, "INT8": 1.0, "Q8_0": 34 / 32, "Q4_0": 18 / 32}
)
"""Of one element, by the API's names of formats."""
_FORMATS: Mapping[str, str] = MappingProxyType({"float16": "F16", "bfloat16": "BF16"})
"""Engines' names of formats where they are not the API's in small letters."""
_KINDS: Mapping[str, Kind] = MappingProxyType(
    {"sm": "cuda", "gfx": "rocm", "tpu": "tpu", "inf": "neuron", "trn": "neuron", "gaudi": "gaudi"}
)
_STATIC: frozenset[Kind] = frozenset({"tpu", "neuron", "gaudi"})
"""Kinds of device whose engines compile for fixed shapes."""
_BLOCK = 16
"""Tokens of a page of KV cache of vLLM, SGLang and TensorRT-LLM's default configurations."""


def engine_of(c: Candidate, q: Question) -> EngineProfile | None:
    """As the class has it configured; None where nothing can be planned with it on that accelerator."""
    dtype, accelerator = q.workload.serving.kv_cache.dtype, c.pool.accelerator
    profile = q.engines.get(c.engine)
    if profile and accelerator and deployed(profile, accelerator):
        return profile.with_kv_cache(dtype)
    planned = unplaced_of(c, q)
    return planned.profile.with_kv_cache(dtype) if planned else None


def unplaced_of(c: Candidate, q: Question) -> Unplaced | None:
    """What is known of the engine there although it is not deployed; None also where it is."""
    profile, accelerator = q.engines.get(c.engine), c.pool.accelerator
    if accelerator is None or not q.plan_unplaced or (profile and deployed(profile, accelerator)):
        return None
    return q.unplaced.get((c.engine, c.pool.accelerator_name))


def deployed(engine: EngineProfile, accelerator: Accelerator) -> bool:
    """Whether this release runs the engine on it."""
    architecture = accelerator.architecture or engine.built_for
    placed = engine.placed and accelerator.kind.lower() in engine.platforms
    return placed and architecture.startswith(engine.built_for)


def unplaced(catalog: Catalog, custom: Iterable[Accelerator] = ()) -> dict[tuple[str, str], Unplaced]:
    """By engine and accelerator: all that the catalog knows and this release does not deploy.

    `custom` are accelerators that pools describe themselves: their engines are taken at the administrator's word.
    """
    found = {}
    for accelerator in (*catalog.accelerators.values(), *custom):
        for name in accelerator.engines if "Nodes" in accelerator.access else ():
            profile, entry = ENGINES.get(name), catalog.engines.get(name)
            if entry is None or (profile and deployed(profile, accelerator)):
                continue
            if planned := _unplaced(entry, accelerator, catalog.quantizations):
                found[name, accelerator.name] = planned
    return found


def _unplaced(
    entry: EngineEntry, accelerator: Accelerator, quantizations: Mapping[str, Quantization]
) -> Unplaced | None:
    serves = _serves(entry, accelerator, quantizations)
    if not serves:
        return None
    kind = kind_of(accelerator)
    return Unplaced(_profile(entry, accelerator, serves), frozenset(_spreads(entry, kind)), kind in _STATIC)


def kind_of(accelerator: Accelerator) -> Kind | None:
    """As vendors' images are told apart; None for what none of them is made for."""
    if accelerator.kind == "CPU":
        return "cpu"
    architecture = accelerator.architecture or ""
    return next((kind for prefix, kind in _KINDS.items() if architecture.startswith(prefix)), None)


def _serves(entry: EngineEntry, accelerator: Accelerator, quantizations: Mapping[str, Quantization]) -> frozenset[str]:
    architecture = accelerator.architecture
    if architecture is None:
        return frozenset(name for name, q in quantizations.items() if accelerator.operations_for(q))
    return frozenset(name for name, q in quantizations.items() if entry.status(architecture, q) in RUNS)


def _spreads(entry: EngineEntry, kind: Kind | None) -> Iterable[str]:
    # what the tables say in a note only: vLLM has no pipeline parallelism on Neuron
    return (p for p in entry.parallelism if not (kind == "neuron" and p == "Pipeline"))


def _profile(entry: EngineEntry, accelerator: Accelerator, serves: frozenset[str]) -> EngineProfile:
    kind, vendor, bundled = kind_of(accelerator), VENDORS.get(entry.name), ENGINES.get(entry.name)
    of_vendor = vendor is not None and kind in vendor.images
    startup = vendor.startup_seconds.get(kind, 1800.0) if vendor and kind else 1800.0
    methods = vendor.speculation.get(kind, frozenset()) if vendor and kind else frozenset()
    made = EngineProfile(
        name=entry.name,
        serves=serves,
        quantizes_to=frozenset(),
        platforms=frozenset({accelerator.kind.lower()}),
        modalities=frozenset(vendor.modalities if vendor and of_vendor else entry.modalities),
        schemes=SCHEMES,
        process_overhead_bytes=0,  # part of what the performance model reserves of every accelerator
        kv_bytes_per_element=2.0,
        context_step_tokens=_BLOCK,
        startup_budget_seconds=startup,
        kv_dtypes=_kv_dtypes(_platforms(entry, accelerator)),
        speculation=frozenset(methods),
        adapters=bool(vendor and vendor.load_adapter_path),
        wants="gguf" if entry.weight_formats == ("gguf",) else "directory",
        shape="Beside",
        placed=False,
    )
    # what is known of an engine that this release bundles holds of its settings elsewhere, too
    return replace(made, speculation=bundled.speculation, adapters=bundled.adapters) if bundled and not vendor else made


def _platforms(entry: EngineEntry, accelerator: Accelerator) -> list[Platform]:
    return [p for p in entry.platforms if accelerator.architecture in p.quantizations]


def _kv_dtypes(platforms: Iterable[Platform]) -> dict[str, float]:
    named = {_FORMATS.get(t, t.partition("_e")[0].upper()) for p in platforms for t in p.kv_cache_types}
    return {name: KV_BYTES[name] for name in sorted(named & set(KV_BYTES))}
