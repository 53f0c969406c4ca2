"""What every endpoint checks of a request, and how it estimates sizes. Pure; all raise ApiError."""

from collections.abc import Iterable, Mapping
from typing import Any

from inferfleet_runtime.api.calls import Limits
from inferfleet_runtime.api.errors import ApiError

BYTES_PER_TOKEN = 4
"""Of English text and the tokenizers of current models."""
WITHOUT_EFFECT = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "store", "user"}
)
"""OpenAI's parameters about the account of a caller: accepted, since they change no answer. What `service_tier` changes
is when it comes."""
_SHOWN = 64
"""Characters of an unknown name that its error repeats."""


def present(body: Any) -> dict[str, Any]:
    """The parameters that say something: null is the same as absent."""
    if not isinstance(body, dict):
        raise ApiError(400, "the body must be a JSON object")
    return {name: value for name, value in body.items() if value is not None}


def check_model(model: Any, limit: Limits) -> None:
    """Whether it is served here."""
    if not isinstance(model, str) or not model:
        raise ApiError(400, "name the model in the field `model`", param="model")
    if model not in limit.names and model not in limit.adapters:
        served = ", ".join(sorted({*limit.names, *limit.adapters}))
        message = f"the model `{model[:_SHOWN]}` is not served here; served: {served}"
        raise ApiError(404, message, param="model", code="model_not_found")


def check_names(body: Mapping[str, Any], known: Iterable[str]) -> None:
    """OpenAI refuses what it does not know; so do we, since an ignored constraint would be a wrong answer."""
    for name in body.keys() - frozenset(known):
        shown = name[:_SHOWN]
        message = f"unknown or unsupported parameter `{shown}`"
        raise ApiError(400, message, param=shown, code="unknown_parameter")


def output_tokens(body: Mapping[str, Any], names: Iterable[str], prompt: int, limit: Limits) -> int:
    """What was asked for under the first of `names`, else what is left of the context, up to the usual length."""
    for param in names:
        if param in body:
            return _checked_output(body[param], param, limit)
    left = limit.default_output_tokens if limit.slides else limit.context_tokens - prompt
    return max(1, min(left, limit.default_output_tokens))


def _checked_output(wanted: Any, param: str, limit: Limits) -> int:
    if type(wanted) is not int or wanted < 1:
        raise ApiError(400, f"`{param}` must be a whole number of at least 1", param=param)
    if wanted >= limit.context_tokens and not limit.slides:
        raise ApiError(
            400,
            f"`{param}` is {wanted}, but prompt and answer together may hold {limit.context_tokens} tokens",
            param=param,
            code="context_length_exceeded",
        )
    return wanted


def streaming(body: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether to stream, and whether with the usage at the end."""
    stream, options = body.get("stream", False), body.get("stream_options")
    if not isinstance(stream, bool):
        raise ApiError(400, "`stream` must be true or false", param="stream")
    if options is None:
        return stream, False
    if not stream or not isinstance(options, dict):
        raise ApiError(400, "`stream_options` is an object and needs `stream: true`", param="stream_options")
    return stream, bool(options.get("include_usage"))


def streamed(body: dict[str, Any], stream: bool) -> dict[str, Any]:
    """The engine's body; a stream always brings its usage, since the metrics need it."""
    return body | {"stream": True, "stream_options": {"include_usage": True}} if stream else body


def size(value: Any) -> int:
    """Bytes of text in nested lists and objects."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(map(size, value.values()))
    return sum(map(size, value)) if isinstance(value, list) else 0


def text_tokens(text: str) -> int:
    """Estimated from its size."""
    return max(1, len(text.encode()) // BYTES_PER_TOKEN)


def is_token_ids(value: Any) -> bool:
    """Whether it is a list of token ids, not empty."""
    return isinstance(value, list) and bool(value) and all(type(token) is int for token in value)
