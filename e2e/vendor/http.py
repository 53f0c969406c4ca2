"""As much of HTTP/1.1 as the stand-in needs: one request a connection. Reads and writes sockets."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}
LIMIT = 4 * 2**20


@dataclass
class Request:
    """One request, and where its answer goes."""

    method: str
    path: str
    body: bytes
    writer: asyncio.StreamWriter

    def json(self) -> dict[str, Any]:
        """The body; empty where it is no object."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    async def answer(self, status: int, content: Any, kind: str = "application/json") -> None:
        """The whole answer."""
        data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        await self.begin(status, kind, f"Content-Length: {len(data)}\r\n")
        await self.send(data)

    async def begin(self, status: int, kind: str, more: str = "") -> None:
        """Status and headers; without a length the body ends with the connection."""
        head = f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}\r\nContent-Type: {kind}\r\n{more}"
        await self.send(f"{head}Connection: close\r\n\r\n".encode())

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError when nobody listens any more."""
        if self.writer.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()


Handler = Callable[[Request], Awaitable[None]]


async def serve(host: str, port: int, handler: Handler) -> asyncio.Server:
    """Listen; every connection is one call of the handler."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if request := await _read(reader, writer):
                await handler(request)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(connection, host, port, limit=LIMIT)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    length = int(headers.get("content-length", "0"))
    body = await reader.readexactly(length) if length <= LIMIT else b""
    return Request(method, target.partition("?")[0], body, writer)
