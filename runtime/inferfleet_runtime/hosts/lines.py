"""What an engine's process writes, in lines fit for the log. Reads streams.

Engines print requests, grammars and schemas as they are: of any length.
"""

import asyncio
from collections.abc import AsyncIterator

_BLOCK = 2**16
_LONGEST = 300
"""Bytes of a line that are kept."""


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines without their end, each cut to its first part; a line of any length takes bounded memory."""
    rest = b""
    while block := await stream.read(_BLOCK):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield _text(line)
        rest = rest[: _LONGEST + 1]
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    end = " [cut]" if len(line) > _LONGEST else ""
    return line[:_LONGEST].decode(errors="replace").rstrip() + end
