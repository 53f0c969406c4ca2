"""What tokens of a candidate cost. Pure.

A replica costs by the hour, whatever it does. What an hour costs is put on the tokens that were made in it, at the
planned utilization. To tell prompt tokens from generated ones, a replica-second is split by what it was spent on: the
prefills of a second take (requests per second) x (seconds of one prefill alone); the rest went into decoding.
"""

from decimal import Decimal

from inferfleet.api.external import ExternalModel
from inferfleet.planning.types import Candidate, Prediction, Question, TokenCosts
from inferfleet.planning.unit import Unit, unit_of

MILLION = 1e6


def rounded(usd: float) -> Decimal:
    """Two significant digits: estimates have no more."""
    return Decimal(f"{usd:.2g}").normalize() + 0


def prefill_share(alone: Prediction, busy: Prediction, q: Question) -> float:
    """Of a replica-second under the load of `busy`, by the prefill of a request that is `alone`. Between 0 and 1."""
    if unit_of(q.workload) is Unit.PROMPT:
        return 1.0
    requests = busy.tokens_per_second / q.workload.traffic.output.p50
    return min(1.0, requests * max(0.0, alone.ttft - alone.tpot))


def of_replica(c: Candidate, tokens_per_second: float, q: Question) -> Decimal:
    """USD per million tokens of the class's unit: the whole price over them, at the planned utilization."""
    return rounded(_per_million(c, tokens_per_second, q))


def by_kind(c: Candidate, tokens_per_second: float, share: float, q: Question) -> TokenCosts:
    """The same by kind of token; `share` of a replica-second is prefill. Median lengths."""
    whole, traffic = _per_million(c, tokens_per_second, q), q.workload.traffic
    if unit_of(q.workload) is Unit.PROMPT:
        return TokenCosts(rounded(whole), Decimal(0))
    ratio = traffic.output.p50 / traffic.input_tokens.p50
    return TokenCosts(rounded(whole * share * ratio), rounded(whole * (1 - share)))


def _per_million(c: Candidate, tokens_per_second: float, q: Question) -> float:
    assert c.pool.price is not None
    hourly = float(c.pool.price) * c.accelerators
    utilization = float(q.workload.scaling.target_utilization)
    return hourly / (tokens_per_second * utilization * 3600) * MILLION


def of_offer(offer: ExternalModel, q: Question) -> Decimal:
    """USD per million tokens of the class's unit: what a request of median lengths costs over what it generates.

    A provider charges for what is used, so utilization is no part of it.
    """
    into, out = float(offer.price.input_per1_m_tokens), float(offer.price.output_per1_m_tokens)
    if unit_of(q.workload) is Unit.PROMPT:
        return rounded(into)
    return rounded(out + into * q.workload.traffic.input_tokens.p50 / q.workload.traffic.output.p50)
