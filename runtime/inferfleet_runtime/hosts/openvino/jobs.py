"""A request in llama.cpp's dialect as openvino-genai can be asked. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"

_DEFAULTS: Mapping[str, float] = MappingProxyType({"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05})
"""llama.cpp's, so that the answer to the same request does not depend on the engine."""
_PENALTIES: Mapping[str, str] = MappingProxyType(
    {
        "repeat_penalty": "repetition_penalty",
        "presence_penalty": "presence_penalty",
        "frequency_penalty": "frequency_penalty",
    }
)
_WITHOUT = MappingProxyType(
    {
        "logit_bias": "no bias on tokens",
        "grammar": "no grammars, but JSON schemas",
        "lora": "no LoRA adapters",
        "suffix": "no text after the answer",
        "echo": "not the prompt in the answer",
        "tools": "no calls that the model may choose to make; set `tool_choice` to `required`, `none` or a function",
    }
)
_UNENFORCED = frozenset(
    {
        *("contains", "contentEncoding", "dependentRequired", "dependentSchemas", "else", "if", "maxContains"),
        *("minContains", "multipleOf", "not", "then", "unevaluatedItems", "unevaluatedProperties", "uniqueItems"),
    }
)
"""Keywords of JSON Schema that the grammar compiler of openvino-genai passes over in silence."""
_NAMED_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions")
_VALUES = ("const", "enum", "default", "examples")


@dataclass(eq=False)  # not frozen: the interpreter sets the traceback of what is raised
class RefusedError(Exception):
    """A request that the engine does not take, as llama.cpp's server would say it."""

    status: int
    message: str
    type: str = "invalid_request_error"
    more: Mapping[str, Any] = field(default_factory=dict)

    def error(self) -> dict[str, Any]:
        """What stands below `error` in the answer's body."""
        return {"code": self.status, "message": self.message, "type": self.type, **self.more}


@dataclass(frozen=True)
class Job:
    """What the engine is to do."""

    prompt: str | tuple[int, ...]
    """Text, or tokens; empty for a chat."""
    messages: tuple[Mapping[str, Any], ...]
    output_tokens: int
    sampling: Mapping[str, Any]
    """By openvino-genai's names."""
    stops: tuple[str, ...]
    schema: str
    """JSON schema of the answer; empty where it is free."""
    logprobs: bool
    seed: int | None


def job(path: str, body: Mapping[str, Any]) -> Job:
    """Read a request. Raises RefusedError."""
    _check_known(body)
    chat = path == CHAT
    return Job(
        prompt="" if chat else _prompt(body.get("prompt")),
        messages=_messages(body.get("messages")) if chat else (),
        output_tokens=_output_tokens(body),
        sampling=_sampling(body),
        stops=_stops(body.get("stop")),
        schema=_schema(body),
        logprobs=_logprobs(body, chat),
        seed=body.get("seed"),
    )


def _check_known(body: Mapping[str, Any]) -> None:
    for name, what in _WITHOUT.items():
        if body.get(name) and not (name == "tools" and body.get("tool_choice") == "none"):
            raise RefusedError(400, f"`{name}`: this engine (openvino-genai) has {what}")


def _output_tokens(body: Mapping[str, Any]) -> int:
    wanted = body.get("max_tokens", 2**31)
    if type(wanted) is not int or wanted < 1:
        raise RefusedError(400, "`max_tokens` must be a whole number of at least 1")
    return wanted


def _prompt(prompt: Any) -> str | tuple[int, ...]:
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt:
        return prompt
    if isinstance(prompt, list) and prompt and all(type(token) is int for token in prompt):
        return tuple(prompt)
    raise RefusedError(400, "`prompt` must be one text or one list of token ids, not empty")


def _messages(messages: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise RefusedError(400, "`messages` must be a list of at least one message")
    return tuple(_message(message, f"messages[{place}]") for place, message in enumerate(messages))


def _message(message: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """With its parts of text joined: templates expect a string."""
    if not isinstance(message.get("role"), str):
        raise RefusedError(400, f"`{where}.role` must be a text")
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(_part(part, where) for part in content)
    if not isinstance(content, str | None):
        raise RefusedError(400, f"`{where}.content` must be a text or a list of texts")
    return {**message, "content": content or ""}


def _part(part: Any, where: str) -> str:
    text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
    if isinstance(text, str):
        return text
    raise RefusedError(400, f"`{where}.content` holds a part that is no text: this model reads text alone")


def _sampling(body: Mapping[str, Any]) -> dict[str, Any]:
    """Greedy where only one token can be chosen: openvino-genai takes neither temperature 0 nor top_p 0."""
    known = {name: body.get(name, default) for name, default in _DEFAULTS.items()}
    if not all(isinstance(value, int | float) for value in known.values()):
        raise RefusedError(400, f"{', '.join(known)} must be numbers")
    found = {theirs: body[ours] for ours, theirs in _PENALTIES.items() if body.get(ours) is not None}
    found["ignore_eos"] = bool(body.get("ignore_eos"))
    if known["temperature"] <= 0 or known["top_p"] <= 0 or known["top_k"] == 1:
        return found
    if known["top_k"] <= 0:
        del known["top_k"]
    return found | known | {"do_sample": True, "top_p": min(1.0, known["top_p"])}


def _stops(stop: Any) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or not all(isinstance(text, str) for text in stops):
        raise RefusedError(400, "`stop` must be a text or a list of texts")
    return tuple(text for text in stops if text)


def _logprobs(body: Mapping[str, Any], chat: bool) -> bool:
    """Of the chosen token alone: openvino-genai knows no others."""
    asked = body.get("logprobs")
    wanted = body.get("top_logprobs") if chat else asked
    if type(wanted) is int and wanted > 0:
        name = "top_logprobs" if chat else "logprobs"
        raise RefusedError(400, f"`{name}`: this engine (openvino-genai) knows the chosen token's alone; ask for 0")
    return bool(asked) if chat else type(asked) is int


def _schema(body: Mapping[str, Any]) -> str:
    asked = body.get("response_format") or {}
    schema = body.get("json_schema")
    if not isinstance(asked, dict):
        raise RefusedError(400, "`response_format` must be an object")
    if asked.get("type") == "json_object":
        schema = asked.get("schema") or {"type": "object"}
    elif asked.get("type") == "json_schema":
        schema = (asked.get("json_schema") or {}).get("schema", {})
    elif asked.get("type", "text") != "text":
        raise RefusedError(400, "`response_format.type` must be text, json_object or json_schema")
    if schema is None:
        return ""
    if unenforced := sorted(set(keywords(schema)) & _UNENFORCED):
        named = ", ".join(f"`{name}`" for name in unenforced)
        raise RefusedError(400, f"this engine (openvino-genai) cannot enforce {named} of a JSON schema")
    return json.dumps(schema)


def keywords(schema: Any) -> Iterator[str]:
    """Of JSON Schema, at every level; names of properties and example values are none."""
    if isinstance(schema, list):
        for item in schema:
            yield from keywords(item)
    if not isinstance(schema, dict):
        return
    for name, value in schema.items():
        yield name
        if name in _NAMED_SCHEMAS and isinstance(value, dict):
            for named in value.values():
                yield from keywords(named)
        elif name not in _VALUES:
            yield from keywords(value)
