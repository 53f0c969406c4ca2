"""What a server and the process of its engine tell each other: a line of JSON, perhaps bytes after it. Pure.

To the process: `{"id", "make": {...}, "bytes": n}` with n bytes behind it, `{"id", "cancel": true}` and
`{"ping": true}`. From it: first `{"hello": {...}}`, then `{"pong": true}` for each ping, and for each id
`{"id", "step": n}` and one of `{"id", "made": {...}, "bytes": n}` with n bytes behind it,
`{"id", "refused": text, "code": text}`, `{"id", "cancelled": true}`, `{"id", "failed": text}`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

PING = b'{"ping": true}\n'

Facts = TypeVar("Facts")
Asked = TypeVar("Asked")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Dialect(Generic[Facts, Asked, Made]):
    """How one engine's values travel. Each pair undoes itself."""

    write_facts: Callable[[Facts], Mapping[str, Any]]
    read_facts: Callable[[Mapping[str, Any]], Facts]
    write_asked: Callable[[Asked], tuple[Mapping[str, Any], bytes]]
    """What goes as JSON, and what goes behind it."""
    read_asked: Callable[[Mapping[str, Any], bytes], Asked]
    write_made: Callable[[Made], tuple[Mapping[str, Any], bytes]]
    read_made: Callable[[Mapping[str, Any], bytes], Made]


def line(message: Mapping[str, Any], content: bytes = b"") -> bytes:
    """One message and what follows it."""
    return json.dumps({**message, "bytes": len(content)} if content else message).encode() + b"\n" + content


def cancel(number: int) -> bytes:
    """Stop it after the step that runs."""
    return line({"id": number, "cancel": True})
