"""Why a candidate was chosen, in one sentence that a newcomer understands. Pure."""

from collections.abc import Mapping
from math import isinf
from types import MappingProxyType

from inferfleet.api.figures import HOURS, figures, latency
from inferfleet.planning.objectives import joules
from inferfleet.planning.types import Evaluated, Question
from inferfleet.planning.unit import Unit, unit_of

_BEST: Mapping[str, str] = MappingProxyType(
    {
        "Cost": "cheapest",
        "Latency": "fastest",
        "Energy": "most frugal",
        "Throughput": "the one with the most tokens per second",
    }
)


def chosen_words(best: Evaluated, possible: int, q: Question) -> str:
    """`cheapest of 3 that meet TTFT 2 s and TPOT 150 ms (0.8 s and 60 ms expected); 0.42 USD per 1M tokens; ...`."""
    return "; ".join(filter(None, (_which(best, possible, q), _price(best, q), _capacity(best), _loss(best))))


def _which(best: Evaluated, possible: int, q: Question) -> str:
    targets, alone = _targets(q), possible == 1
    of = "the only one" if alone else f"{_BEST[q.workload.objective]} of {possible}"
    meets = f" that meet{'s' if alone else ''} {targets}" if targets else ""
    return f"{of}{meets} {_expected(best, q)}"


def _targets(q: Question) -> str:
    slo = q.workload.slo
    given = {"TTFT": slo.ttft, "TPOT": slo.tpot, "end to end": slo.end_to_end, "the deadline of": slo.deadline}
    found = [f"{name} {_round(value.total_seconds())}" for name, value in given.items() if value is not None]
    return _and(found)


def _round(seconds: float) -> str:
    """Targets are round numbers: 24 h, 2 s, 150 ms."""
    return f"{figures(seconds)} s" if 1 <= seconds < HOURS else latency(seconds)


def _expected(e: Evaluated, q: Question) -> str:
    """What it is expected to do about the targets; where there are none, what people ask first."""
    p, slo = e.prediction, q.workload.slo
    if isinf(p.ttft):
        return "(nobody says how fast)"
    whole = f"{latency(p.end_to_end)} a request"
    if unit_of(q.workload) is Unit.PROMPT:
        return f"({whole} expected)"
    values = [(slo.ttft, "TTFT", p.ttft), (slo.tpot, "TPOT", p.tpot)]
    asked = [(name, value) for target, name, value in values if target is not None or not _targets(q)]
    parts = [f"{name} {latency(value)}" for name, value in asked]
    if slo.end_to_end is not None or slo.deadline is not None:
        parts.append(whole)
    return f"({_and(parts)} expected)"


def _and(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def _price(e: Evaluated, q: Question) -> str:
    price = f"{e.cost} USD per 1M tokens"
    return f"{figures(joules(e), 2)} J per token, {price}" if q.workload.objective == "Energy" else price


def _capacity(e: Evaluated) -> str:
    if e.candidate.offer and isinf(e.tokens_per_second):
        return ""
    if e.candidate.offer:
        return f"at most {figures(e.tokens_per_second)} tokens/s by its rate limits"
    slots = e.prediction.slots
    each = f"{slots} slot{'' if slots == 1 else 's'}, {figures(e.tokens_per_second)} tokens/s a replica"
    source = f"a guess: {e.prediction.outside}" if e.guessed else e.capacity_source.lower()
    return f"{each} ({source})"


def _loss(e: Evaluated) -> str:
    return f"{figures(e.accuracy_loss, 2)} % of accuracy lost" if e.accuracy_loss else ""
