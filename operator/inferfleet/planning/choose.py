"""The choice for one workload: every way to serve it, rejected with a reason or priced. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isinf

from inferfleet.api.figures import figures
from inferfleet.names import Reason
from inferfleet.planning.candidates.enumerate import candidates
from inferfleet.planning.evaluate.calibrate import calibration
from inferfleet.planning.evaluate.evaluate import Asked, evaluate, goes_on, numbered
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.objectives import OBJECTIVES, Objective
from inferfleet.planning.refusal import most_telling, no_candidate
from inferfleet.planning.room import ROUNDING, at_once, evicting, lacks_room, load
from inferfleet.planning.sentence import chosen_words
from inferfleet.planning.spill import Offer, Share, carries, one_of_each_pool, spill
from inferfleet.planning.types import Answer, Candidate, Evaluated, Question, Rejection


@dataclass(frozen=True)
class Judged:
    """Every candidate of a question."""

    possible: Sequence[Evaluated]
    """Each at its best batch size."""
    cramped: Sequence[Evaluated]
    """Those that lack nothing but room for the whole."""
    rejected: Sequence[Rejection]
    """The most telling first; the cramped are among them."""
    carried: float
    """Tokens per second that a successor takes over."""


def choose(question: Question, memo: Memo | None = None) -> Answer:
    """The best candidate and why every other one is not it. `memo` holds what was computed for other questions."""
    memo = memo or Memo()
    found = _joined(judged(question, memo), question)
    if not found.possible and any(p.yielding for p in question.pools):
        question = evicting(question)
        found = _joined(judged(question, memo), question)
    possible, rejected = _ranked(found.possible, question), found.rejected
    if not possible:
        return Answer(None, Reason.NO_CANDIDATE, no_candidate(list(rejected), question), tuple(rejected), ())
    if slow := possible[0].missed:
        message = f"{slow}; no candidate with room for it meets the targets, so that what runs goes on"
        return Answer(possible[0], Reason.SLO_VIOLATED, message, tuple(rejected), tuple(possible), tuple(possible))
    goal, partly = OBJECTIVES[question.workload.objective], _partly(possible, found, question)
    several = partly is not None
    if partly and question.assigned in (None, partly.identity):  # else the fleet is better off without
        possible = _ranked([*possible, partly], question)
        rejected = [r for r in rejected if r.candidate.identity != partly.identity]
        chosen, reason, message = partly, goal.chosen, chosen_words(partly, len(possible), question)
    else:
        chosen, reason, message = _as_assigned(possible, question) or _keep_incumbent(possible, question)
    losers = tuple(_loser(e, chosen, reason, goal) for e in possible if e is not chosen)
    able = _ranked([*found.possible, *found.cramped], question)
    return Answer(chosen, reason, message, (*losers, *rejected), tuple(possible), tuple(able), several)


def _ranked(some: Sequence[Evaluated], q: Question) -> list[Evaluated]:
    goal = OBJECTIVES[q.workload.objective]
    return sorted(some, key=lambda e: (goal.score(e), e.identity))


def _joined(found: Judged, q: Question) -> Judged:
    """Where no pool has room for all that has to run at once: what can begin it, and spill the rest."""
    if found.possible:
        return found
    some = _ranked([e for e in found.cramped if e.candidate.free > 0], q)
    offers = one_of_each_pool(some)
    begin = [e for e in some if _begins(e, offers, q, found.carried)]
    fit = {e.identity for e in begin}
    rest = [r for r in found.rejected if r.candidate.identity not in fit]
    return replace(found, possible=begin, cramped=[e for e in found.cramped if e.identity not in fit], rejected=rest)


def _begins(e: Evaluated, offers: Sequence[Evaluated], q: Question, carried: float) -> bool:
    """Whether the pools of others have room for what its own has not."""
    first, needed = Share(e, e.candidate.free), at_once(e, q, carried) * e.tokens_per_second
    others = [Offer(o) for o in offers if o.candidate.pool.name != e.candidate.pool.name]
    return carries((first, *spill(first, needed, others, q.max_replicas))) >= needed * (1 - ROUNDING)


def _partly(possible: Sequence[Evaluated], found: Judged, q: Question) -> Evaluated | None:
    """A cheaper pool that takes what it has room for, while the rest stays where it runs, if that saves enough.

    What is guaranteed stays together.
    """
    running = next((e for e in possible if e.identity in q.incumbents), None)
    if running is None or not found.carried or q.guaranteed or q.workload.objective != "Cost" or isinf(q.move_saving):
        return None
    least_cost = min(_hourly((Share(e, at_once(e, q, found.carried)),)) for e in possible)
    enough = min(least_cost, (1 - q.move_saving) * _hourly((Share(running, q.running[running.identity]),)))
    for e in one_of_each_pool(_ranked(found.cramped, q), {running.candidate.pool.name}):
        first = Share(e, max(0, e.candidate.free))
        shares = (first, *spill(first, found.carried, [Offer(running, q.running[running.identity])], q.max_replicas))
        if first.replicas and carries(shares) >= found.carried * (1 - ROUNDING) and _hourly(shares) < enough:
            return e
    return None


def _hourly(shares: Sequence[Share]) -> float:
    return sum(s.replicas * s.evaluated.hourly for s in shares)


def _loser(e: Evaluated, chosen: Evaluated, reason: str, goal: Objective) -> Rejection:
    better = goal.score(e) < goal.score(chosen)
    if reason != Reason.CHEAPEST_FOR_FLEET or not better:
        return Rejection(e.candidate, goal.lost, goal.words(e, chosen))
    hourly = f"{figures(e.hourly, 3)} USD per replica-hour, the chosen {figures(chosen.hourly, 3)}"
    return Rejection(e.candidate, Reason.WORSE_FOR_FLEET, f"{goal.words(e, chosen)}; {hourly}")


def judged(question: Question, memo: Memo | None = None) -> Judged:
    """Where nothing that was measured comes into question, physics with its wide interval is better than no answer."""
    found = _judged(question, memo)
    if found.possible or all(r.reason != Reason.OUTSIDE_ENVELOPE for r in found.rejected):
        return found
    return _judged(replace(question, believes_physics=True), memo)


def _judged(question: Question, memo: Memo | None) -> Judged:
    found = candidates(question)
    asked = ask(question, found, memo)
    results = [evaluate(candidate, asked) for candidate in found]
    able = [r for r in results if isinstance(r, Evaluated)]
    rejected = [r for r in results if isinstance(r, Rejection)]
    carried = load(able, question)
    crowded = {e.identity: lacks_room(e, question, carried) for e in able}
    possible = [e for e in able if crowded[e.identity] is None] or _going_on(found, asked)
    cramped = [e for e in able if crowded[e.identity] is not None]
    rejected = [r for r in rejected if r.candidate.identity not in {e.identity for e in possible}]
    return Judged(possible, cramped, most_telling([*filter(None, crowded.values()), *rejected]), carried)


def _going_on(found: Sequence[Candidate], asked: Asked) -> list[Evaluated]:
    """What serves, if with too slow pods, where nothing that meets the targets has room: of several what has most
    replicas.
    """
    running = asked.question.running
    there = [e for c in found if (e := goes_on(c, asked))]
    return sorted(there, key=lambda e: (-running.get(e.identity, 0), e.identity))[:1]


def ask(question: Question, found: list[Candidate], memo: Memo | None = None) -> Asked:
    """With what all candidates share."""
    memo = memo or Memo()
    numbers = numbered(found, question, memo)
    return Asked(question, numbers, calibration(found, numbers, question, memo), memo)


def _as_assigned(ranked: list[Evaluated], q: Question) -> tuple[Evaluated, str, str] | None:
    """What serves the fleet as a whole best. While there is no room for it what runs stays; with neither, or where both
    agree, the workload chooses alone.
    """
    best, running = ranked[0], next((e for e in ranked if e.identity in q.incumbents), None)
    given = next((e for e in ranked if e.identity == q.assigned), None)
    if q.assigned is None or given is best:
        return None
    if given is None:
        wait = f"there is no room yet on {q.assigned[0]}, chosen for the whole fleet"
        return None if running is None or running is best else _kept(best, running, q, wait)
    if given is running:
        return _kept(best, running, q, _why_not(best, given)) if _moves(best, running, q) else None
    return given, Reason.CHEAPEST_FOR_FLEET, f"{chosen_words(given, len(ranked), q)}; {_why_not(best, given)}"


def _why_not(best: Evaluated, given: Evaluated) -> str:
    """What the program saw that the price of a token does not show."""
    if given.hourly < best.hourly:
        return f"{_name(best)} is cheaper only when its larger replicas are full"
    return f"other workloads need pool {best.candidate.pool.name} more ({best.cost} USD there)"


def _keep_incumbent(ranked: list[Evaluated], q: Question) -> tuple[Evaluated, str, str]:
    best, goal = ranked[0], OBJECTIVES[q.workload.objective]
    running = next((e for e in ranked if e.identity in q.incumbents), best)
    if running is not best and not _moves(best, running, q):
        needed = "moves are paused" if isinf(q.move_saving) else f"a move must save {q.move_saving:.0%}"
        return _kept(best, running, q, needed)
    return best, goal.chosen, chosen_words(best, len(ranked), q)


def _moves(best: Evaluated, running: Evaluated, q: Question) -> bool:
    score = OBJECTIVES[q.workload.objective].score
    return score(best) < score(running) * (1 - q.move_saving)


def _kept(best: Evaluated, running: Evaluated, q: Question, why: str) -> tuple[Evaluated, str, str]:
    score = OBJECTIVES[q.workload.objective].score
    saving = 1 - score(best) / score(running) if score(running) else 0.0
    return running, Reason.INCUMBENT_KEPT, f"{_name(best)} would save {saving:.0%}; {why}"


def _name(e: Evaluated) -> str:
    spread = "" if e.candidate.how == e.candidate.engine else f" ({e.candidate.how})"
    return f"{e.candidate.variant.name} on {e.candidate.pool.name}{spread}"
