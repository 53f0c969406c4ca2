"""How long the steps of one replica take, from its predictions: what simulation and scaling reckon with. Pure."""

from dataclasses import dataclass

from inferfleet.planning.candidates.engines import engine_of, unplaced_of
from inferfleet.planning.evaluate.estimate import predictions
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.types import Candidate, Evaluated, Question

_SHORTEST = 1e-6
"""Seconds of a prefill that predictions cannot tell from nothing."""


@dataclass(frozen=True)
class Line:
    """Of a replica at the class's median lengths. Seconds."""

    base: float
    """A step without sequences."""
    per_sequence: float
    """For each that decodes in it."""
    per_prompt_token: float
    """For each that is read in it, those of the prefix cache left out."""
    overhead: float
    """Of each time to first token, beside reading the prompt."""
    shared: int
    """Prompt tokens that are taken to be in the prefix cache."""


def line(e: Evaluated, q: Question, memo: Memo) -> Line:
    """Through the predictions for one slot and for all that were chosen. A measured capacity scales everything.

    TPOT(n) = base + per_sequence x n + prefill x (n - 1) / output (see `planning.performance`): while one request
    decodes, the others are prefilled. How much of the rise is decoding is reckoned by reading the KV cache once a step;
    the rest is prefill, and what a lone request's TTFT has beyond that is overhead.
    """
    found = [p for p in predictions([e.candidate], q, memo)[0] if p.slots <= e.prediction.slots]
    one, last, traffic = found[0], found[-1], q.workload.traffic
    output, shared = traffic.output.p50, _shared(e.candidate, q)
    first = max(one.ttft - one.tpot, _SHORTEST)
    rise = max(0.0, (last.tpot - one.tpot) / (last.slots - one.slots)) if last.slots > one.slots else None
    read = _kv_seconds(e.candidate, q)
    prefill = first if rise is None else max(_SHORTEST, min(first, output * (rise - min(read, rise))))
    slope = read if rise is None else max(0.0, rise - prefill / output)
    slower = e.prediction.tokens_per_second / e.tokens_per_second
    return Line(
        base=max(one.tpot - slope, one.tpot / 10) * slower,
        per_sequence=slope * slower,
        per_prompt_token=prefill / max(1, traffic.input_tokens.p50 - shared) * slower,
        overhead=(first - prefill) * slower,
        shared=shared,
    )


def _shared(c: Candidate, q: Question) -> int:
    """Only the fitted model, of what this release does not deploy, reckons with prefixes."""
    if not unplaced_of(c, q) or q.workload.serving.prefix_cache == "Off":
        return 0
    return min(q.workload.traffic.shared_prefix_tokens, q.workload.traffic.input_tokens.p50 - 1)


def _kv_seconds(c: Candidate, q: Question) -> float:
    """To read one sequence's cache, half way through its output."""
    engine, accelerator = engine_of(c, q), c.pool.accelerator
    if engine is None or accelerator is None:
        return 0.0
    traffic = q.workload.traffic
    context = traffic.input_tokens.p50 + traffic.output.p50 // 2
    held = q.architecture.kv_bytes(context, engine.kv_bytes_per_element)
    return held / (accelerator.memory_bandwidth * c.accelerators)
