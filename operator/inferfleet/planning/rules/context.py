"""Whether requests are within the context that the model was made for. Pure."""

from inferfleet.names import Reason
from inferfleet.planning.types import Candidate, Question, Rejection


def context_long_enough(c: Candidate, q: Question) -> Rejection | None:
    """Beyond its context a model answers nonsense; one whose context nobody says is taken at its word.

    What runs already goes on: to freeze it would only end its scaling.
    """
    if c.identity in q.incumbents:
        return None
    most, traffic = q.architecture.context_tokens, q.workload.traffic
    if most is None or traffic.longest <= most:
        return None
    message = (
        f"long requests of the class have {traffic.longest} tokens ({traffic.input_tokens.p95} of prompt and "
        f"{traffic.longest - traffic.input_tokens.p95} of completion at p95), and the model was made for {most} "
        "(contextTokens)"
    )
    return Rejection(c, Reason.CONTEXT_TOO_LONG, message, "contextTokens")
