"""What a provider's offer would do and cost. Pure."""

from math import inf

from inferfleet.api.external import ExternalLimits, ExternalModel
from inferfleet.names import Reason
from inferfleet.planning.evaluate.price import of_offer
from inferfleet.planning.objectives import over_limit
from inferfleet.planning.rules.outside import unpublished
from inferfleet.planning.rules.targets import slo_violation
from inferfleet.planning.types import Candidate, Evaluated, Prediction, Question, Rejection, TokenCosts
from inferfleet.planning.unit import Unit, counted, unit_of


def offered(c: Candidate, q: Question) -> Evaluated | Rejection:
    """The price and the published latency, or why it may not serve."""
    assert c.offer
    if rejection := unpublished(c, q):
        return rejection
    prediction = _prediction(c.offer, q)
    if c.offer.latency and (violated := slo_violation(prediction, q)):
        return Rejection(c, Reason.SLO_VIOLATED, violated.words, violated.binding, violated.excess)
    price = c.offer.price
    costs = TokenCosts(price.input_per1_m_tokens, price.output_per1_m_tokens)
    found = Evaluated(c, "", prediction, prediction.tokens_per_second, "Declared", of_offer(c.offer, q), costs)
    return over_limit(found, q.workload.limits) or _rate_limited(found, q) or found


def _prediction(offer: ExternalModel, q: Question) -> Prediction:
    """Infinite where nothing is published: then no target asks for it."""
    seconds = offer.latency.ttft.total_seconds() if offer.latency else inf
    each = 1 / offer.latency.tokens_per_second if offer.latency else inf
    generated = 1 if unit_of(q.workload) is Unit.PROMPT else q.workload.traffic.output.p50
    whole = seconds + (each * (generated - 1) if generated > 1 else 0.0)
    return Prediction(1, seconds, each, whole, rate_limit(offer.limits, q), 0.0)


def rate_limit(limits: ExternalLimits | None, q: Question) -> float:
    """Tokens per second of the class's unit that a provider takes; infinite without limits."""
    if limits is None:
        return inf
    traffic, of_request = q.workload.traffic, counted(q.workload).p50
    both = traffic.input_tokens.p50 + (traffic.output_tokens.p50 if traffic.output_tokens else 0)
    requests = [limits.requests_per_minute or inf, (limits.tokens_per_minute or inf) / both]
    return min(requests) / 60 * of_request


def _rate_limited(e: Evaluated, q: Question) -> Rejection | None:
    """A guaranteed demand that the provider would refuse."""
    if q.guaranteed <= e.tokens_per_second:
        return None
    most = f"{e.tokens_per_second:.0f}"
    message = f"{q.guaranteed:.0f} tokens/s are guaranteed, and the provider's rate limits allow {most}"
    return Rejection(e.candidate, Reason.POOL_EXHAUSTED, message, "rateLimit")
