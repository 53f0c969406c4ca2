"""Why a candidate may not serve: an ordered list of small named rules, the first hit wins. Pure."""

from collections.abc import Callable

from inferfleet.api.quantities import format_duration, human_bytes
from inferfleet.names import Reason
from inferfleet.planning.performance import MEMORY_SHARE, memory_bytes
from inferfleet.planning.types import Candidate, Prediction, Question, Rejection

Rule = Callable[[Candidate, Question], Rejection | None]


def accelerator_known(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.accelerator:
        return None
    return Rejection(c, Reason.ACCELERATOR_UNKNOWN, f"the catalog has no accelerator named {c.pool.accelerator_name}")


def engine_supported(c: Candidate, q: Question) -> Rejection | None:
    if c.engine in q.engines:
        return None
    return Rejection(
        c,
        Reason.ENGINE_UNSUPPORTED,
        f"this release does not run {c.engine or 'any engine'} on {c.pool.accelerator_name}",
    )


def quantization_allowed(c: Candidate, q: Question) -> Rejection | None:
    policy = q.workload.quantization
    if policy is None or c.variant.quantization in policy.allow:
        return None
    return Rejection(
        c,
        Reason.QUANTIZATION_NOT_ALLOWED,
        f"the class allows {', '.join(policy.allow)}, not {c.variant.quantization}",
    )


def quantization_supported(c: Candidate, q: Question) -> Rejection | None:
    accelerator = c.pool.accelerator
    if (
        accelerator
        and c.variant.quantization in q.engines[c.engine].serves
        and c.variant.quantization in accelerator.operations
    ):
        return None
    return Rejection(
        c,
        Reason.QUANTIZATION_UNSUPPORTED,
        f"{c.engine} does not serve {c.variant.quantization} on {c.pool.accelerator_name}",
    )


def priced(c: Candidate, q: Question) -> Rejection | None:
    if c.pool.price is not None:
        return None
    return Rejection(c, Reason.NO_PRICE, f"pool {c.pool.name} has no spec.price, so its cost cannot be compared")


def memory_fits(c: Candidate, q: Question) -> Rejection | None:
    """With one slot; how many slots fit is decided after."""
    quantization = q.quantizations[c.variant.quantization]
    context = q.workload.traffic.context_tokens
    need = memory_bytes(q.architecture, quantization, q.engines[c.engine], 1, context)
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
    incumbent = (c.pool.name, c.variant.name, c.engine) in q.incumbents
    if incumbent or c.pool.free >= q.min_replicas:
        return None
    nodes = f"{c.pool.nodes} node{'' if c.pool.nodes == 1 else 's'} of the pool"
    return Rejection(
        c,
        Reason.POOL_EXHAUSTED,
        f"{q.min_replicas} replicas are needed and {max(0, c.pool.free)} more fit on {nodes}",
        "nodes",
    )


CAPABILITY_RULES: tuple[Rule, ...] = (
    accelerator_known,
    engine_supported,
    quantization_allowed,
    quantization_supported,
    priced,
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
    ):
        if allowed is not None and expected > allowed.total_seconds():
            return name, f"{name} of {expected * 1000:.3g} ms expected, {format_duration(allowed)} allowed"
    return None
