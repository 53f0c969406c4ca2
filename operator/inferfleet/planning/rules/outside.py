"""Why a provider's offer may not serve: there is no hardware to ask about. Pure."""

from inferfleet.api.external import ExternalModel
from inferfleet.names import Reason
from inferfleet.planning.rules.context import context_long_enough
from inferfleet.planning.types import Candidate, Question, Rejection

_HOW = "measure it and set spec.external.models[].latency of the pool"


def unpublished(c: Candidate, q: Question) -> Rejection | None:
    """The first of the rules that hold of offers."""
    assert c.offer
    for found in (_modality(c, q), context_long_enough(c, q), _quantization(c, c.offer, q), _power(c, q)):
        if found:
            return found
    return _latency(c, c.offer, q)


def _modality(c: Candidate, q: Question) -> Rejection | None:
    if q.workload.modality == q.architecture.modality:
        return None
    message = f"the class asks for {q.workload.modality}, and the model is for {q.architecture.modality}"
    return Rejection(c, Reason.MODALITY_UNSUPPORTED, message)


def _quantization(c: Candidate, offer: ExternalModel, q: Question) -> Rejection | None:
    policy, served = q.workload.quantization, offer.quantization
    if policy and policy.allow is not None and served not in policy.allow:
        allowed = ", ".join(policy.allow)
        message = f"the class allows {allowed}, and the provider serves {served or 'what it does not say'}"
        return Rejection(c, Reason.QUANTIZATION_NOT_ALLOWED, message)
    asked = (policy is not None and policy.require_evidence) or q.workload.limits.accuracy_loss_percent is not None
    full = served is not None and served in q.quantizations and q.quantizations[served].bytes_per_weight >= 2
    if not asked or full:
        return None
    what = f"{offer.name} in {served or 'a format that is not published'}"
    message = f"the class asks for evidence of accuracy, and there is none of {what}"
    return Rejection(c, Reason.NO_EVIDENCE, message)


def _power(c: Candidate, q: Question) -> Rejection | None:
    if q.workload.objective != "Energy" and q.workload.limits.joules_per_token is None:
        return None
    return Rejection(c, Reason.NO_POWER, f"provider {c.pool.name} does not say what energy a token takes")


def _latency(c: Candidate, offer: ExternalModel, q: Question) -> Rejection | None:
    slo = q.workload.slo
    targets = {"ttft": slo.ttft, "tpot": slo.tpot, "endToEnd": slo.end_to_end, "deadline": slo.deadline}
    asked = next((name for name, target in targets.items() if target is not None), None)
    if offer.latency is not None or asked is None:
        return None
    message = f"nobody says how fast provider {c.pool.name} answers, so {asked} cannot be met: {_HOW}"
    return Rejection(c, Reason.SLO_VIOLATED, message, asked)
