"""The engine's answer as the client gets it. Pure."""

import json
from dataclasses import dataclass, field
from typing import Any

from inferfleet_runtime.api.calls import Call, Rewriter
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.sse import Seen

_DATA = b"data: "


@dataclass
class Outgoing:
    """For one call. What needs no rewriting passes as the bytes that it came in."""

    call: Call
    _rewriters: list[Rewriter] = field(init=False)

    def __post_init__(self) -> None:
        """Rewriters remember what they have seen of an answer, so each has its own."""
        self._rewriters = [make() for make in self.call.rewriters]

    def event(self, event: bytes, seen: Seen) -> bytes:
        """The client's for one event of the engine, its blank line included; possibly nothing."""
        if not self._rewriters:
            return event if seen.choices or self.call.include_usage else b""
        if not event.startswith(b"data: {"):
            return b"" if self.call.endpoint == "/v1/responses" else event
        payloads = self._through(json.loads(event[len(_DATA) :]))
        return b"".join(self._encoded(payload) for payload in payloads if self._wanted(payload))

    def _wanted(self, payload: dict[str, Any]) -> bool:
        only_usage = "usage" in payload and payload.get("choices") == []
        return self.call.include_usage or not only_usage

    def error(self, error: ApiError) -> bytes:
        """An error inside a stream that has begun."""
        return b"".join(map(self._encoded, self._through(error.body())))

    def answer(self, raw: bytes, payload: dict[str, Any]) -> bytes:
        """The client's for a whole answer, given as it came and decoded."""
        for rewriter in self._rewriters:
            payload = rewriter.answer(payload)
        return json.dumps(payload, ensure_ascii=False).encode() if self._rewriters else raw

    def _through(self, payload: dict[str, Any]) -> list[dict[str, Any]]:
        payloads = [payload]
        for rewriter in self._rewriters:
            payloads = [after for before in payloads for after in rewriter.event(before)]
        return payloads

    def _encoded(self, payload: dict[str, Any]) -> bytes:
        data = _DATA + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n"
        return f"event: {payload['type']}\n".encode() + data if self.call.endpoint == "/v1/responses" else data
