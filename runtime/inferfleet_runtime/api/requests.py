"""The OpenAI API's requests as plain values. Pure."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from inferfleet_runtime.api import chat, checks, completions, embeddings, responses
from inferfleet_runtime.api.calls import Call, Endpoint, Limits, limits
from inferfleet_runtime.api.errors import ApiError, from_engine

__all__ = ["ApiError", "Call", "Endpoint", "Limits", "decode", "from_engine", "limits", "parse"]

_PARSERS: Mapping[Endpoint, Callable[[dict[str, Any], Limits], Call]] = MappingProxyType(
    {
        "/v1/chat/completions": chat.parse,
        "/v1/completions": completions.parse,
        "/v1/responses": responses.parse,
        "/v1/embeddings": embeddings.parse,
    }
)

_FLEXIBLE = "flex"
"""OpenAI's `service_tier` of what may take longer."""
_DEEPEST = 200
"""Lists and objects within each other. Python's own bound is a thousand calls, and several are made for a level."""


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
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, list | dict)]
        if not level:
            return
    raise ApiError(400, f"the body is nested more than {_DEEPEST} deep")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def parse(body: Any, endpoint: Endpoint, limit: Limits) -> Call:
    """Check a request and estimate its size. Raises ApiError."""
    given = checks.present(body)
    call = _PARSERS[endpoint](given, limit)
    return replace(call, flexible=given.get("service_tier") == _FLEXIBLE)
