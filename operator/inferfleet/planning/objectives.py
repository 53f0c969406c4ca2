"""What a class optimizes among what meets its targets, and the limits on it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from inferfleet.api.figures import figures, latency
from inferfleet.api.workload_class import Limits
from inferfleet.names import Reason
from inferfleet.planning.types import Evaluated, Rejection


@dataclass(frozen=True)
class Objective:
    """How candidates compare: the lowest score wins."""

    score: Callable[[Evaluated], float]
    chosen: str
    """Reason of the winner."""
    lost: str
    """Reason of the others."""
    words: Callable[[Evaluated, Evaluated], str]
    """Of one that lost to the second."""


def _times(ratio: float) -> str:
    shown = figures(ratio, 2)
    return "as much as the chosen" if shown == "1" else f"{shown} times the chosen"


def _cost(e: Evaluated, chosen: Evaluated) -> str:
    ratio = float(e.cost / chosen.cost) if chosen.cost else 1.0
    return f"{e.cost} USD per 1M tokens, {_times(ratio)}"


def _latency(e: Evaluated, chosen: Evaluated) -> str:
    ratio = e.prediction.end_to_end / chosen.prediction.end_to_end
    return f"{latency(e.prediction.end_to_end)} a request expected, {_times(ratio)}"


def _energy(e: Evaluated, chosen: Evaluated) -> str:
    mine, best = joules(e), joules(chosen)
    return f"{figures(mine, 2)} J per token, {_times(mine / best if best else 1)}"


def _throughput(e: Evaluated, chosen: Evaluated) -> str:
    ratio = e.tokens_per_second / chosen.tokens_per_second
    return f"{figures(e.tokens_per_second)} tokens/s a replica, {_times(ratio)}"


def joules(e: Evaluated) -> float:
    """Energy per token of the class's unit; candidates without a known power were rejected where it matters."""
    assert e.joules_per_token is not None
    return e.joules_per_token


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        "Cost": Objective(lambda e: float(e.cost), Reason.CHEAPEST_WITHIN_SLO, Reason.COST_ABOVE_BEST, _cost),
        "Latency": Objective(
            lambda e: e.prediction.end_to_end, Reason.FASTEST_WITHIN_SLO, Reason.LATENCY_ABOVE_BEST, _latency
        ),
        "Energy": Objective(joules, Reason.LEAST_ENERGY_WITHIN_SLO, Reason.ENERGY_ABOVE_BEST, _energy),
        "Throughput": Objective(
            lambda e: 1 / e.tokens_per_second,
            Reason.MOST_THROUGHPUT_WITHIN_SLO,
            Reason.THROUGHPUT_BELOW_BEST,
            _throughput,
        ),
    }
)


def over_limit(e: Evaluated, limits: Limits) -> Rejection | None:
    """The first of the class's limits that a priced candidate breaks."""
    cost, energy = limits.cost_per1_m_tokens, limits.joules_per_token
    if cost is not None and e.cost > cost:
        message = f"{e.cost} USD per 1M tokens, {cost} allowed"
        excess = float(e.cost / cost) if cost else None
        return Rejection(e.candidate, Reason.COST_LIMIT_EXCEEDED, message, "costPer1MTokens", excess)
    if energy is not None and joules(e) > energy:
        message = f"{figures(joules(e), 2)} J per token, {energy} allowed"
        return Rejection(e.candidate, Reason.ENERGY_LIMIT_EXCEEDED, message, "joulesPerToken")
    return None
