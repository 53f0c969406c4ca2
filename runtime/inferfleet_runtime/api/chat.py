"""`/v1/chat/completions`: the request. Pure; all raise ApiError."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from inferfleet_runtime.api import checks
from inferfleet_runtime.api.adapters import lora, renaming
from inferfleet_runtime.api.calls import Call, Limits, Rewriter
from inferfleet_runtime.api.errors import ApiError, unsupported
from inferfleet_runtime.api.sampling import SAMPLING, sampling
from inferfleet_runtime.api.tool_calls import ToolCalls
from inferfleet_runtime.api.tools import Forced, forced
from inferfleet_runtime.api.work import Work

_TOKENS_PER_MESSAGE = 4
"""What a chat template adds around a message."""
_ROLES = frozenset({"assistant", "developer", "function", "system", "tool", "user"})
_AS_THEY_ARE = frozenset({"logprobs", "messages", "model", "reasoning_effort", "top_logprobs"})
_HANDLED = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "n",
        "parallel_tool_calls",
        "response_format",
        "stream",
        "stream_options",
        "tool_choice",
        "tools",
    }
)
_KNOWN = SAMPLING | _AS_THEY_ARE | _HANDLED | checks.WITHOUT_EFFECT
_MOST_LOGPROBS = 20


def parse(body: dict[str, Any], limit: Limits) -> Call:
    """Check a request and estimate its size."""
    body = _with_known_roles(body)
    checks.check_model(body.get("model"), limit)
    checks.check_names(body, _KNOWN)
    check_single(body, "n")
    check_logprobs(body)
    _check_effort(body)
    stream, include_usage = checks.streaming(body)
    must_call = forced(body)
    prompt = prompt_tokens(body)
    output = checks.output_tokens(body, ("max_completion_tokens", "max_tokens"), prompt, limit)
    sent = {name: value for name, value in body.items() if name in _AS_THEY_ARE} | sampling(body)
    sent |= {"max_tokens": output} | lora(body["model"], limit) | _constrained(body, must_call)
    calling: tuple[Callable[[], Rewriter], ...] = (partial(ToolCalls, must_call),) if must_call else ()
    return Call(
        endpoint="/v1/chat/completions",
        body=checks.streamed(sent, stream),
        stream=stream,
        include_usage=include_usage,
        work=Work(prompt, output),
        schema="tools" if must_call else "response_format" if "response_format" in sent else None,
        rewriters=(*calling, *renaming(body["model"], limit)),
    )


def _with_known_roles(body: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's `developer` is its newer word for `system`, which is the one that chat templates know."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    known = [m | {"role": "system"} if isinstance(m, dict) and m.get("role") == "developer" else m for m in messages]
    return body | {"messages": known}


def check_single(body: Mapping[str, Any], *names: str) -> None:
    """One request takes one slot."""
    for param in names:
        if body.get(param, 1) != 1:
            message = f"`{param}` must be 1: send one request for each answer"
            raise ApiError(400, message, param=param, code="unsupported_value")


def check_logprobs(body: Mapping[str, Any]) -> None:
    """Whether and how many of the likeliest tokens come with each one."""
    wanted, top = body.get("logprobs", False), body.get("top_logprobs", 0)
    if not isinstance(wanted, bool):
        raise ApiError(400, "`logprobs` must be true or false", param="logprobs")
    if type(top) is not int or not 0 <= top <= _MOST_LOGPROBS:
        message = f"`top_logprobs` must be a whole number from 0 to {_MOST_LOGPROBS}"
        raise ApiError(400, message, param="top_logprobs")
    if top and not wanted:
        raise ApiError(400, "`top_logprobs` needs `logprobs: true`", param="top_logprobs")


def _check_effort(body: Mapping[str, Any]) -> None:
    """Which words mean something is the chat template's matter."""
    if not isinstance(body.get("reasoning_effort", ""), str):
        raise ApiError(400, '`reasoning_effort` must be a text such as "low"', param="reasoning_effort")


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Estimated; checks the messages on the way."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise ApiError(400, "`messages` must be a list of at least one message", param="messages")
    for place, message in enumerate(messages):
        _check_message(message, f"messages[{place}]")
    tools = checks.size(body.get("tools")) // checks.BYTES_PER_TOKEN
    return tools + sum(_message_bytes(m) // checks.BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE for m in messages)


def _check_message(message: Mapping[str, Any], where: str) -> None:
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise ApiError(400, f"`{where}.role` must be one of {', '.join(sorted(_ROLES))}", param=f"{where}.role")
    content = message.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise ApiError(400, f"`{where}.content` must be a text or a list of parts", param=f"{where}.content")
    for part in content:
        if part.get("type") not in ("text", "refusal") or not isinstance(part.get(part["type"]), str):
            raise unsupported(f"{where}.content", 'this model reads text: parts are {"type": "text", "text": "..."}')


def _message_bytes(message: Mapping[str, Any]) -> int:
    """Calls of tools and whatever else a chat template may print count as the content does."""
    return sum(checks.size(value) for name, value in message.items() if name != "role")


def _constrained(body: Mapping[str, Any], must_call: Forced | None) -> dict[str, Any]:
    """What the engine gets of tools and of the wanted form of the answer."""
    form = response_format(body.get("response_format"))
    if must_call and form:
        message = (
            "`tool_choice` forces a call, which is not of the form that `response_format` (`text.format` of a "
            "response) asks for: leave out one of them"
        )
        raise ApiError(400, message, param="response_format")
    if must_call:
        wanted = {"type": "json_schema", "json_schema": {"name": "calls", "schema": must_call.schema()}}
        messages = _instructed(body["messages"], must_call.instruction())
        return {"messages": messages, "response_format": wanted}
    tools = {name: body[name] for name in ("tools", "tool_choice", "parallel_tool_calls") if name in body}
    if not tools.get("tools"):
        tools = {}
    return tools | ({"response_format": form} if form else {})


def _instructed(messages: list[dict[str, Any]], instruction: str) -> list[dict[str, Any]]:
    """With an instruction for the model, in the one system message that every template takes."""
    first = messages[0]
    if first["role"] == "system" and isinstance(first.get("content"), str):
        return [first | {"content": f"{first['content']}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]


def response_format(form: Any, param: str = "response_format") -> dict[str, Any] | None:
    """What the engine is told of the form of an answer: nothing for text. A schema is enforced, strict or not."""
    if form is None:
        return None
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "json_object"}
    if kind != "json_schema":
        raise ApiError(400, f'`{param}.type` must be "text", "json_object" or "json_schema"', param=param)
    wanted = form.get("json_schema")
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if not isinstance(schema, dict):
        raise ApiError(400, f"`{param}.json_schema.schema` must be an object: a JSON schema", param=param)
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
