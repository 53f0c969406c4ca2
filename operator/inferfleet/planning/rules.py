"""Why a candidate may not serve: an ordered list of small named rules, the first hit wins. Pure."""

from collections.abc import Callable

from inferfleet.api.figures import latency
from inferfleet.api.quantities import human_bytes
from inferfleet.catalog.loader import Accelerator
from inferfleet.catalog.near import unknown
from inferfleet.names import Reason
from inferfleet.planning.context import context_long_enough
from inferfleet.planning.evidence import evidence_holds
from inferfleet.planning.performance import MEMORY_SHARE, memory_bytes
from inferfleet.planning.room import exhausted
from inferfleet.planning.types import Candidate, Prediction, Question, Rejection
from inferfleet.planning.unit import Unit, unit_of
from inferfleet_runtime.engines import EngineProfile

NEEDS_SPECULATOR = frozenset({"Draft", "EAGLE3", "Medusa"})
"""Methods with weights of their own."""

Rule = Callable[[Candidate, Question], Rejection | None]


def namespace_allowed(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.allowed:
        return None
    message = f"pool {c.pool.name} does not allow this namespace (spec.allowedNamespaces)"
    return Rejection(c, Reason.NAMESPACE_NOT_ALLOWED, message)


def as_pinned(c: Candidate, q: Question) -> Rejection | None:
    pin = q.pin
    if pin is None:
        return None
    if not pin.admits(c.pool.name, c.variant.name, c.engine):
        return Rejection(c, Reason.NOT_PINNED, f"spec.workloads[].placement pins {pin.words}")
    if pin.tensor_parallel and pin.tensor_parallel != 1:
        message = f"this release serves each replica on one accelerator, not on {pin.tensor_parallel} (tensorParallel)"
        return Rejection(c, Reason.PARALLELISM_UNSUPPORTED, message)
    return None


def external_reachable(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.external is None:
        return None
    if not q.workload.limits.allow_external:
        message = "the class keeps requests inside the cluster (limits.allowExternal is not true)"
        return Rejection(c, Reason.EXTERNAL_NOT_ALLOWED, message)
    message = "this release has no gateway yet that could send requests to a provider"
    return Rejection(c, Reason.EXTERNAL_NOT_SERVED, message)


def accelerator_known(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.accelerator:
        return None
    return Rejection(c, Reason.ACCELERATOR_UNKNOWN, f"the catalog has no accelerator named {c.pool.accelerator_name}")


def engine_supported(c: Candidate, q: Question) -> Rejection | None:
    engine, accelerator = q.engines.get(c.engine), c.pool.accelerator
    if engine and accelerator and _built(engine, accelerator):
        return None
    return Rejection(
        c,
        Reason.ENGINE_UNSUPPORTED,
        f"this release does not run {c.engine or 'any engine'} on {c.pool.accelerator_name}",
    )


def _built(engine: EngineProfile, accelerator: Accelerator) -> bool:
    architecture = accelerator.architecture or engine.built_for
    placed = engine.placed and accelerator.kind.lower() in engine.platforms
    return placed and architecture.startswith(engine.built_for)


def replica_declared(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.memory > 0:
        return None
    message = f"pool {c.pool.name} does not say what a replica gets: set spec.nodes.replica (cpu and memory)"
    return Rejection(c, Reason.REPLICA_NOT_DECLARED, message)


def modality_supported(c: Candidate, q: Question) -> Rejection | None:
    if q.workload.modality != q.architecture.modality:
        message = f"the class asks for {q.workload.modality}, and the model is for {q.architecture.modality}"
        return Rejection(c, Reason.MODALITY_UNSUPPORTED, message)
    if q.workload.modality in q.engines[c.engine].modalities:
        return None
    message = f"{c.engine} serves {', '.join(sorted(q.engines[c.engine].modalities))}, not {q.workload.modality}"
    return Rejection(c, Reason.MODALITY_UNSUPPORTED, message)


def quantization_known(c: Candidate, q: Question) -> Rejection | None:
    name = c.variant.quantization
    if name in q.quantizations:
        return None
    return Rejection(c, Reason.QUANTIZATION_UNKNOWN, unknown(name, q.quantizations))


def quantization_allowed(c: Candidate, q: Question) -> Rejection | None:
    allowed = q.workload.quantization.allow if q.workload.quantization else None
    if allowed is None or c.variant.quantization in allowed:
        return None
    message = f"the class allows {', '.join(allowed)}, not {c.variant.quantization}"
    return Rejection(c, Reason.QUANTIZATION_NOT_ALLOWED, message)


def accurate_enough(c: Candidate, q: Question) -> Rejection | None:
    quantization = q.quantizations[c.variant.quantization]
    problem = evidence_holds(c.variant, quantization, q.workload)
    return Rejection(c, *problem) if problem else None


def quantization_supported(c: Candidate, q: Question) -> Rejection | None:
    accelerator, name = c.pool.accelerator, c.variant.quantization
    served = name in q.engines[c.engine].serves
    if served and accelerator and accelerator.operations_for(q.quantizations[name]):
        return None
    message = f"{c.engine} does not serve {name} on {c.pool.accelerator_name}"
    return Rejection(c, Reason.QUANTIZATION_UNSUPPORTED, message)


def source_supported(c: Candidate, q: Question) -> Rejection | None:
    engine = q.engines[c.engine]
    if engine.wants == "directory" and c.variant.gguf:
        message = f"{c.engine} loads the files of a whole repository, and the variant is one GGUF file"
        return Rejection(c, Reason.SOURCE_UNSUPPORTED, message)
    known = engine.schemes
    if c.variant.scheme in known:
        return None
    message = f"this release fetches from {', '.join(sorted(known))}, not from {c.variant.scheme}"
    return Rejection(c, Reason.SOURCE_UNSUPPORTED, message)


def companions_supported(c: Candidate, q: Question) -> Rejection | None:
    return Rejection(c, Reason.SOURCE_UNSUPPORTED, c.variant.companions) if c.variant.companions else None


def serving_supported(c: Candidate, q: Question) -> Rejection | None:
    """What the class's `serving` asks for by name; what it leaves to the engine is always there."""
    engine, asked = q.engines[c.engine], q.workload.serving
    dtype, method = asked.kv_cache.dtype, asked.speculation
    generating = method not in ("Auto", "Off") or asked.kv_cache.overflow != "Refuse"
    lacks = (
        (
            generating and unit_of(q.workload) is Unit.PROMPT,
            f"nothing to generate for modality {q.workload.modality} (serving.speculation, serving.kvCache.overflow)",
        ),
        (dtype not in ("Auto", *engine.kv_dtypes), f"no KV cache in {dtype} (serving.kvCache.dtype)"),
        (
            asked.kv_cache.overflow != "Refuse" and not engine.slides,
            "no window that slides (serving.kvCache.overflow)",
        ),
        (
            asked.kv_cache.overflow != "Refuse" and dtype not in ("Auto", "F16"),
            f"no window that slides with a KV cache in {dtype}, only with F16",
        ),
        (method not in ("Auto", "Off", *engine.speculation), f"no speculation by {method} (serving.speculation)"),
        (q.adapted and not engine.adapters, "no LoRA adapters (the Model's spec.adapters)"),
    )
    missing = next((words for lacking, words in lacks if lacking), None)
    if missing:
        return Rejection(c, Reason.SERVING_UNSUPPORTED, f"{c.engine} has {missing}")
    if method in NEEDS_SPECULATOR and method not in q.speculators:
        message = f"the class asks for speculation by {method}, and the Model declares none (spec.speculators)"
        return Rejection(c, Reason.SERVING_UNSUPPORTED, message)
    return None


def priced(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.price is not None:
        return None
    return Rejection(c, Reason.NO_PRICE, f"pool {c.pool.name} has no spec.price, so its cost cannot be compared")


def power_known(c: Candidate, q: Question) -> Rejection | None:
    needed = q.workload.objective == "Energy" or q.workload.limits.joules_per_token is not None
    if not needed or c.pool.watts is not None:
        return None
    message = f"pool {c.pool.name} has no spec.power, and the catalog knows none, so its energy cannot be compared"
    return Rejection(c, Reason.NO_POWER, message)


def memory_fits(c: Candidate, q: Question) -> Rejection | None:
    """With one slot; how many slots fit is decided after."""
    quantization = q.quantizations[c.variant.quantization]
    context = q.workload.traffic.context_tokens
    need = memory_bytes(q.architecture, quantization, q.engine(c.engine), 1, context)
    if need <= c.pool.memory * MEMORY_SHARE:
        return None
    return Rejection(
        c,
        Reason.MEMORY_DOES_NOT_FIT,
        f"weights, runtime and the KV cache of one request of {context} tokens need {human_bytes(need)}; "
        f"a replica has {human_bytes(c.pool.memory)}, of which {MEMORY_SHARE:.0%} is planned with",
        "memory",
    )


def pool_has_room(c: Candidate, q: Question) -> Rejection | None:
    """For the minimum; `room.lacks_room` asks again once the speed is known."""
    incumbent = (c.pool.name, c.variant.name, c.engine) in q.incumbents
    if incumbent or c.pool.free >= q.min_replicas:
        return None
    return exhausted(c, q.min_replicas)


CAPABILITY_RULES: tuple[Rule, ...] = (
    namespace_allowed,
    as_pinned,
    external_reachable,
    accelerator_known,
    engine_supported,
    replica_declared,
    modality_supported,
    context_long_enough,
    quantization_known,
    quantization_allowed,
    accurate_enough,
    quantization_supported,
    source_supported,
    companions_supported,
    serving_supported,
    priced,
    power_known,
    memory_fits,
)
"""Whether it could serve on an empty pool."""
RULES: tuple[Rule, ...] = (*CAPABILITY_RULES, pool_has_room)


def slo_violation(p: Prediction, q: Question) -> tuple[str, str] | None:
    """The binding constraint and a sentence, or None where every target is met."""
    slo = q.workload.slo
    for name, expected, allowed in (
        ("ttft", p.ttft, slo.ttft),
        ("tpot", p.tpot, slo.tpot),
        ("endToEnd", p.end_to_end, slo.end_to_end),
        ("deadline", p.end_to_end, slo.deadline),
    ):
        if allowed is not None and expected > allowed.total_seconds():
            return name, f"{name} of {latency(expected)} expected, {latency(allowed.total_seconds())} allowed"
    return None
