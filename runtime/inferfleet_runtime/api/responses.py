"""`/v1/responses`: the request, as the chat that answers it. Pure; all raise ApiError.

Nothing is stored: what needs an earlier response, a later look or OpenAI's own tools is refused by its name.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from inferfleet_runtime.api import chat, checks
from inferfleet_runtime.api.calls import Call, Limits
from inferfleet_runtime.api.errors import ApiError, unsupported
from inferfleet_runtime.api.response_answers import Responses

_SAMPLING = ("temperature", "top_p")
_EXTENSIONS = ("ignore_eos", "min_p", "repeat_penalty", "seed", "stop", "top_k")
_KNOWN = checks.WITHOUT_EFFECT | {
    *_SAMPLING,
    *_EXTENSIONS,
    "background",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "model",
    "parallel_tool_calls",
    "reasoning",
    "stream",
    "stream_options",
    "text",
    "tool_choice",
    "tools",
    "truncation",
}
_UNSUPPORTED: Mapping[str, str] = MappingProxyType(
    {
        "conversation": "nothing is stored here; send the whole conversation as `input`",
        "max_tool_calls": "tools are called by the client here, which can count them",
        "previous_response_id": "nothing is stored here; send the whole conversation as `input`",
        "prompt": "there are no stored prompts here",
        "top_logprobs": "not in responses; /v1/chat/completions has them",
    }
)


def parse(body: dict[str, Any], limit: Limits) -> Call:
    """Check a request and estimate its size."""
    checks.check_model(body.get("model"), limit)
    _check_supported(body, limit)
    stream = _stream(body)
    asked = _chat(body)
    call = chat.parse(asked | {"stream": True} if stream else asked, limit)
    return replace(
        call,
        endpoint="/v1/responses",
        schema=_SCHEMAS.get(call.schema or ""),
        include_usage=True,
        rewriters=(*call.rewriters, partial(Responses, body, call.work.output)),
    )


_SCHEMAS: Mapping[str, str] = MappingProxyType({"tools": "tools", "response_format": "text"})


def _check_supported(body: Mapping[str, Any], limit: Limits) -> None:
    for name, why in _UNSUPPORTED.items():
        if name in body:
            raise unsupported(name, why)
    checks.check_names(body, _KNOWN)
    for name, why in (("store", "nothing is stored here"), ("background", "an answer comes at once, or streams")):
        if body.get(name, False) is not False:
            raise unsupported(name, why)
    if body.get("include"):
        raise unsupported("include", "there is nothing more to include")
    if body.get("truncation", "disabled") != "disabled" and not limit.slides:
        raise unsupported("truncation", "an input over the context is refused here")


def _stream(body: Mapping[str, Any]) -> bool:
    """`stream_options` has only what hides the lengths of events; there is nothing to hide from."""
    stream, _ = checks.streaming(body)
    return stream


def _chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same question for `/v1/chat/completions`."""
    asked: dict[str, Any] = {name: body[name] for name in ("model", *_SAMPLING, *_EXTENSIONS) if name in body}
    asked["messages"] = [*_instructions(body), *_messages(body.get("input"))]
    if "max_output_tokens" in body:
        asked["max_tokens"] = _output_tokens(body["max_output_tokens"])
    if "tools" in body:
        asked["tools"] = _tools(body["tools"])
    if "tool_choice" in body:
        asked["tool_choice"] = _tool_choice(body["tool_choice"])
    if body.get("parallel_tool_calls") is not None:
        asked["parallel_tool_calls"] = body["parallel_tool_calls"]
    return asked | _reasoning(body.get("reasoning", {})) | _text(body.get("text", {}))


def _output_tokens(wanted: Any) -> int:
    if type(wanted) is not int or wanted < 1:
        raise ApiError(400, "`max_output_tokens` must be a whole number of at least 1", param="max_output_tokens")
    return wanted


def _instructions(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    text = body.get("instructions")
    if text is None:
        return []
    if not isinstance(text, str):
        raise ApiError(400, "`instructions` must be a text", param="instructions")
    return [{"role": "system", "content": text}]


def _messages(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, str) and given:
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise ApiError(400, "`input` must be a text or a list of items, not empty", param="input")
    messages: list[dict[str, Any]] = []
    for place, item in enumerate(given):
        _add(messages, item, f"input[{place}]")
    return messages


def _add(messages: list[dict[str, Any]], item: Any, where: str) -> None:
    """Append what an item is in a chat; a call joins the assistant's message before it."""
    kind = item.get("type", "message") if isinstance(item, dict) else None
    if kind == "message":
        messages.append({"role": item.get("role"), "content": _content(item.get("content"), where)})
    elif kind == "function_call":
        if not messages or messages[-1]["role"] != "assistant":
            messages.append({"role": "assistant", "content": None})
        messages[-1].setdefault("tool_calls", []).append(_called(item, where))
    elif kind == "function_call_output":
        output = _content(item.get("output"), where)
        messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": output})
    else:
        raise unsupported(where, "items are messages, function calls and their outputs here")


def _called(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    name, arguments = item.get("name"), item.get("arguments")
    if not isinstance(name, str) or not isinstance(arguments, str):
        raise ApiError(400, f"`{where}` needs `name` and `arguments`, both texts", param=where)
    return {"id": item.get("call_id"), "type": "function", "function": {"name": name, "arguments": arguments}}


def _content(content: Any, where: str) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ApiError(400, f"`{where}`: content must be a text or a list of parts", param=where)
    texts = [_part(part, where) for part in content]
    return texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]


def _part(part: Any, where: str) -> str:
    if isinstance(part, dict) and part.get("type") in ("input_text", "output_text"):
        text = part.get("text")
        if isinstance(text, str):
            return text
    raise unsupported(where, 'this model reads text: parts are {"type": "input_text", "text": "..."}')


def _tools(tools: Any) -> list[dict[str, Any]]:
    if not isinstance(tools, list):
        raise ApiError(400, "`tools` must be a list", param="tools")
    if any(not isinstance(tool, dict) or tool.get("type") != "function" for tool in tools):
        raise unsupported("tools", 'the only tools here are of the type "function"')
    return [{"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}} for tool in tools]


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, dict) and choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return choice


def _reasoning(reasoning: Any) -> dict[str, Any]:
    if not isinstance(reasoning, dict):
        raise ApiError(400, "`reasoning` must be an object", param="reasoning")
    if any(value is not None for name, value in reasoning.items() if name != "effort"):
        raise unsupported("reasoning", "only `effort` is known here")
    return {"reasoning_effort": reasoning["effort"]} if reasoning.get("effort") else {}


def _text(text: Any) -> dict[str, Any]:
    """`text.format` has the schema beside its type, where a chat has it one level below."""
    if not isinstance(text, dict) or not isinstance(form := text.get("format") or {"type": "text"}, dict):
        raise ApiError(400, "`text` must be an object, and `text.format` too", param="text")
    if form.get("type") == "json_schema" and not isinstance(form.get("schema"), dict):
        raise ApiError(400, "`text.format.schema` must be an object: a JSON schema", param="text.format")
    if form.get("type") == "json_schema":
        form = {"type": "json_schema", "json_schema": {"schema": form["schema"]}}
    chat.response_format(form, "text.format")
    return {"response_format": form}
