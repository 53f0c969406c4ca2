"""`/v1/embeddings`: the request. Pure; raises ApiError."""

from collections.abc import Mapping
from typing import Any

from inferfleet_runtime.api import checks
from inferfleet_runtime.api.adapters import lora, renaming
from inferfleet_runtime.api.calls import Call, Limits
from inferfleet_runtime.api.errors import ApiError, unsupported
from inferfleet_runtime.api.work import Work

_KNOWN = checks.WITHOUT_EFFECT | {"dimensions", "encoding_format", "input", "model"}
_MOST_INPUTS = 2048


def parse(body: dict[str, Any], limit: Limits) -> Call:
    """Check a request and estimate its size."""
    checks.check_model(body.get("model"), limit)
    checks.check_names(body, _KNOWN)
    if "dimensions" in body:
        raise unsupported("dimensions", "vectors come at the model's full length; cut and normalise them yourself")
    form = body.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise ApiError(400, '`encoding_format` must be "float" or "base64"', param="encoding_format")
    sent = {"model": body["model"], "input": body.get("input"), "encoding_format": form}
    work = Work(prompt=_input_tokens(body, limit), output=0)
    return Call(
        endpoint="/v1/embeddings",
        body=sent | lora(body["model"], limit),
        stream=False,
        include_usage=False,
        work=work,
        rewriters=renaming(body["model"], limit),
    )


def _input_tokens(body: Mapping[str, Any], limit: Limits) -> int:
    given: Any = body.get("input")
    inputs = given if isinstance(given, list) and not checks.is_token_ids(given) else [given]
    if not 1 <= len(inputs) <= _MOST_INPUTS or not all(map(_is_input, inputs)):
        message = f"`input` must be a text, a list of token ids, or a list of up to {_MOST_INPUTS} of these, none empty"
        raise ApiError(400, message, param="input")
    tokens = [len(one) if isinstance(one, list) else checks.text_tokens(one) for one in inputs]
    if any(isinstance(one, list) and len(one) > limit.context_tokens for one in inputs):
        message = f"`input` has more than {limit.context_tokens} tokens in one text"
        raise ApiError(400, message, param="input", code="context_length_exceeded")
    return sum(tokens)


def _is_input(value: Any) -> bool:
    return (isinstance(value, str) and bool(value)) or checks.is_token_ids(value)
