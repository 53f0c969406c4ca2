"""What llama.cpp's server would write of the tokens that openvino-genai makes. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inferfleet_runtime.hosts.openvino.jobs import CHAT

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Piece:
    """What one step of the engine adds to one answer."""

    text: str
    tokens: int
    finish: str = ""
    """`stop` or `length` with the last one."""
    logprobs: Sequence[Mapping[str, Any]] = ()
    prompt_ms: float = 0.0
    """With the last one: until the first token, and from the first to the last."""
    predicted_ms: float = 0.0


@dataclass
class Answer:
    """One answer, written as a stream or as a whole."""

    path: str
    model: str
    created: int
    """Unix time."""
    name: str
    """Its id, unique."""
    prompt_tokens: int
    logprobs: bool = False
    tokens: int = 0
    _texts: list[str] = field(default_factory=list)
    _logprobs: list[Mapping[str, Any]] = field(default_factory=list)

    def opening(self) -> bytes:
        """What a stream begins with."""
        return self._event(self._delta({"role": "assistant", "content": None})) if self.path == CHAT else b""

    def events(self, piece: Piece, include_usage: bool) -> bytes:
        """The part of a stream that a piece makes; empty while its text is held back."""
        self.tokens += piece.tokens
        shown = b""
        if piece.text or piece.logprobs:
            choice = self._delta({"content": piece.text}) if self.path == CHAT else self._text(piece.text)
            shown = self._event(choice | ({"logprobs": {"content": piece.logprobs}} if self.logprobs else {}))
        return shown + self._closing(piece, include_usage) if piece.finish else shown

    def _closing(self, piece: Piece, include_usage: bool) -> bytes:
        counted: dict[str, Any] = {"timings": self._timings(piece)}
        if include_usage:
            counted["usage"] = self.usage()
        choice = (self._delta({}) if self.path == CHAT else self._text("")) | {"finish_reason": piece.finish}
        if self.path != CHAT or not include_usage:
            return self._event(choice, counted) + DONE
        # as llama.cpp: the usage of a chat has an event of its own
        return self._event(choice) + self._event(None, counted) + DONE

    def take(self, piece: Piece) -> None:
        """Keep a piece for the whole answer."""
        self.tokens += piece.tokens
        self._texts.append(piece.text)
        self._logprobs += piece.logprobs

    def whole(self, last: Piece) -> bytes:
        """The body of an answer that is no stream; `last` has been taken."""
        text = "".join(self._texts)
        choice: dict[str, Any] = {"finish_reason": last.finish, "index": 0}
        choice |= {"message": {"role": "assistant", "content": text}} if self.path == CHAT else {"text": text}
        if self.logprobs:
            choice["logprobs"] = {"content": self._logprobs}
        kind = "chat.completion" if self.path == CHAT else "text_completion"
        body = {"choices": [choice], **self._head(kind), "usage": self.usage(), "timings": self._timings(last)}
        return json.dumps(body, separators=(",", ":")).encode()

    def usage(self) -> dict[str, int]:
        """How many of the prompt's tokens were cached is not known: openvino-genai does not tell."""
        total = self.prompt_tokens + self.tokens
        return {"completion_tokens": self.tokens, "prompt_tokens": self.prompt_tokens, "total_tokens": total}

    def _timings(self, last: Piece) -> dict[str, float]:
        return {
            "prompt_n": self.prompt_tokens,
            "prompt_ms": last.prompt_ms,
            "predicted_n": self.tokens,
            "predicted_ms": last.predicted_ms,
        }

    def _head(self, kind: str) -> dict[str, Any]:
        return {"created": self.created, "id": self.name, "model": self.model, "object": kind}

    @staticmethod
    def _delta(delta: Mapping[str, Any]) -> dict[str, Any]:
        return {"finish_reason": None, "index": 0, "delta": delta}

    @staticmethod
    def _text(text: str) -> dict[str, Any]:
        return {"text": text, "index": 0, "logprobs": None, "finish_reason": None}

    def _event(self, choice: Mapping[str, Any] | None, more: Mapping[str, Any] | None = None) -> bytes:
        kind = "chat.completion.chunk" if self.path == CHAT else "text_completion"
        body = {"choices": [choice] if choice else [], **self._head(kind), **(more or {})}
        return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"
