"""HTTP/1.1 to the engine on this machine: a connection for each request, closed at its end. Sends and reads.

Only what llama.cpp's server speaks. Every token passes here, and a general client costs more than all else that the
front does with one.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from inferfleet_runtime.hosts.backend import BackendError, UnsentError

_BLOCK = 2**16
_END = b"\r\n"


class _ProtocolError(Exception):
    """The answer is not HTTP as this side knows it."""


@dataclass
class Unchunker:
    """Takes the frames off a body of `Transfer-Encoding: chunked`, cut anywhere. Pure."""

    done: bool = False
    """Whether the last chunk has come."""
    _rest: bytes = b""
    _left: int = 0
    """Of the chunk that is being read, its end of line included."""

    def feed(self, data: bytes) -> bytes:
        """What `data` adds to the body. Raises ValueError for a size that is none."""
        if not self._rest and not self._left and not self.done:
            line, _, after = data.partition(_END)
            if len(after) > len(_END) and len(after) - len(_END) == _size(line):
                return after[: -len(_END)]  # one whole chunk, as nearly always
        self._rest += data
        body = b""
        while not self.done and (taken := self._next()) is not None:
            body += taken
        return body

    def _next(self) -> bytes | None:
        """One more piece; None where more must come first."""
        if not self._left:
            line, found, after = self._rest.partition(_END)
            if not found:
                return None
            size = _size(line)
            self.done, self._rest, self._left = size == 0, after, size + 2
            return b""
        if not self._rest:
            return None
        piece, self._rest = self._rest[: self._left], self._rest[self._left :]
        self._left -= len(piece)
        # the last two bytes of a chunk are its end of line, which may come by itself
        return piece[: max(0, len(piece) + self._left - 2)] if self._left < 2 else piece


def _size(line: bytes) -> int:
    """Of a chunk, whatever extensions follow it."""
    return int(line.partition(b";")[0], 16)


@dataclass(frozen=True)
class WireReply:
    """See Reply."""

    status: int
    _headers: Mapping[bytes, bytes]
    _read: asyncio.StreamReader
    _unchunker: Unchunker = field(default_factory=Unchunker)

    async def chunks(self) -> AsyncIterator[bytes]:
        """See Reply."""
        try:
            if b"content-length" in self._headers:
                yield await self._read.readexactly(int(self._headers[b"content-length"]))
                return
            while not self._unchunker.done:
                block = await self._read.read(_BLOCK)
                if not block:
                    raise BackendError("the connection ended before the answer did")
                if body := self._unchunker.feed(block):
                    yield body
        except (OSError, EOFError, ValueError) as error:
            raise BackendError(str(error)) from error

    async def read(self) -> bytes:
        """See Reply."""
        return b"".join([chunk async for chunk in self.chunks()])


@asynccontextmanager
async def post(address: str, path: str, body: Mapping[str, Any]) -> AsyncIterator[WireReply]:
    """Send `body` as JSON to `http://host:port`; leaving the context closes the connection.

    Raises BackendError, and UnsentError where nobody read it.
    """
    where = urlsplit(address)
    raw = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    try:
        read, write = await asyncio.open_connection(where.hostname, where.port)
    except OSError as error:
        raise UnsentError(str(error)) from error
    try:
        write.write(head.encode() + raw)
        yield await _reply(read)
    finally:
        # of an unfinished answer too: then the engine frees its slot
        write.close()


async def _reply(read: asyncio.StreamReader) -> WireReply:
    try:
        first, *lines = (await read.readuntil(b"\r\n\r\n")).rstrip().split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if b"content-length" not in headers and headers.get(b"transfer-encoding") != b"chunked":
            raise _ProtocolError("neither a length nor chunks")
        return WireReply(int(first.split(b" ", 2)[1]), headers, read)
    except ConnectionError as error:
        # the kernel resets a connection whose request was not read: one that a dying engine's socket still took. One
        # that was read is closed, which is an end and no error
        raise UnsentError(f"not read: {error}") from error
    except (OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError, _ProtocolError) as error:
        raise BackendError(f"no answer: {error}") from error
