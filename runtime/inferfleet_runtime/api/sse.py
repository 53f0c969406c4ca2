"""Server-sent events as OpenAI-compatible engines write them. Pure."""

import json
from dataclasses import dataclass, field
from typing import Any

_DATA = b"data: "
_END = b"\n\n"


@dataclass
class Splitter:
    """Cuts a byte stream into whole events."""

    _rest: bytes = field(default=b"")

    def feed(self, chunk: bytes) -> list[bytes]:
        """Events that `chunk` completes, each with its blank line; an unfinished one is kept."""
        if not self._rest and chunk.startswith(_DATA) and chunk.find(_END) == len(chunk) - len(_END):
            return [chunk]  # one whole event, as nearly always
        *events, self._rest = (self._rest + chunk).split(_END)
        return [event + _END for event in events if event.strip()]


@dataclass(frozen=True)
class Usage:
    """Token counts that the engine reports at the end."""

    prompt: int
    completion: int


@dataclass(frozen=True)
class Seen:
    """What one event says."""

    token: bool = False
    """It carries generated text; the engine writes one such event for a token."""
    finish_reason: str | None = None
    usage: Usage | None = None
    choices: bool = True
    """False for the extra event that holds only the usage."""
    error: str | None = None


_NOTHING = Seen()
_TOKEN = Seen(token=True)
_CHAT_TOKEN = b'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"'
_TEXT_TOKEN = b'data: {"choices":[{"text":"'
_QUOTE = b'"'


def read(event: bytes) -> Seen:
    """Interpret an event; one that is no JSON object (`[DONE]`, a comment) says nothing."""
    if _is_token(event):
        return _TOKEN
    if not event.startswith(b"data: {"):
        return _NOTHING
    return interpret(json.loads(event[len(b"data: ") :]))


def _is_token(event: bytes) -> bool:
    """Whether it is a token as llama.cpp words nearly all events: decoding each would be most of a stream's cost.

    A quotation mark inside a text is escaped, so that no text can look like a field.
    """
    if event.startswith(_CHAT_TOKEN):
        return not event.startswith(_QUOTE, len(_CHAT_TOKEN))
    if not event.startswith(_TEXT_TOKEN) or event.startswith(_QUOTE, len(_TEXT_TOKEN)):
        return False
    return b'"finish_reason":null' in event


def interpret(payload: dict[str, Any]) -> Seen:
    """The same for a decoded payload, a whole answer included."""
    if error := payload.get("error"):
        return Seen(error=str(error.get("message", "")) if isinstance(error, dict) else str(error))
    usage = payload.get("usage")
    counted = Usage(usage["prompt_tokens"], usage.get("completion_tokens", 0)) if usage else None
    choices = payload.get("choices")
    if not choices:
        return Seen(usage=counted, choices=False)
    choice = choices[0]
    text = choice.get("text") or any(v for k, v in choice.get("delta", {}).items() if k != "role")
    return Seen(bool(text), choice.get("finish_reason"), counted)
