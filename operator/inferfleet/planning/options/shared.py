"""What one placement for several classes could be: candidates that serve the mix and each of them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inferfleet.planning.candidates.enumerate import candidates
from inferfleet.planning.choose import ask
from inferfleet.planning.evaluate.evaluate import Asked, meeting_of
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.options.merge import Workload
from inferfleet.planning.types import Candidate, Evaluated, Question, Rejection

By = Mapping[int, Evaluated]
"""By slots."""


@dataclass(frozen=True)
class Shared:
    """One candidate for all of them, at the batch size at which the mix has the most throughput."""

    mix: Evaluated
    each: Mapping[str, Evaluated]
    """By workload: as if the candidate served that one alone, with the same slots."""


def shared(found: Sequence[Workload], question: Question, memo: Memo) -> list[Shared]:
    """All candidates that meet the targets of the mix (`question`), and of every class at the same slots."""
    possible = candidates(question)
    asked = [ask(w.question, possible, memo) for w in found]
    mix = ask(question, possible, memo)
    judged = (_one(c, mix, dict(zip((w.key for w in found), asked, strict=True))) for c in possible if not c.offer)
    return [s for s in judged if s]


def _one(c: Candidate, mix: Asked, each: Mapping[str, Asked]) -> Shared | None:
    whole = _by_slots(c, mix)
    alone = {key: _by_slots(c, asked) for key, asked in each.items()} if whole else {}
    common = [slots for slots in whole if all(slots in by for by in alone.values())]
    if not common:
        return None
    best = max(common, key=lambda slots: (whole[slots].tokens_per_second, -slots))
    return Shared(whole[best], {key: by[best] for key, by in alone.items()})


def _by_slots(c: Candidate, asked: Asked) -> By:
    found = meeting_of(c, asked)
    return {} if isinstance(found, Rejection) else {e.prediction.slots: e for e in found}
