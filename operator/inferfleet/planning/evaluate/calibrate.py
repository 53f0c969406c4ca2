"""How far estimates are from what was measured. Pure."""

from collections.abc import Iterable, Mapping
from math import exp, log
from statistics import fmean

from inferfleet.planning.evaluate.evaluate import Corrections, capable
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.rules.ordered import REACH, first
from inferfleet.planning.types import Candidate, Question, Rejection


def calibration(
    found: Iterable[Candidate], numbers: Mapping[tuple[str, str, str], int], q: Question, memo: Memo
) -> Corrections:
    """Measured over estimated capacity by (accelerator, engine): the geometric mean of what the ledger has.

    Without it, an estimate that is too high would make every candidate that was never tried look
    better than the one whose truth is known, and the placement would wander through all of them.
    """
    if not q.ledger:
        return {}
    ratios: dict[tuple[str, str], list[float]] = {}
    for candidate in found:
        if candidate.offer or first(REACH, candidate, q):
            continue
        batches = capable(candidate, numbers[candidate.identity], q, memo)
        for batch in () if isinstance(batches, Rejection) else batches:
            if measured := q.ledger.get(batch.profile):
                key = (candidate.pool.accelerator_name, candidate.engine)
                ratios.setdefault(key, []).append(log(measured.tokens_per_second / batch.prediction.tokens_per_second))
    return {key: exp(fmean(values)) for key, values in ratios.items()}
