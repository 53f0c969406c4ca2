"""Functions that an answer may or must call: `tools` and `tool_choice`. Pure; all raise ApiError."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from inferfleet_runtime.api.errors import ApiError, unsupported

_MOST_CALLS = 8
"""In one answer with parallel calls."""
_DEFINITIONS = ("$defs", "definitions")
"""Where a JSON schema keeps what it refers to; the second is the older name."""
_EMPTY: Mapping[str, Any] = MappingProxyType({"type": "object", "properties": {}, "additionalProperties": False})
"""OpenAI: without `parameters` a function has none."""


@dataclass(frozen=True)
class Function:
    """One that a client offers."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Forced:
    """Functions of which the answer must call one, or several where that is allowed.

    llama.cpp does not enforce a required call: the answer is constrained by a JSON schema instead.
    """

    functions: tuple[Function, ...]
    parallel: bool

    @property
    def alone(self) -> Function | None:
        """The one function: then the answer holds its arguments and nothing else."""
        return self.functions[0] if len(self.functions) == 1 and not self.parallel else None

    def schema(self) -> dict[str, Any]:
        """Of the answer's text."""
        if self.alone:
            return dict(self.alone.parameters)
        definitions: dict[str, Any] = {}
        one = {"anyOf": [_call(function, definitions) for function in self.functions]}
        whole = {"type": "array", "items": one, "minItems": 1, "maxItems": _MOST_CALLS} if self.parallel else one
        return whole | ({"$defs": definitions} if definitions else {})

    def instruction(self) -> str:
        """For the model: a template prints tools only where the model may choose."""
        known = [vars(function) for function in self.functions]
        what = f"the arguments of a call of `{self.alone.name}`" if self.alone else _HOW[self.parallel]
        return f"Answer with {what}, as JSON and nothing else. Functions: {json.dumps(known, ensure_ascii=False)}"


_HOW = MappingProxyType(
    {
        False: 'one call of a function: {"name": ..., "arguments": {...}}',
        True: 'calls of functions: [{"name": ..., "arguments": {...}}, ...]',
    }
)


def _call(function: Function, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of one call; what its parameters define moves to `definitions`, under names of its own."""
    parameters = dict(function.parameters)
    for key in _DEFINITIONS:
        for name, value in parameters.pop(key, {}).items():
            definitions[f"{function.name}.{name}"] = _moved(value, function.name)
    return {
        "type": "object",
        "properties": {"name": {"const": function.name}, "arguments": _moved(parameters, function.name)},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _moved(value: Any, owner: str) -> Any:
    """With references to definitions pointing to where `_call` puts them."""
    if isinstance(value, list):
        return [_moved(item, owner) for item in value]
    if not isinstance(value, dict):
        return value
    moved = {name: _moved(item, owner) for name, item in value.items()}
    if isinstance(reference := moved.get("$ref"), str):
        moved["$ref"] = reference.replace("#/definitions/", "#/$defs/").replace("#/$defs/", f"#/$defs/{owner}.")
    return moved


def forced(body: Mapping[str, Any]) -> Forced | None:
    """What a chat's `tools`, `tool_choice` and `parallel_tool_calls` enforce; None where the model may choose."""
    tools, choice = functions(body.get("tools", [])), body.get("tool_choice", "auto")
    parallel = body.get("parallel_tool_calls", False)
    if not isinstance(parallel, bool):
        raise ApiError(400, "`parallel_tool_calls` must be true or false", param="parallel_tool_calls")
    if choice == "none" or (choice == "auto" and "tool_choice" not in body):
        return None
    if not tools:
        raise ApiError(400, "`tool_choice` needs `tools`", param="tool_choice")
    if choice == "auto":
        return None
    if choice == "required":
        return Forced(tools, parallel)
    return Forced((_named(choice, tools),), parallel=False)


def _named(choice: Any, tools: tuple[Function, ...]) -> Function:
    if not isinstance(choice, dict) or choice.get("type") != "function":
        raise unsupported("tool_choice", 'must be "none", "auto", "required" or {"type": "function", ...}')
    named = choice.get("function")
    name = named.get("name") if isinstance(named, dict) else None
    for function in tools:
        if function.name == name:
            return function
    raise ApiError(400, "`tool_choice` names a function that is not in `tools`", param="tool_choice")


def functions(tools: Any) -> tuple[Function, ...]:
    """What a chat's `tools` offer."""
    if not isinstance(tools, list):
        raise ApiError(400, "`tools` must be a list", param="tools")
    found = tuple(_function(tool, f"tools[{place}]") for place, tool in enumerate(tools))
    if len({function.name for function in found}) < len(found):
        raise ApiError(400, "two functions in `tools` have the same name", param="tools")
    return found


def _function(tool: Any, where: str) -> Function:
    if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
        raise unsupported(where, 'must be {"type": "function", "function": {...}}: there are no other tools here')
    function = tool["function"]
    name, description = function.get("name"), function.get("description") or ""
    parameters = function.get("parameters") or dict(_EMPTY)
    if not isinstance(name, str) or not name or not isinstance(description, str):
        raise ApiError(400, f"`{where}` needs a name, and its description must be a text", param=where)
    if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
        raise ApiError(400, f"`{where}.function.parameters` must be a schema of an object", param=where)
    for key in _DEFINITIONS:
        if not isinstance(parameters.get(key, {}), dict):
            raise ApiError(400, f"`{where}.function.parameters.{key}` must be an object", param=where)
    return Function(name, description, {"type": "object", **parameters})
