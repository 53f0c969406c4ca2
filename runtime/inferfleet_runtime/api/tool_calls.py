"""The text of an answer whose tool calls are enforced, as the calls that the API reports. Pure."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from inferfleet_runtime.api.tools import Forced

_HEAD = re.compile(r'[\s\[\],}]*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*', re.DOTALL)
"""All that comes before the arguments of a call; the grammar that the schema makes keeps the order of its fields."""


@dataclass(frozen=True)
class Piece:
    """Of one call: its name when it begins, then its arguments bit by bit."""

    index: int
    name: str | None
    arguments: str


@dataclass
class Scanner:
    """Reads `{"name": ..., "arguments": {...}}`, or a list of these, cut anywhere; or one function's arguments."""

    alone: str | None
    """Of one function the text holds only the arguments."""
    _index: int = 0
    _rest: str = ""
    _inside: bool = False
    _depth: int = 0
    _quoted: bool = False
    _escaped: bool = False

    def feed(self, text: str) -> list[Piece]:
        """What the next bit of text adds."""
        self._rest += text
        pieces: list[Piece] = []
        while piece := self._next():
            pieces.append(piece)
        return pieces

    def _next(self) -> Piece | None:
        if not self._inside:
            return self._begin()
        if self._depth == 0:
            self._rest = self._rest.lstrip()
        taken, closed = self._arguments()
        piece = Piece(self._index, None, self._rest[:taken])
        self._rest = self._rest[taken:]
        if closed:
            self._inside = False
            self._index += 1
        return piece if piece.arguments else None

    def _begin(self) -> Piece | None:
        if self.alone is not None:
            self._rest = self._rest.lstrip()
            begun = self._index == 0 and self._rest != ""
            name, end = self.alone, 0
        else:
            head = _HEAD.match(self._rest)
            begun = head is not None
            name, end = (json.loads(head[1]), head.end()) if head else ("", 0)
        if not begun:
            return None
        self._rest, self._inside = self._rest[end:], True
        return Piece(self._index, name, "")

    def _arguments(self) -> tuple[int, bool]:
        """How many characters of the rest belong to the object of arguments, and whether it ends with them."""
        for place, character in enumerate(self._rest):
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped = character == "\\"
                self._quoted = character != '"'
            elif character == '"':
                self._quoted = True
            else:
                self._depth += (character in "{[") - (character in "}]")
                if self._depth == 0 and character == "}":
                    return place + 1, True
        return len(self._rest), False


@dataclass
class ToolCalls:
    """A Rewriter: constrained text becomes `tool_calls`, in a stream as its deltas."""

    forced: Forced
    _scanner: Scanner = field(init=False)

    def __post_init__(self) -> None:
        """One scanner, for one answer."""
        alone = self.forced.alone
        self._scanner = Scanner(alone.name if alone else None)

    def event(self, payload: dict[str, Any]) -> list[dict[str, Any]]:
        """See Rewriter."""
        choice = next(iter(payload.get("choices") or ()), None)
        if choice is None:
            return [payload]
        text = choice["delta"].get("content")
        if not text:
            return [payload | {"choices": [_finished(choice)]}]
        deltas = [_delta(piece, payload.get("id", "")) for piece in self._scanner.feed(text)]
        return [payload | {"choices": [choice | {"delta": {"tool_calls": [delta]}}]} for delta in deltas]

    def answer(self, payload: dict[str, Any]) -> dict[str, Any]:
        """See Rewriter."""
        choice = payload["choices"][0]
        calls: list[dict[str, Any]] = []
        for piece in self._scanner.feed(choice["message"].get("content") or ""):
            delta = _delta(piece, payload.get("id", ""))
            del delta["index"]
            if piece.name is not None:
                calls.append(delta)
            else:
                calls[-1]["function"]["arguments"] += piece.arguments
        message = choice["message"] | {"content": None, "tool_calls": calls}
        return payload | {"choices": [_finished(choice | {"message": message})]}


def _finished(choice: dict[str, Any]) -> dict[str, Any]:
    return choice | {"finish_reason": "tool_calls"} if choice.get("finish_reason") == "stop" else choice


def _delta(piece: Piece, answer: str) -> dict[str, Any]:
    """The call's id follows from the answer's, which is unique."""
    if piece.name is None:
        return {"index": piece.index, "function": {"arguments": piece.arguments}}
    function = {"name": piece.name, "arguments": piece.arguments}
    number = f"call_{answer.rpartition('-')[2]}_{piece.index}"
    return {"index": piece.index, "id": number, "type": "function", "function": function}
