"""Errors as the API reports them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TOO_LARGE = "is too large to process"
"""llama.cpp's words, under no type of their own, for a text to embed that is longer than its context."""


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


def unsupported(param: str, why: str) -> ApiError:
    """A value or parameter that OpenAI has and this server has not."""
    return ApiError(400, f"`{param}`: {why}", param=param, code="unsupported_value")


def from_engine(
    status: int, error: Mapping[str, Any], context_tokens: int, prompt: str, schema: str | None = None
) -> ApiError:
    """llama.cpp's error in the API's words; `error` is the object below `error`.

    `prompt` names the parameter that holds the prompt, `schema` the one whose JSON schema constrains the
    answer: what else the engine finds wrong in a checked request is that schema.
    """
    message = str(error.get("message", "the engine refused the request"))
    if error.get("type") == "exceed_context_size_error" or _TOO_LARGE in message:
        counted = f"{error['n_prompt_tokens']} tokens" if "n_prompt_tokens" in error else "more tokens"
        return ApiError(
            400,
            f"the prompt has {counted}, but prompt and answer together may hold {context_tokens} tokens",
            param=prompt,
            code="context_length_exceeded",
        )
    if not 400 <= status < 500:
        return ApiError(status, message, "server_error")
    return ApiError(status, message, param=schema)
