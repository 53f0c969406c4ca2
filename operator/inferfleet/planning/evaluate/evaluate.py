"""One candidate: rejected by the first rule that does, or at its best batch size with its price. Pure."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TypeVar

from inferfleet.names import Reason
from inferfleet.planning.candidates.engines import engine_of
from inferfleet.planning.content import settings
from inferfleet.planning.evaluate.estimate import predictions
from inferfleet.planning.evaluate.memo import Memo, content_of, content_of_candidate
from inferfleet.planning.evaluate.price import by_kind, of_replica, prefill_share
from inferfleet.planning.evaluate.provider import offered
from inferfleet.planning.ledger import content_name
from inferfleet.planning.objectives import over_limit
from inferfleet.planning.rules.ordered import CAPABILITY, REACH, first
from inferfleet.planning.rules.targets import margin_of, outside, slo_violation
from inferfleet.planning.types import Candidate, Evaluated, Measured, Prediction, Question, Rejection

T = TypeVar("T", bound=Evaluated | Rejection)
Corrections = Mapping[tuple[str, str], float]
"""Measured over estimated capacity by (accelerator, engine)."""


@dataclass(frozen=True)
class Batch:
    """A candidate at one batch size."""

    prediction: Prediction
    profile: str
    """Name of the CapacityProfile."""
    prefill_share: float


Capable = tuple[Batch, ...] | Rejection
"""What a candidate can do on an empty pool at every batch size, or why it cannot."""


Evidence = tuple[tuple[Measured | None, ...], float]
"""What was measured of every batch size, and the correction of what was not."""


@dataclass(frozen=True)
class Asked:
    """A question with what all its candidates share."""

    question: Question
    numbers: Mapping[tuple[str, str, str], int]
    """What each candidate is remembered by, by its identity: `numbered`."""
    corrections: Corrections
    memo: Memo


def evaluate(c: Candidate, asked: Asked) -> Evaluated | Rejection:
    """The first rule that rejects, or the candidate at its best batch size."""
    q = asked.question
    batches = usable(c, asked)
    if isinstance(batches, Rejection):
        return batches
    if c.offer:
        return offered(c, q)
    evidence = _evidence(c, batches, asked)
    key = (asked.numbers[c.identity], evidence, (q.robust_margin, q.believes_physics))
    found = asked.memo.get(key, lambda: _best(c, _priced(c, batches, evidence, q), q))
    return found if found.candidate is c else _of(c, found)


def meeting_of(c: Candidate, asked: Asked) -> list[Evaluated] | Rejection:
    """The candidate at every batch size at which it meets all targets and limits, or the first rule that rejects it."""
    q, batches = asked.question, usable(c, asked)
    if isinstance(batches, Rejection):
        return batches
    within = _meeting(c, _priced(c, batches, _evidence(c, batches, asked), q), q)
    if isinstance(within, Rejection):
        return within
    return [e for e in within if over_limit(e, q.workload.limits) is None]


def _evidence(c: Candidate, batches: tuple[Batch, ...], asked: Asked) -> Evidence:
    measured = tuple(asked.question.ledger.get(b.profile) for b in batches)
    return measured, asked.corrections.get((c.pool.accelerator_name, c.engine), 1.0)


def usable(c: Candidate, asked: Asked) -> Capable:
    """What it can do, or the first rule that rejects it. Of a provider's offer, nothing at all."""
    q = asked.question
    if rejection := first(REACH, c, q):
        return rejection
    if c.offer:
        return ()
    batches = capable(c, asked.numbers[c.identity], q, asked.memo)
    return _of(c, batches) if isinstance(batches, Rejection) else batches


def _of(c: Candidate, found: T) -> T:
    """The same of a candidate whose pool has other room than that of which it is remembered."""
    moved = copy(found)  # `dataclasses.replace` takes five times as long, and this is done for every candidate
    object.__setattr__(moved, "candidate", c)
    return moved


def capable(c: Candidate, number: int, q: Question, memo: Memo) -> Capable:
    """By content alone: on an empty pool, before anything was measured."""
    return memo.get(number, lambda: first(CAPABILITY, c, q) or _batches(c, predictions([c], q, memo)[0], q))


def numbered(found: Sequence[Candidate], q: Question, memo: Memo) -> Mapping[tuple[str, str, str], int]:
    """By identity, what stands for all that decides about a candidate but room and ledger.

    Has `capable` known of those that the workload may use: together they take less time than singly.
    """
    content = content_of(q)
    numbers = {c.identity: memo.number((content, content_of_candidate(c, q))) for c in found}
    _foresee({numbers[c.identity]: c for c in found if not c.offer}, q, memo)
    return numbers


def _foresee(found: Mapping[int, Candidate], q: Question, memo: Memo) -> None:
    new = {number: c for number, c in found.items() if not memo.knows(number) and not first(REACH, c, q)}
    rejected = {number: first(CAPABILITY, c, q) for number, c in new.items()}
    able = {number: c for number, c in new.items() if rejected[number] is None}
    made = zip(able.items(), predictions(list(able.values()), q, memo), strict=True)
    batches = {number: _batches(c, predicted, q) for (number, c), predicted in made}
    for number in new:
        memo.put(number, rejected[number] or batches[number])


def _batches(c: Candidate, predicted: Sequence[Prediction], q: Question) -> tuple[Batch, ...]:
    names = profile_names(c, q, [p.slots for p in predicted])
    return tuple(Batch(p, n, prefill_share(predicted[0], p, q)) for p, n in zip(predicted, names, strict=True))


def profile_names(c: Candidate, q: Question, slots: Sequence[int]) -> list[str]:
    """Names of the CapacityProfiles of a candidate with so many slots."""
    lengths = q.workload.traffic.input_tokens.p50, q.workload.traffic.output.p50
    what = (q.architecture_key, c.variant.quantization, c.engine)
    where = (c.pool.accelerator_name, c.accelerators)
    differing = settings(c, q)
    return [content_name(what, where, n, lengths, differing) for n in slots]


def _priced(c: Candidate, batches: Sequence[Batch], evidence: Evidence, q: Question) -> list[Evaluated]:
    measured, correction = evidence
    return [_evaluated(c, b, m, correction, q) for b, m in zip(batches, measured, strict=True)]


def _evaluated(c: Candidate, batch: Batch, measured: Measured | None, correction: float, q: Question) -> Evaluated:
    speed = measured.tokens_per_second if measured else batch.prediction.tokens_per_second * correction
    engine = engine_of(c, q)
    return Evaluated(
        c,
        batch.profile,
        batch.prediction,
        speed,
        measured.source if measured else "Estimated",
        of_replica(c, speed, q),
        by_kind(c, speed, batch.prefill_share, q),
        engine.startup_budget_seconds if engine else 0.0,
    )


def _best(c: Candidate, batches: Sequence[Evaluated], q: Question) -> Evaluated | Rejection:
    within = _meeting(c, batches, q)
    if isinstance(within, Rejection):
        return within
    allowed = [e for e in within if over_limit(e, q.workload.limits) is None]
    nearest = max(within, key=lambda e: e.tokens_per_second)
    return over_limit(nearest, q.workload.limits) or _fastest(allowed, q)


def _meeting(c: Candidate, batches: Sequence[Evaluated], q: Question) -> list[Evaluated] | Rejection:
    """Those that can be believed and meet every latency target, or why there is none."""
    believed = [e for e in batches if q.believes_physics or not e.guessed]
    if not believed:
        return outside(c, batches[0].prediction.outside)
    margin = margin_of(c, q)
    within = [e for e in believed if slo_violation(e.prediction, q, margin) is None]
    if within:
        return within
    missed = slo_violation(believed[0].prediction, q, margin)
    assert missed
    return Rejection(c, Reason.SLO_VIOLATED, missed.words, missed.binding, missed.excess)


def _fastest(within: Sequence[Evaluated], q: Question) -> Evaluated:
    if q.workload.objective == "Latency":
        return min(within, key=lambda e: (e.prediction.end_to_end, -e.prediction.slots))
    return max(within, key=lambda e: (e.prediction.tokens_per_second, -e.prediction.slots))
