"""Whether a prediction meets the class's latency targets, and whether it may be believed. Pure."""

from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from inferfleet.api.figures import latency
from inferfleet.names import Reason
from inferfleet.planning.candidates.engines import unplaced_of
from inferfleet.planning.types import Candidate, Prediction, Question, Rejection


def margin_of(c: Candidate, q: Question) -> float:
    """How far towards the high end of its interval a latency is taken: `Question.robust_margin`."""
    if q.robust_margin is not None:
        return q.robust_margin
    return 1.0 if unplaced_of(c, q) else 0.0


class Missed(NamedTuple):
    """A target that is not met."""

    binding: str
    words: str
    excess: float
    """How many times what is allowed."""


def slo_violation(p: Prediction, q: Question, margin: float = 0.0) -> Missed | None:
    """The first target that is not met, or None where every one is."""
    for name, expected, taken, allowed in _targets(p, p.believed(margin), q):
        if taken > allowed:
            error = f", up to {latency(taken)} with the error allowed for" if taken > expected else ""
            how = "by what was measured" if p.measured else "expected"
            words = f"{name} of {latency(expected)} {how}{error}, {latency(allowed)} allowed"
            return Missed(name, words, taken / allowed if allowed else inf)
    return None


def _targets(p: Prediction, worst: Prediction, q: Question) -> Iterator[tuple[str, float, float, float]]:
    slo = q.workload.slo
    for name, expected, taken, allowed in (
        ("ttft", p.ttft, worst.ttft, slo.ttft),
        ("tpot", p.tpot, worst.tpot, slo.tpot),
        ("endToEnd", p.end_to_end, worst.end_to_end, slo.end_to_end),
        ("deadline", p.end_to_end, worst.end_to_end, slo.deadline),
    ):
        if allowed is not None:
            yield name, expected, taken, allowed.total_seconds()


def outside(c: Candidate, why: str) -> Rejection:
    """No prediction of it can be believed, and nothing was measured."""
    message = f"{why}; it can be planned with once somebody measures it (CapacityProfile, spec.declared)"
    return Rejection(c, Reason.OUTSIDE_ENVELOPE, message, "evidence")
