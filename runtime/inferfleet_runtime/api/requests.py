"""The OpenAI API's requests and errors as plain values. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from inferfleet_runtime.api.work import Work
from inferfleet_runtime.contract import RuntimeConfig

Endpoint = Literal["/v1/chat/completions", "/v1/completions"]

_BYTES_PER_TOKEN = 4
"""Of English text and the tokenizers of current models."""
_TOKENS_PER_MESSAGE = 4
"""What a chat template adds around a message."""
_SAMPLING = frozenset(
    {"frequency_penalty", "logit_bias", "logprobs", "presence_penalty", "seed", "stop", "temperature", "top_p"}
)
_EXTENSIONS = frozenset({"ignore_eos", "min_p", "repeat_penalty", "top_k"})
"""llama.cpp's own parameters that change neither the size of a request nor the shape of its answer."""
_CHAT = frozenset(
    {"messages", "parallel_tool_calls", "reasoning_effort", "response_format", "tool_choice", "tools", "top_logprobs"}
)
_FORWARDED: Mapping[Endpoint, frozenset[str]] = MappingProxyType(
    {
        "/v1/chat/completions": _SAMPLING | _EXTENSIONS | _CHAT | {"model"},
        "/v1/completions": _SAMPLING | _EXTENSIONS | {"model", "prompt", "echo", "suffix"},
    }
)
"""What the engine may see. A list of what it may not would miss the next parameter that gets around admission."""
_HANDLED = frozenset({"best_of", "max_completion_tokens", "max_tokens", "n", "stream", "stream_options"})
_WITHOUT_EFFECT = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "store", "user"}
)
"""OpenAI's parameters about the account of a caller: accepted, since they change no answer."""
_SHOWN = 64
"""Characters of an unknown name that its error repeats."""
_LENGTH_MULTIPLE = 4
"""Without `max_tokens` an answer may be this many times as long as the class's usual one."""


@dataclass(eq=False)  # not frozen: contextlib sets the traceback of what passes through it
class ApiError(Exception):
    """An error as the API reports it."""

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """OpenAI's shape."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


@dataclass(frozen=True)
class Limits:
    """What a request is held against."""

    names: frozenset[str]
    """Values of `model` that mean this one."""
    context_tokens: int
    default_output_tokens: int


@dataclass(frozen=True)
class Call:
    """A request that may go to the engine."""

    endpoint: Endpoint
    body: Mapping[str, Any]
    """As the engine gets it."""
    stream: bool
    include_usage: bool
    work: Work


def limits(config: RuntimeConfig) -> Limits:
    """Derived from the configuration."""
    full = config.served_model_name
    plain = {full, full.rsplit("/", 1)[-1]}
    return Limits(
        names=frozenset(plain | {f"{name}:{config.workload_class}" for name in plain}),
        context_tokens=config.context_tokens,
        default_output_tokens=config.benchmark.output_tokens * _LENGTH_MULTIPLE,
    )


def decode(raw: bytes) -> Any:
    """The JSON in a body. Raises ApiError for what is none, and for what could not be sent on as JSON."""
    try:
        value = json.loads(raw.decode())
        # a lone surrogate is no text, an infinite number no JSON: Python takes both, the engine neither
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise ApiError(400, "the body holds a lone surrogate (\\ud800 to \\udfff), which is no character") from error
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is not JSON: {error}") from error
    return value


def parse(body: Any, endpoint: Endpoint, limit: Limits) -> Call:
    """Check a request and estimate its size. Raises ApiError."""
    if not isinstance(body, dict):
        raise ApiError(400, "the body must be a JSON object")
    body = {name: value for name, value in body.items() if value is not None}
    _check_model(body.get("model"), limit)
    _check_names(body, endpoint)
    _check_single(body)
    prompt = _chat_tokens(body) if endpoint == "/v1/chat/completions" else _prompt_tokens(body)
    output = _output_tokens(body, prompt, limit)
    stream, include_usage = _streaming(body)
    forwarded = {name: value for name, value in body.items() if name in _FORWARDED[endpoint]}
    forwarded["max_tokens"] = output
    if stream:
        forwarded |= {"stream": True, "stream_options": {"include_usage": True}}
    return Call(endpoint, forwarded, stream, include_usage, Work(prompt, output))


def _check_model(model: Any, limit: Limits) -> None:
    if not isinstance(model, str) or not model:
        raise ApiError(400, "name the model in the field `model`", param="model")
    if model not in limit.names:
        served = ", ".join(sorted(limit.names))
        message = f"the model `{model}` is not served here; served: {served}"
        raise ApiError(404, message, param="model", code="model_not_found")


def _check_names(body: Mapping[str, Any], endpoint: Endpoint) -> None:
    """OpenAI refuses what it does not know; so do we, since an ignored constraint would be a wrong answer."""
    for name in body.keys() - _FORWARDED[endpoint] - _HANDLED - _WITHOUT_EFFECT:
        shown = name[:_SHOWN]
        message = f"unknown or unsupported parameter `{shown}`"
        raise ApiError(400, message, param=shown, code="unknown_parameter")


def _check_single(body: Mapping[str, Any]) -> None:
    """One request takes one slot."""
    for param in ("n", "best_of"):
        if body.get(param, 1) != 1:
            message = f"`{param}` must be 1: send one request for each answer"
            raise ApiError(400, message, param=param, code="unsupported_value")


def _chat_tokens(body: Mapping[str, Any]) -> int:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise ApiError(400, "`messages` must be a list of at least one message", param="messages")
    tools = _size(body.get("tools")) // _BYTES_PER_TOKEN
    return tools + sum(_message_bytes(m) // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE for m in messages)


def _message_bytes(message: Mapping[str, Any]) -> int:
    """Calls of tools and whatever else a chat template may print count as the content does."""
    return sum(_size(value) for name, value in message.items() if name != "role")


def _size(value: Any) -> int:
    """Bytes of text in nested lists and objects."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 0


def _prompt_tokens(body: Mapping[str, Any]) -> int:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt:
        return max(1, len(prompt.encode()) // _BYTES_PER_TOKEN)
    if isinstance(prompt, list) and prompt and all(type(token) is int for token in prompt):
        return len(prompt)
    raise ApiError(400, "`prompt` must be one text or one list of token ids, not empty", param="prompt")


def _output_tokens(body: Mapping[str, Any], prompt: int, limit: Limits) -> int:
    for param in ("max_completion_tokens", "max_tokens"):
        wanted = body.get(param)
        if wanted is not None:
            return _checked_output(wanted, param, limit)
    left = limit.context_tokens - prompt
    return max(1, min(left, limit.default_output_tokens))


def _checked_output(wanted: Any, param: str, limit: Limits) -> int:
    if type(wanted) is not int or wanted < 1:
        raise ApiError(400, f"`{param}` must be a whole number of at least 1", param=param)
    if wanted >= limit.context_tokens:
        raise ApiError(
            400,
            f"`{param}` is {wanted}, but prompt and answer together may hold {limit.context_tokens} tokens",
            param=param,
            code="context_length_exceeded",
        )
    return wanted


def _streaming(body: Mapping[str, Any]) -> tuple[bool, bool]:
    stream, options = body.get("stream") or False, body.get("stream_options")
    if not isinstance(stream, bool):
        raise ApiError(400, "`stream` must be true or false", param="stream")
    if options is None:
        return stream, False
    if not stream or not isinstance(options, dict):
        raise ApiError(400, "`stream_options` is an object and needs `stream: true`", param="stream_options")
    return stream, bool(options.get("include_usage"))


def from_engine(status: int, error: Mapping[str, Any], limit: Limits) -> ApiError:
    """llama.cpp's error in the API's words; `error` is the object below `error`."""
    if error.get("type") == "exceed_context_size_error":
        return ApiError(
            400,
            f"the prompt has {error.get('n_prompt_tokens')} tokens, but prompt and answer together may "
            f"hold {limit.context_tokens} tokens",
            param="messages",
            code="context_length_exceeded",
        )
    type_ = "invalid_request_error" if 400 <= status < 500 else "server_error"
    return ApiError(status, str(error.get("message", "the engine refused the request")), type_)
