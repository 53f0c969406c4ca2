"""Fetching `/metrics` straight from pods. Reads; only addresses that the API server gave for our own pods."""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import aiohttp

MAX_BYTES = 2 * 1024 * 1024
CHUNK = 64 * 1024
AT_ONCE = 256
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        # the other format may write the colons of names as underscores
        "Accept": "text/plain;version=0.0.4",
        # unpacking a page takes longer than reading it, and a small packed one may hold any number of bytes
        "Accept-Encoding": "identity",
    }
)


class Page(NamedTuple):
    """One answer."""

    at: float
    """Seconds on the scraper's clock when it was complete."""
    body: bytes


class Scraper:
    """Scrapes many pods at once over one session, whose connections stay open between rounds. Close it when done."""

    def __init__(self, timeout: float, now: Callable[[], float], at_once: int = AT_ONCE) -> None:
        """`timeout` in seconds for one pod, from connecting to the last byte; `now` gives monotonic seconds."""
        self._now = now
        # who waits for a turn here does not lose time for it: silent pods must not silence others
        self._turns = asyncio.Semaphore(at_once)
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout), connector=aiohttp.TCPConnector(limit=0), headers=HEADERS
        )

    async def scrape(self, urls: Mapping[str, str]) -> dict[str, Page]:
        """Page by key for every pod that answered; one that did not is simply absent."""
        pages = await asyncio.gather(*(self._one(url) for url in urls.values()))
        return {key: page for key, page in zip(urls, pages, strict=True) if page is not None}

    async def _one(self, url: str) -> Page | None:
        try:
            async with self._turns, self._session.get(url, allow_redirects=False) as response:
                if response.status != 200:
                    return None
                body = bytearray()
                async for chunk in response.content.iter_chunked(CHUNK):  # read(n) would return what is there so far
                    body += chunk
                    if len(body) > MAX_BYTES:
                        return None
                return Page(self._now(), bytes(body))
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
