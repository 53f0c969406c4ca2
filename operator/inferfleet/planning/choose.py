"""The choice for one workload: every pool x variant x engine, rejected with a reason or priced. Pure."""

from decimal import Decimal
from itertools import product
from math import exp, isinf, log
from statistics import fmean

from inferfleet.api.figures import figures, latency
from inferfleet.names import Reason
from inferfleet.planning.content import settings
from inferfleet.planning.ledger import content_name
from inferfleet.planning.objectives import OBJECTIVES, over_limit
from inferfleet.planning.performance import MEMORY_SHARE, predict
from inferfleet.planning.refusal import most_telling, no_candidate
from inferfleet.planning.room import lacks_room, load
from inferfleet.planning.rules import CAPABILITY_RULES, RULES, slo_violation
from inferfleet.planning.types import Answer, Candidate, Evaluated, Prediction, Question, Rejection
from inferfleet.planning.unit import Unit, unit_of

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def choose(question: Question) -> Answer:
    """The best candidate and why every other one is not it."""
    rejected: list[Rejection] = []
    possible: list[Evaluated] = []
    corrections = calibration(question)
    for candidate in candidates(question):
        result = evaluate(candidate, question, corrections)
        (possible if isinstance(result, Evaluated) else rejected).append(result)  # type: ignore[arg-type]
    carried = load(possible, question)
    crowded = [lacks_room(e, question, carried) for e in possible]
    possible = [e for e, problem in zip(possible, crowded, strict=True) if problem is None]
    rejected = most_telling([*filter(None, crowded), *rejected])
    if not possible:
        return Answer(None, Reason.NO_CANDIDATE, no_candidate(rejected, question), tuple(rejected), ())
    goal = OBJECTIVES[question.workload.objective]
    ranked = sorted(possible, key=lambda e: (goal.score(e), e.identity))
    chosen, reason, message = _keep_incumbent(ranked, question)
    losers = tuple(Rejection(e.candidate, goal.lost, goal.words(e, chosen)) for e in ranked if e is not chosen)
    return Answer(chosen, reason, message, losers + tuple(rejected), tuple(ranked))


def candidates(question: Question) -> list[Candidate]:
    """Every combination, in a stable order; a pool without engines still yields a candidate, to be rejected."""
    return [
        Candidate(pool, variant, engine)
        for pool, variant in product(sorted(question.pools, key=lambda p: p.name), question.variants)
        for engine in pool.engines or ("",)
    ]


def evaluate(candidate: Candidate, q: Question, corrections: dict[tuple[str, str], float]) -> Evaluated | Rejection:
    """The first rule that rejects, or the candidate at its best batch size with its price."""
    for rule in RULES:
        if rejection := rule(candidate, q):
            return rejection
    fitting = [p for p in _predictions(candidate, q) if p.memory <= candidate.pool.memory * MEMORY_SHARE]
    within = [p for p in fitting if slo_violation(p, q) is None]
    if not within:
        binding, message = slo_violation(fitting[0], q) or ("", "")
        return Rejection(candidate, Reason.SLO_VIOLATED, message, binding)
    priced = [_priced(candidate, p, q, corrections) for p in within]
    allowed = [e for e in priced if over_limit(e, q.workload.limits) is None]
    nearest = max(priced, key=lambda e: e.tokens_per_second)
    return over_limit(nearest, q.workload.limits) or _best_batch(allowed, q)


def _best_batch(within: list[Evaluated], q: Question) -> Evaluated:
    if q.workload.objective == "Latency":
        return min(within, key=lambda e: (e.prediction.end_to_end, -e.prediction.slots))
    return max(within, key=lambda e: (e.prediction.tokens_per_second, -e.prediction.slots))


def calibration(q: Question) -> dict[tuple[str, str], float]:
    """Measured over estimated capacity by (accelerator, engine): the geometric mean of what the ledger has.

    Without it, an estimate that is too high would make every candidate that was never tried look
    better than the one whose truth is known, and the placement would wander through all of them.
    """
    ratios: dict[tuple[str, str], list[float]] = {}
    for candidate in candidates(q):
        if any(rule(candidate, q) for rule in CAPABILITY_RULES):
            continue
        for prediction in _predictions(candidate, q):
            if measured := q.ledger.get(profile_name(candidate, q, prediction.slots)):
                key = (candidate.pool.accelerator_name, candidate.engine)
                ratios.setdefault(key, []).append(log(measured.tokens_per_second / prediction.tokens_per_second))
    return {key: exp(fmean(values)) for key, values in ratios.items()}


def profile_name(candidate: Candidate, q: Question, slots: int) -> str:
    """Name of the CapacityProfile of a candidate with so many slots."""
    lengths = q.workload.traffic.input_tokens.p50, q.workload.traffic.output.p50
    what = (q.architecture_key, candidate.variant.quantization, candidate.engine)
    where = (candidate.pool.accelerator_name, candidate.pool.cores)
    return content_name(what, where, slots, lengths, settings(candidate, q))


def _predictions(candidate: Candidate, q: Question) -> list[Prediction]:
    quantization, engine = q.quantizations[candidate.variant.quantization], q.engine(candidate.engine)
    assert candidate.pool.accelerator
    where = (candidate.pool.accelerator, candidate.pool.cores)
    serving = q.workload.serving
    most = 1 if serving.batching == "Off" else serving.max_batch_size
    sizes = [b for b in BATCH_SIZES if b <= most]
    return [predict(q.architecture, quantization, engine, where, (q.workload.traffic, b)) for b in sizes]


def _priced(
    candidate: Candidate, prediction: Prediction, q: Question, corrections: dict[tuple[str, str], float]
) -> Evaluated:
    profile = profile_name(candidate, q, prediction.slots)
    measured = q.ledger.get(profile)
    correction = corrections.get((candidate.pool.accelerator_name, candidate.engine), 1.0)
    speed = measured.tokens_per_second if measured else prediction.tokens_per_second * correction
    return Evaluated(
        candidate,
        profile,
        prediction,
        speed,
        measured.source if measured else "Estimated",
        _cost(candidate, speed, q),
    )


def _cost(candidate: Candidate, tokens_per_second: float, q: Question) -> Decimal:
    """USD per million tokens: hourly price over tokens per hour at the planned utilization, two significant digits."""
    assert candidate.pool.price is not None
    hourly = float(candidate.pool.price) * candidate.pool.cores
    utilization = float(q.workload.scaling.target_utilization)
    return Decimal(f"{hourly / (tokens_per_second * utilization * 3600) * 1e6:.2g}").normalize() + 0


def _keep_incumbent(ranked: list[Evaluated], q: Question) -> tuple[Evaluated, str, str]:
    best, goal = ranked[0], OBJECTIVES[q.workload.objective]
    running = [e for e in ranked if e.identity in q.incumbents]
    if running and running[0] is not best and not goal.score(best) < goal.score(running[0]) * (1 - q.move_saving):
        score = goal.score(running[0])
        saving = 1 - goal.score(best) / score if score else 0.0
        needed = "moves are paused" if isinf(q.move_saving) else f"a move must save {q.move_saving:.0%}"
        message = f"{_name(best)} would save {saving:.0%}; {needed}"
        return running[0], Reason.INCUMBENT_KEPT, message
    p = best.prediction
    message = (
        f"{best.cost} USD per 1M tokens; {p.slots} slots, {figures(best.tokens_per_second)} tokens/s a replica "
        f"({best.capacity_source.lower()}); {_expected(p, q)} expected"
    )
    return best, goal.chosen, message


def _expected(p: Prediction, q: Question) -> str:
    if unit_of(q.workload) is Unit.PROMPT:
        return f"{latency(p.end_to_end)} a request"
    return f"TTFT {latency(p.ttft)} and TPOT {latency(p.tpot)}"


def _name(e: Evaluated) -> str:
    return f"{e.candidate.variant.name} on {e.candidate.pool.name}"
