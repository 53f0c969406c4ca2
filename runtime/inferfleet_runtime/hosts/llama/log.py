"""What the engine's process writes, made fit for the log. Reads streams; decides in pure functions.

llama.cpp prints a request's grammar and schema as they are: of any length, and text of a client.
"""

import asyncio
import re
from collections.abc import AsyncIterator

_BLOCK = 2**16
_LONGEST = 300
"""Bytes of a line that are kept."""
_OWN_ERROR = re.compile(r"\d+\.\d\d\.\d{3}\.\d{3} E |\S+:\d+: GGML_(ASSERT|ABORT)\b|terminate called ")
"""How lines begin that llama.cpp words itself: an error with its time, a failed assertion, an uncaught exception."""


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


def is_own_error(line: str) -> bool:
    """Whether a line is llama.cpp's own error; all others may repeat what a client has sent."""
    return _OWN_ERROR.match(line) is not None
