"""Whether the engine has what the class's `serving` asks for. Pure."""

from inferfleet.names import Reason
from inferfleet.planning.candidates.engines import engine_of
from inferfleet.planning.types import Candidate, Question, Rejection
from inferfleet.planning.unit import Unit, unit_of

NEEDS_SPECULATOR = frozenset({"Draft", "EAGLE3", "Medusa"})
"""Methods with weights of their own."""


def serving_supported(c: Candidate, q: Question) -> Rejection | None:
    """What the class's `serving` asks for by name; what it leaves to the engine is always there."""
    engine, asked = engine_of(c, q), q.workload.serving
    assert engine
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
