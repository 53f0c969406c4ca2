"""`/v1/responses`: the answer, made of a chat's. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": False,
        "reasoning": {"effort": None, "summary": None},
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
    }
)
"""What a response repeats of its request."""


@dataclass
class _Item:
    """One item of the output: a message, or a call of a function."""

    id: str
    call: dict[str, Any] | None = None
    """Of a chat: its id and its function's name."""
    text: str = ""
    """The message's, or the call's arguments."""

    def value(self, status: str) -> dict[str, Any]:
        """As the API shows it."""
        if self.call:
            function = {"call_id": self.call["id"], "name": self.call["name"], "arguments": self.text}
            return {"id": self.id, "type": "function_call", "status": status, **function}
        content = [_part(self.text)] if self.text or status != "in_progress" else []
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


@dataclass
class Responses:
    """A Rewriter: the events of a chat's stream become those of a response; so does a whole answer."""

    request: Mapping[str, Any]
    max_output_tokens: int
    _items: list[_Item] = field(default_factory=list)
    _base: dict[str, Any] = field(default_factory=dict)
    _reason: str | None = None
    _number: int = 0

    def answer(self, payload: dict[str, Any]) -> dict[str, Any]:
        """See Rewriter."""
        self._begin(payload)
        choice = payload["choices"][0]
        message, self._reason = choice["message"], choice.get("finish_reason")
        if message.get("content"):
            self._items.append(_Item(self._id("msg"), text=message["content"]))
        for call in message.get("tool_calls") or ():
            self._items.append(_Item(self._id("fc"), _named(call), call["function"]["arguments"]))
        return self._ended(payload.get("usage", {}))

    def event(self, payload: dict[str, Any]) -> list[dict[str, Any]]:
        """See Rewriter."""
        if "error" in payload:
            return [self.failed(payload["error"])]
        events = [] if self._base else self._created(payload)
        choice = next(iter(payload.get("choices") or ()), None)
        if choice is None:
            return events + self._finish(payload.get("usage", {}))
        self._reason = choice.get("finish_reason") or self._reason
        delta = choice["delta"]
        if delta.get("content"):
            events += self._text(delta["content"])
        for call in delta.get("tool_calls") or ():
            events += self._call(call)
        return events

    def failed(self, error: Mapping[str, Any]) -> dict[str, Any]:
        """The event of a stream that breaks; `error` is the object below `error` of other endpoints."""
        known = {name: error.get(name) for name in ("message", "param", "code")}
        return self._event("error", **known)

    def _begin(self, payload: Mapping[str, Any]) -> None:
        unique = str(payload.get("id", "")).rpartition("-")[2]
        repeated = {name: self.request.get(name, default) for name, default in _DEFAULTS.items()}
        self._base = {
            "id": f"resp_{unique}",
            "object": "response",
            "created_at": payload.get("created", 0),
            "model": payload.get("model", self.request["model"]),
            "background": False,
            "error": None,
            "max_output_tokens": self.max_output_tokens,
            "previous_response_id": None,
            "store": False,
            **repeated,
        }

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._base['id'].removeprefix('resp_')}_{len(self._items)}"

    def _response(self, status: str, usage: Mapping[str, Any] | None) -> dict[str, Any]:
        output = [item.value("completed") for item in self._items] if usage is not None else []
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        counted = None if usage is None else _usage(usage)
        return self._base | {"status": status, "incomplete_details": cut, "output": output, "usage": counted}

    def _ended(self, usage: Mapping[str, Any]) -> dict[str, Any]:
        return self._response("incomplete" if self._reason == "length" else "completed", usage)

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._number += 1
        return {"type": kind, "sequence_number": self._number - 1, **fields}

    def _created(self, payload: Mapping[str, Any]) -> list[dict[str, Any]]:
        self._begin(payload)
        response = self._response("in_progress", None)
        return [self._event(f"response.{kind}", response=response) for kind in ("created", "in_progress")]

    def _where(self) -> dict[str, Any]:
        return {"item_id": self._items[-1].id, "output_index": len(self._items) - 1}

    def _text(self, text: str) -> list[dict[str, Any]]:
        events = []
        if not self._items or self._items[-1].call:
            events = self._add(_Item(self._id("msg")))
            part = {"content_index": 0, "part": _part("")}
            events.append(self._event("response.content_part.added", **self._where(), **part))
        self._items[-1].text += text
        delta = {"content_index": 0, "delta": text, "logprobs": []}
        return [*events, self._event("response.output_text.delta", **self._where(), **delta)]

    def _call(self, call: Mapping[str, Any]) -> list[dict[str, Any]]:
        function = call.get("function", {})
        events = self._add(_Item(self._id("fc"), _named(call))) if "id" in call else []
        if arguments := function.get("arguments"):
            self._items[-1].text += arguments
            events.append(self._event("response.function_call_arguments.delta", **self._where(), delta=arguments))
        return events

    def _add(self, item: _Item) -> list[dict[str, Any]]:
        """Begin an item; the one before it is done."""
        events = self._done()
        self._items.append(item)
        place = len(self._items) - 1
        added = self._event("response.output_item.added", output_index=place, item=item.value("in_progress"))
        return [*events, added]

    def _done(self) -> list[dict[str, Any]]:
        if not self._items:
            return []
        item, where = self._items[-1], self._where()
        if item.call:
            done = {"name": item.call["name"], "arguments": item.text}
            events = [self._event("response.function_call_arguments.done", **where, **done)]
        else:
            text = {"content_index": 0, "text": item.text, "logprobs": []}
            part = {"content_index": 0, "part": _part(item.text)}
            events = [
                self._event("response.output_text.done", **where, **text),
                self._event("response.content_part.done", **where, **part),
            ]
        finished = {"output_index": where["output_index"], "item": item.value("completed")}
        return [*events, self._event("response.output_item.done", **finished)]

    def _finish(self, usage: Mapping[str, Any]) -> list[dict[str, Any]]:
        events = self._done()
        response = self._ended(usage)
        return [*events, self._event(f"response.{response['status']}", response=response)]


def _named(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": call["id"], "name": call["function"]["name"]}


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + completion,
    }
