"""What of a placement's settings changes its speed, and what follows for its CapacityProfile. Pure."""

from collections.abc import Iterable, Mapping

from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.performance.types import Parallelism
from inferfleet.planning.candidates.engines import unplaced_of
from inferfleet.planning.types import Candidate, Question
from inferfleet.planning.unit import Unit, unit_of
from inferfleet.planning.ways import spread_words
from inferfleet_runtime.engines import ENGINES, EngineProfile
from inferfleet_runtime.engines.choice import MODULES
from inferfleet_runtime.engines.openvino_genai import OPENVINO_GENAI

LATENCY_CHUNK, THROUGHPUT_CHUNK = 128, 512
"""Prompt tokens a step: small chunks keep the pauses short that a long prompt puts between others' tokens."""
WITHOUT_WEIGHTS = ("NGram", "MTP")
"""Methods that a class may ask for without the Model declaring a speculator."""


def speculation(
    declared: Iterable[str], class_: WorkloadClassSpec, engine: str, has: frozenset[str] | None = None
) -> str | None:
    """The method that is used, if any. Auto takes the first of the declared that the engine has.

    `has`: the engine's methods where it is not one that this release deploys.
    """
    asked = class_.serving.speculation
    if unit_of(class_) is not Unit.GENERATED:
        return None
    known = ENGINES[engine].speculation if has is None else has
    able = (method for method in declared if method in known and asked in ("Auto", method))
    return next(able, asked if asked in WITHOUT_WEIGHTS else None)


def alternatives(candidate: Candidate, modality: str) -> tuple[str, ...]:
    """Other engines of the pool among which the pod may choose when it starts, by its processor and its slots."""
    if candidate.engine not in MODULES:
        return ()
    bundled = [ENGINES[e] for e in candidate.pool.engines if e in MODULES and e != candidate.engine]
    return tuple(e.name for e in bundled if candidate.variant.quantization in e.serves and modality in e.modalities)


def version(candidate: Candidate, q: Question) -> str:
    """Of the engine, and of those that the pod may choose instead; empty: the one that measurements without any are of,
    or one that is not known. A newer engine inherits no measurement of an older one.
    """
    if unplaced_of(candidate, q):
        return ""
    names = (candidate.engine, *alternatives(candidate, q.workload.modality))
    kept = q.versions.get(candidate.identity)
    bundled = all(name in q.engines and q.engines[name].shape == "Bundled" for name in names)
    return kept if bundled and kept is not None else current(names, q.engines)


def current(names: Iterable[str], engines: Mapping[str, EngineProfile]) -> str:
    """Of this release, as `version`."""
    found = [engines[name] for name in names if name in engines]
    return told("_".join(e.version for e in found), [e.name for e in found], engines)


def told(text: str, names: Iterable[str], engines: Mapping[str, EngineProfile]) -> str:
    """What a measurement says of its engines' version, as `version` of a candidate."""
    return "" if text == first(names, engines) else text


def first(names: Iterable[str], engines: Mapping[str, EngineProfile]) -> str:
    """The one for which none is said."""
    return "_".join(engines[name].first_version for name in names if name in engines)


def settings(candidate: Candidate, q: Question) -> Mapping[str, str]:
    """What differs from the engine's defaults, by name; empty where nothing does, as for all older measurements.

    Lengths, slots and hardware have fields of their own in a CapacityProfile. What an image was never told of is
    not in what it measures.
    """
    if candidate.identity in q.untold:
        return _chunk(q.workload)
    serving, others = q.workload.serving, alternatives(candidate, q.workload.modality)
    planned = unplaced_of(candidate, q)
    has = planned.profile.speculation if planned else None
    method = speculation(q.speculators, q.workload, candidate.engine, has)
    generates = unit_of(q.workload) is Unit.GENERATED  # a text to embed is one step, and has no prefix that is kept
    whole = not generates or serving.chunked_prefill == "Off"
    # openvino-genai caches no prefixes of tenants, and a pod that may choose prefers another then
    apart = q.trusted_headers and OPENVINO_GENAI.name in (candidate.engine, *others)
    given = {
        "kvCache": "" if serving.kv_cache.dtype in ("Auto", _kv_default(candidate.engine)) else serving.kv_cache.dtype,
        "prefixCache": "Off" if generates and serving.prefix_cache == "Off" else "",
        "chunkedPrefill": "Off" if generates and serving.chunked_prefill == "Off" else "",
        "speculation": method or "",
        "speculator": q.speculators.get(method, "") if method else "",
        "adapters": "On" if q.adapted else "",
        "mayUse": "_".join(others),
        "tenants": "Apart" if apart else "",
        "parallelism": _spread(candidate.parallelism),
    }
    chunk = {} if whole else _chunk(q.workload)
    return chunk | {name: value for name, value in given.items() if value}


def _chunk(class_: WorkloadClassSpec) -> dict[str, str]:
    """Only the larger one, which fewer classes have: what was measured with the other has its name already."""
    chunk = prefill_chunk(class_)
    return {} if chunk == LATENCY_CHUNK else {"prefillChunk": str(chunk)}


def prefill_chunk(class_: WorkloadClassSpec) -> int:
    """Prompt tokens of a step, between the tokens of other requests."""
    return LATENCY_CHUNK if class_.slo.tpot else THROUGHPUT_CHUNK


def _spread(parallelism: Parallelism) -> str:
    """Nothing where tensors alone are split: how many accelerators there are is a field of its own."""
    alone = parallelism == Parallelism(tensor=parallelism.tensor)
    return "" if alone else "-".join(spread_words(parallelism))


def _kv_default(engine: str) -> str:
    """The number format that a bundled engine takes where none is asked for; empty: that of the model."""
    return "F16" if engine in MODULES else ""
