"""What the fitted model says of candidates that this release does not deploy. Pure."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log

from inferfleet.api.common import Lengths, Traffic
from inferfleet.performance.memory import memory_bytes
from inferfleet.performance.plain import embedding, pipeline, processor
from inferfleet.performance.predict import predict_many
from inferfleet.performance.types import Coefficients, Estimate, Interval, Load, Setup
from inferfleet.planning.candidates.engines import engine_of
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.types import Bounds, Candidate, Prediction, Question

TOGETHER = 1024
"""Predictions of one call: more would only take more memory."""
NORMAL_95 = 1.645
"""Standard deviations from the median to the 95th percentile of a normal distribution."""


@dataclass(frozen=True)
class Case:
    """A candidate at the batch sizes that fit."""

    candidate: Candidate
    traffic: Traffic
    memory: Mapping[int, float]
    """Bytes by batch size."""


@dataclass(frozen=True)
class Footprint:
    """Bytes of a replica: with one slot, and for each more."""

    first: float
    each: float

    def bytes(self, slots: int) -> float:
        """With so many slots."""
        return self.first + (slots - 1) * self.each


def footprint(c: Candidate, traffic: Traffic, q: Question) -> Footprint:
    """One slot holds the longest request, all others a mean one: these engines share the pages of their caches."""
    setup, engine = _setup(c, q), engine_of(c, q)
    assert engine
    longest = engine.slot_context_tokens(traffic.context_tokens)
    mean = engine.slot_context_tokens(round(_mean(traffic.input_tokens) + _mean(traffic.output)))
    each = memory_bytes(setup, 2, mean) - memory_bytes(setup, 1, mean)
    return Footprint(memory_bytes(setup, 1, longest), each)


def _mean(lengths: Lengths) -> float:
    """Of a lognormal distribution with this median and 95th percentile: lengths of requests are nearly so."""
    spread = log(lengths.p95 / lengths.p50) / NORMAL_95
    return lengths.p50 * exp(spread * spread / 2)


def predictions(cases: Sequence[Case], q: Question, memo: Memo) -> list[list[Prediction]]:
    """Of every case, for every batch size. What differs in price or name only is asked once."""
    numbers = [memo.number(_content(case, q)) for case in cases]
    asked = {(n, slots): case for n, case in zip(numbers, cases, strict=True) for slots in case.memory}
    known = {key: found for key in asked if (found := memo.known.get(key)) is not None}
    new = {key: case for key, case in asked.items() if key not in known}
    setups = {number: _setup(case.candidate, q) for (number, _), case in new.items()}
    rows = [(setups[number], _load(case, slots, q)) for (number, slots), case in new.items()]
    for (key, case), estimate in zip(new.items(), _estimates(rows, q), strict=True):
        known[key] = _prediction(estimate, key[1], case, q)
        memo.put(key, known[key])
    return [[known[n, slots] for slots in case.memory] for n, case in zip(numbers, cases, strict=True)]


def _content(case: Case, q: Question) -> Hashable:
    """All that a prediction depends on, but for the number of slots."""
    c, traffic, serving = case.candidate, case.traffic, q.workload.serving
    what = (q.architecture_key, q.architecture.modality, c.variant.quantization, c.engine, c.parallelism)
    where = (c.pool.accelerator_name, c.pool.cores, q.coefficients and q.coefficients.version)
    lengths = (traffic.input_tokens, traffic.output, traffic.shared_prefix_tokens, traffic.media)
    return ("predicted", what, where, lengths, serving.kv_cache.dtype, serving.prefix_cache)


def _setup(c: Candidate, q: Question) -> Setup:
    """Speculation is left out: how many guesses hold nobody knows before they are counted."""
    engine, accelerator = engine_of(c, q), c.pool.accelerator
    assert engine
    assert accelerator
    return Setup(
        model=q.architecture,
        quantization=q.quantizations[c.variant.quantization],
        accelerator=accelerator,
        engine=c.engine,
        parallelism=c.parallelism,
        kv_bytes_per_element=engine.kv_bytes_per_element,
        cores=c.pool.cores if accelerator.kind == "CPU" else 1.0,
    )


def _load(case: Case, slots: int, q: Question) -> Load:
    traffic, media = case.traffic, case.traffic.media
    kept = 0 if q.workload.serving.prefix_cache == "Off" else traffic.shared_prefix_tokens
    tokens = traffic.input_tokens.p50
    return Load(
        input_tokens=tokens,
        output_tokens=traffic.output.p50,
        concurrency=slots,
        prefix_hit=min(kept, tokens - 1) / tokens,
        steps=(media.steps or 0) if media else 0,
        pixels=(media.width or 0) * (media.height or 0) * (media.frames or 1) if media else 0,
    )


def _estimates(asked: Sequence[tuple[Setup, Load]], q: Question) -> list[Estimate]:
    """Of engines and formats that were never measured, physics and the reason: fitting would tell no more of them."""
    c = q.coefficients
    if c is None:
        return [_physics(setup, load) for setup, load in asked]
    strange = [_unmeasured(setup, c) for setup, _ in asked]
    known = [row for row, why in zip(asked, strange, strict=True) if not why]
    found: list[Estimate] = []
    for start in range(0, len(known), TOGETHER):
        part = known[start : start + TOGETHER]
        found += predict_many([s for s, _ in part], [load for _, load in part], c)
    fitted = iter(found)
    return [
        replace(_physics(*row), abstained=why) if why else next(fitted) for row, why in zip(asked, strange, strict=True)
    ]


def _unmeasured(setup: Setup, c: Coefficients) -> str:
    if setup.engine not in c.measured.engines:
        return f"{setup.engine} was never measured ({', '.join(sorted(c.measured.engines))} were)"
    if setup.quantization.name not in c.measured.formats:
        return f"weights in {setup.quantization.name} were never measured"
    return ""


def _physics(setup: Setup, load: Load) -> Estimate:
    """Without anything fitted."""
    if setup.model.media:
        return pipeline(setup, load)
    return (embedding if setup.model.modality == "Embedding" else processor)(setup, load)


def _prediction(e: Estimate, slots: int, case: Case, q: Question) -> Prediction:
    later = case.traffic.output.p50 - 1
    whole = Interval(
        e.ttft.low + e.tpot.low * later, e.ttft.mid + e.tpot.mid * later, e.ttft.high + e.tpot.high * later
    )
    return Prediction(
        slots=slots,
        ttft=e.ttft.mid,
        tpot=e.tpot.mid,
        end_to_end=whole.mid,
        tokens_per_second=e.tokens_per_second.mid,
        memory=case.memory[slots],
        bounds=Bounds(e.ttft, e.tpot, whole, e.tokens_per_second),
        watts=e.watts,
        outside=(e.abstained or "") if q.coefficients else "",
    )
