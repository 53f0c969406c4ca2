"""HTTP to an API server: requests, streamed lines, and every fault turned into an `errors` type. I/O.

Knows nothing of Kubernetes objects but the `Status` that comes with an error.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from inferfleet import errors

MAX_LINE_BYTES = 4 * 2**20
"""A watch event carries one object: etcd's limit is 1.5 MiB, and JSON escapes can double it."""
SILENCE_SECONDS = 75.0
"""A watch without a byte for this long is dead: the server sends a bookmark every minute (kube-apiserver
1.36: after 60.4 s)."""
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0
CONNECTIONS = 128


@dataclass(frozen=True)
class Access:
    """Where the API server is and how to be let in."""

    server: str
    """Scheme, host and port, without a trailing slash."""
    authorization: Callable[[], Awaitable[str]]
    """The Authorization header's value, read anew for each request; empty for none."""
    tls: ssl.SSLContext | None = None
    server_hostname: str | None = None
    proxy: str | None = None


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any = None
    content_type: str = "application/json"


class Transport:
    """One connection pool to one API server.

    A 401 makes it load the credentials once more and try again: tokens are rotated and certificates expire
    while an operator runs. Raises nothing but `errors.ApiError`.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Access]],
        access: Access,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._load = load
        self._silence_seconds = silence_seconds
        self._loading = asyncio.Lock()
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(self, call: Call) -> Any:
        """The decoded JSON answer."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        async with self._respond(call, timeout) as response:
            return _decode(await response.read())

    async def stream(self, call: Call) -> AsyncGenerator[Any, None]:
        """Each line of a streamed answer, decoded, until the server ends it."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=self._silence_seconds)
        async with (
            self._respond(call, timeout) as response,
            aclosing(_lines(response.content)) as lines,
        ):
            async for line in lines:
                yield _decode(line)

    @asynccontextmanager
    async def _respond(self, call: Call, timeout: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            response = await self._admitted(call, timeout)
            async with response:
                try:
                    if response.status >= 400:
                        raise _error(response, await response.read())
                    yield response
                finally:
                    _hang_up(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            # str() of a time-out is empty, so its type must speak for it.
            raise errors.Transient(f"{call.method} {call.path}: {type(e).__name__}: {e}") from e

    async def _admitted(self, call: Call, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        access = self._access
        response = await self._send(call, access, timeout)
        if response.status != 401:
            return response
        # Read, and the next request goes over the same connection.
        await response.read()
        return await self._send(call, await self._reload(access), timeout)

    async def _reload(self, failed: Access) -> Access:
        async with self._loading:
            # Many requests may have failed together; the first of them loads for all.
            if self._access is failed:
                self._access = await self._load()
            return self._access

    async def _send(self, call: Call, access: Access, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS))
        return await self._session.request(
            call.method,
            access.server + call.path,
            params=call.query,
            data=None if call.body is None else orjson.dumps(call.body),
            headers=await _headers(call, access),
            timeout=timeout,
            ssl=access.tls or True,
            server_hostname=access.server_hostname,
            proxy=access.proxy,
            allow_redirects=False,
        )


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """Close an answer's connection at once if the answer is not over: aiohttp would wait for the server's
    part of the TLS farewell, which may take longer than our process lives.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


async def _headers(call: Call, access: Access) -> dict[str, str]:
    headers = {"Accept": "application/json", "User-Agent": "inferfleet"}
    if call.body is not None:
        headers["Content-Type"] = call.content_type
    if authorization := await access.authorization():
        headers["Authorization"] = authorization
    return headers


async def _lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """Split into lines here, since aiohttp's own reader refuses lines longer than its buffer."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        if len(rest) > MAX_LINE_BYTES:
            # Watching again would meet the same line again; a list has no such limit.
            raise errors.Gone(f"a watch event is larger than {MAX_LINE_BYTES} bytes")


def _decode(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as e:
        raise errors.Transient(f"the server's answer is not JSON: {e}: {body[:80]!r}") from e


def _error(response: aiohttp.ClientResponse, body: bytes) -> errors.ApiError:
    """A proxy in front of the server answers in plain text, so a `Status` is hoped for, not expected."""
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict):
        status = {"message": body[:200].decode(errors="replace")}
    return from_status_object(status, response.status, response.headers.get("Retry-After", ""))


def from_status_object(status: dict[str, Any], code: int = 0, retry_after: str = "") -> errors.ApiError:
    """The error for a Kubernetes `Status`, as an answer's body or in a watch's ERROR event."""
    details = status.get("details") or {}
    seconds = float(retry_after) if retry_after.isdigit() else details.get("retryAfterSeconds")
    return errors.from_status(
        code or status.get("code") or 500,
        status.get("reason") or "",
        status.get("message") or f"HTTP {code}",
        retry_after=seconds,
    )
