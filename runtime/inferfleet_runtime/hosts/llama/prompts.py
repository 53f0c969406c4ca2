"""What two requests have in common at their beginning. Pure.

A prompt is cut into blocks of bytes, and every block has a mark: a hash of all that comes before its end. Two
prompts share a block exactly if they share its mark, whatever their lengths. Text is compared, not tokens: what
the engine may really keep it finds out itself, token by token, so a wrong guess here costs time and no more.
"""

import json
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

BLOCK = 128
"""Bytes: about 32 tokens of text, exactly 32 token ids."""
_LONGEST = 2048
"""Blocks that are looked at: beyond 256 KiB hashing would hold up the others' streams."""
_COMPLETIONS, _CHAT = "/v1/completions", "/v1/chat/completions"
_SHAPING = ("tools", "tool_choice", "chat_template", "chat_template_kwargs", "lora")
"""Fields that shape the beginning of the prompt, or with which model its tokens are read."""
_ID = "I"
"""Of `array`: a token id in four bytes."""


@dataclass(frozen=True)
class Prompt:
    """The beginning of a request, comparable."""

    path: str
    body: Mapping[str, Any] = field(repr=False)
    """The request itself; no client's text belongs in a log."""
    data: bytes = field(repr=False)
    marks: tuple[bytes, ...] = field(repr=False)
    """One before the first block, then one after each whole block."""

    def block(self, index: int) -> bytes:
        """What follows mark `index`; the last one may be shorter, and empty."""
        return self.data[index * BLOCK : (index + 1) * BLOCK]

    def without_body(self) -> "Prompt":
        """For comparing alone: what keeps it must not keep a request of megabytes with it."""
        return replace(self, body={})


def read(path: str, body: Mapping[str, Any], salt: str) -> Prompt | None:
    """The prompt of a request; None for one that shares nothing with others.

    Prompts of different salts have no mark in common.
    """
    if body.get("cache_prompt") is False:
        return None
    data = _data(path, body)
    if data is None:
        return None
    data = data[: BLOCK * _LONGEST]
    shape = {name: body[name] for name in _SHAPING if body.get(name)}
    seed = json.dumps([salt, path, isinstance(body.get("prompt"), str), shape], sort_keys=True)
    return Prompt(path, body, data, tuple(_marks(seed, data)))


def shared(a: Prompt, b: Prompt) -> int:
    """How many bytes two prompts have in common at their beginning; 0 where salt or shape differ."""
    # a mark hashes all before it, so equality at one place says it of all places before
    low, high = -1, min(len(a.marks), len(b.marks)) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a.marks[middle] == b.marks[middle] else (low, middle - 1)
    if low < 0:
        return 0
    one, other = a.block(low), b.block(low)
    differ = (i for i, (x, y) in enumerate(zip(one, other, strict=False)) if x != y)
    return low * BLOCK + next(differ, min(len(one), len(other)))


def beginning(prompt: Prompt, blocks: int) -> dict[str, Any] | None:
    """A request that makes the engine read the first `blocks` blocks and say nothing; None if it cannot be cut there.

    What is cut off may change the last tokens: the engine drops them when the whole prompt comes.
    """
    size = blocks * BLOCK
    if prompt.path == _CHAT:
        messages = list(_cut_messages(prompt.body["messages"], size))
        cut: dict[str, Any] | None = {"messages": messages} if messages else None
    elif isinstance(prompt.body["prompt"], str):
        cut = {"prompt": prompt.data[:size].decode(errors="ignore")}
    else:
        cut = {"prompt": array(_ID, prompt.data[:size]).tolist()}
    if cut is None:
        return None
    shape = {name: prompt.body[name] for name in _SHAPING if name in prompt.body}
    return cut | shape | {"n_predict": 0, "cache_prompt": True}


def _data(path: str, body: Mapping[str, Any]) -> bytes | None:
    if path == _CHAT and isinstance(body.get("messages"), list):
        return b"".join(map(_message, body["messages"]))
    prompt = body.get("prompt")
    if path != _COMPLETIONS or not prompt:
        return None
    if isinstance(prompt, str):
        return prompt.encode(errors="replace")
    if isinstance(prompt, list) and all(type(i) is int and 0 <= i < 2**32 for i in prompt):
        return array(_ID, prompt).tobytes()
    return None  # several prompts in one request, or none that the engine will take


def _marks(seed: str, data: bytes) -> Iterator[bytes]:
    mark = blake2b(seed.encode(errors="replace"), digest_size=16).digest()
    yield mark
    for end in range(BLOCK, len(data) + 1, BLOCK):
        mark = blake2b(data[end - BLOCK : end], digest_size=16, key=mark).digest()
        yield mark


def _message(message: Any) -> bytes:
    return _head(message) + _content(message)


def _head(message: Any) -> bytes:
    """What comes before the text, in a form that no text can imitate."""
    rest = {k: v for k, v in message.items() if k != "content"} if _is_plain(message) else {}
    return json.dumps(rest, sort_keys=True).encode() + b"\n"


def _content(message: Any) -> bytes:
    text = message["content"] if _is_plain(message) else json.dumps(message, sort_keys=True)
    return text.encode(errors="replace") + b"\0"


def _is_plain(message: Any) -> bool:
    return isinstance(message, dict) and isinstance(message.get("content"), str)


def _cut_messages(messages: list[Any], size: int) -> Iterator[Any]:
    """The messages within the first `size` bytes; the last one may lose the end of its text."""
    for message in messages:
        whole = len(_message(message))
        if whole > size:
            room = size - len(_head(message))
            if room > 0 and _is_plain(message):
                yield message | {"content": _content(message)[:room].decode(errors="ignore")}
            return
        yield message
        size -= whole
