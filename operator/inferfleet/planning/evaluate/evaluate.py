"""One candidate: rejected by the first rule that does, or at its best batch size with its price. Pure."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from inferfleet.names import Reason
from inferfleet.planning.candidates.engines import engine_of
from inferfleet.planning.content import settings, version
from inferfleet.planning.evaluate.corrected import Evidence, eased, known, latencies, speeds
from inferfleet.planning.evaluate.estimate import predictions
from inferfleet.planning.evaluate.memo import Memo, content_of, content_of_candidate
from inferfleet.planning.evaluate.price import by_kind, of_replica, prefill_share
from inferfleet.planning.evaluate.provider import offered
from inferfleet.planning.ledger import content_name
from inferfleet.planning.objectives import over_limit
from inferfleet.planning.rules.ordered import CAPABILITY, REACH, first
from inferfleet.planning.rules.targets import Missed, margin_of, outside, slo_violation
from inferfleet.planning.types import Candidate, Evaluated, Prediction, Question, Rejection

T = TypeVar("T", bound=Evaluated | Rejection)
Source = Literal["Estimated", "Declared", "Benchmarked", "Observed"]
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
TOLERATED = 1.15
"""Times a target up to which what runs still meets it by what was measured: that is the noise of measurements, and
leaving for it would soon be regretted.
"""


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
    key = (asked.numbers[c.identity], evidence, q.slots.get(c.identity), (q.robust_margin, q.believes_physics))
    found = asked.memo.get(key, lambda: _best(c, batches, evidence, q))
    return found if found.candidate is c else _of(c, found)


def goes_on(c: Candidate, asked: Asked) -> Evaluated | None:
    """What runs and has turned out too slow for its targets, with the slots that it has, used one at a time.

    None of what misses them by the estimate, too: that is another question than the one for which it was chosen.
    """
    q, batches = asked.question, usable(c, asked)
    if c.identity not in q.incumbents or isinstance(batches, Rejection) or not batches:
        return None
    priced = _priced(c, batches, _evidence(c, batches, asked), q)
    missed, planned = _missed(c, priced[0], q), _planned(c, priced, q)
    if missed is None or planned is None:
        return None
    now = next((one for one in priced if one.slots == q.slots.get(c.identity)), planned)
    found = _in_part(priced[0].evaluated, now.evaluated)
    return None if over_limit(found, q.workload.limits) else replace(found, missed=missed.words)


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
    differing, engine = settings(c, q), version(c, q)
    return [content_name(what, where, n, lengths, differing, engine) for n in slots]


@dataclass(frozen=True)
class _Priced:
    """A batch size in the light of what was measured."""

    evaluated: Evaluated
    estimate: Prediction
    """As predicted."""

    @property
    def slots(self) -> int:
        return self.estimate.slots


def _priced(c: Candidate, batches: Sequence[Batch], evidence: Evidence, q: Question) -> list[_Priced]:
    predicted, traffic = [b.prediction for b in batches], q.workload.traffic
    real = zip(latencies(predicted, evidence, traffic), speeds(predicted, evidence, traffic), strict=True)
    rows = zip(batches, evidence[0], real, strict=True)
    return [_Priced(_evaluated(c, b, m.source if m else "Estimated", r, q), b.prediction) for b, m, r in rows]


def _evaluated(c: Candidate, batch: Batch, source: Source, real: tuple[Prediction, float], q: Question) -> Evaluated:
    engine, (prediction, speed) = engine_of(c, q), real
    return Evaluated(
        c,
        batch.profile,
        prediction,
        speed,
        source,
        of_replica(c, speed, q),
        by_kind(c, speed, batch.prefill_share, q),
        startup_seconds=engine.startup_budget_seconds if engine else 0.0,
    )


def _best(c: Candidate, batches: Sequence[Batch], evidence: Evidence, q: Question) -> Evaluated | Rejection:
    priced = _priced(c, batches, evidence, q)
    within = _meeting(c, priced, q)
    if isinstance(within, Rejection):
        return within
    allowed = [e for e in within if over_limit(e, q.workload.limits) is None]
    nearest = max(within, key=lambda e: e.tokens_per_second)
    found = over_limit(nearest, q.workload.limits) or _fastest(allowed, q)
    if isinstance(found, Rejection) or not known(evidence):
        return found
    return _as_it_runs(c, found, priced, allowed, q)


def _meeting(c: Candidate, priced: Sequence[_Priced], q: Question) -> list[Evaluated] | Rejection:
    """Those that can be believed and meet every latency target, or why there is none."""
    believed = [one for one in priced if q.believes_physics or not one.evaluated.guessed]
    if not believed:
        return outside(c, priced[0].estimate.outside)
    within = [one.evaluated for one in believed if _missed(c, one, q) is None]
    if within:
        return within
    missed = _missed(c, believed[0], q)
    assert missed
    return Rejection(c, Reason.SLO_VIOLATED, missed.words, missed.binding, missed.excess)


def _missed(c: Candidate, one: _Priced, q: Question) -> Missed | None:
    """The target that is not met; of what runs and meets all by the estimate, one that is missed by more than noise."""
    margin, p = margin_of(c, q), one.evaluated.prediction
    missed = slo_violation(p, q, margin)
    if missed is None or c.identity not in q.incumbents or slo_violation(one.estimate, q, margin):
        return missed
    return missed if slo_violation(eased(p, TOLERATED), q, margin) else None


def _planned(c: Candidate, priced: Sequence[_Priced], q: Question) -> _Priced | None:
    """What the estimate alone would have."""
    margin = margin_of(c, q)
    within = [one for one in priced if slo_violation(one.estimate, q, margin) is None]
    return min(within, key=lambda one: _order(one.estimate, q), default=None)


def _as_it_runs(
    c: Candidate, best: Evaluated, priced: Sequence[_Priced], allowed: Sequence[Evaluated], q: Question
) -> Evaluated:
    """With the slots that its pods have: a measurement alone is no reason to start them anew.

    Of more slots than the targets allow, only these are used: the scaling loop adds replicas before. Fewer are kept
    where as many again would not do, so that what is seen at one size sends nobody to and fro between two.
    """
    slots, most = best.prediction.slots, _planned(c, priced, q)
    runs = q.slots.get(c.identity, slots)
    now = next((one.evaluated for one in priced if one.slots == runs), best)
    if slots / 2 <= runs < slots:
        return now if now in allowed else best
    return _in_part(best, now) if most and slots < runs <= most.slots else best


def _in_part(used: Evaluated, now: Evaluated) -> Evaluated:
    """Pods with the slots of `now`, of which as many are busy as `used` has."""
    prediction = replace(used.prediction, slots=now.prediction.slots, memory=now.prediction.memory)
    return replace(used, profile=now.profile, prediction=prediction, capacity_source=now.capacity_source)


def _fastest(within: Sequence[Evaluated], q: Question) -> Evaluated:
    return min(within, key=lambda e: _order(e.prediction, q))


def _order(p: Prediction, q: Question) -> tuple[float, int]:
    """The first is the best: by what was predicted, so that no measurement changes the batch size while all meet."""
    if q.workload.objective == "Latency":
        return p.end_to_end, -p.slots
    return -p.tokens_per_second, p.slots
