"""What a candidate would do at every batch size: the one place that asks a performance model. Pure.

What this release deploys is asked of `planning.performance`, whose numbers were measured with these engines; all else
of the fitted model in `inferfleet.performance`.
"""

from collections.abc import Sequence

from inferfleet.api.common import Lengths, Traffic
from inferfleet.planning import performance
from inferfleet.planning.candidates.engines import engine_of, unplaced_of
from inferfleet.planning.evaluate import fitted
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.types import Candidate, Prediction, Question

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SMALLEST_SHAPE = 128
"""Tokens of the smallest shape that engines for static shapes are compiled for. Chosen."""


def batch_sizes(q: Question) -> tuple[int, ...]:
    """That the class allows."""
    serving = q.workload.serving
    most = 1 if serving.batching == "Off" else serving.max_batch_size
    return tuple(b for b in BATCH_SIZES if b <= most)


def predictions(found: Sequence[Candidate], q: Question, memo: Memo) -> list[list[Prediction]]:
    """Of every candidate, for every batch size that fits into its memory. Rules have refused what cannot serve.

    All at once, since the fitted model answers many questions for little more than one.
    """
    cases = [fitted.Case(c, shaped(c, q), _fitting(c, q)) for c in found if unplaced_of(c, q)]
    estimated = iter(fitted.predictions(cases, q, memo))
    return [next(estimated) if unplaced_of(c, q) else _deployed(c, q) for c in found]


def memory_of(c: Candidate, q: Question, slots: int) -> float:
    """Bytes of one replica with so many slots, over all its accelerators."""
    if unplaced_of(c, q):
        return fitted.footprint(c, shaped(c, q), q).bytes(slots)
    engine, quantization = engine_of(c, q), q.quantizations[c.variant.quantization]
    assert engine
    context = q.workload.traffic.context_tokens
    return performance.memory_bytes(q.architecture, quantization, engine, slots, context)


def _fitting(c: Candidate, q: Question) -> dict[int, float]:
    """Bytes by batch size, of those that fit."""
    footprint, most = fitted.footprint(c, shaped(c, q), q), c.memory * performance.MEMORY_SHARE
    need = {slots: footprint.bytes(slots) for slots in batch_sizes(q)}
    return {slots: taken for slots, taken in need.items() if taken <= most}


def shaped(c: Candidate, q: Question) -> Traffic:
    """As the engine computes it: padded to the next compiled shape where shapes are static."""
    planned, traffic = unplaced_of(c, q), q.workload.traffic
    if planned is None or not planned.static_shapes:
        return traffic
    lengths = traffic.input_tokens
    padded = Lengths(p50=_shape(lengths.p50), p95=_shape(lengths.p95))
    return traffic.model_copy(update={"input_tokens": padded})


def _shape(tokens: int) -> int:
    return max(SMALLEST_SHAPE, 1 << (tokens - 1).bit_length())


def _deployed(c: Candidate, q: Question) -> list[Prediction]:
    engine, quantization = engine_of(c, q), q.quantizations[c.variant.quantization]
    assert engine
    assert c.pool.accelerator
    where, traffic = (c.pool.accelerator, c.pool.cores), q.workload.traffic
    found = (performance.predict(q.architecture, quantization, engine, where, (traffic, n)) for n in batch_sizes(q))
    return [p for p in found if p.memory <= c.pool.memory * performance.MEMORY_SHARE]
