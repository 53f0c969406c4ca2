"""Fetching `/metrics` straight from pods. Reads; only addresses that the API server gave for our own pods."""

import asyncio
from collections.abc import Mapping

import aiohttp

MAX_BYTES = 2 * 1024 * 1024
CHUNK = 64 * 1024
AT_ONCE = 64


class Scraper:
    """Scrapes many pods at once over one session. Close it when done."""

    def __init__(self, timeout: float) -> None:
        """`timeout` in seconds for one pod, from connecting to the last byte."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout), connector=aiohttp.TCPConnector(limit=AT_ONCE)
        )

    async def scrape(self, urls: Mapping[str, str]) -> dict[str, str]:
        """Text by key for every pod that answered; one that did not is simply absent."""
        texts = await asyncio.gather(*(self._one(url) for url in urls.values()))
        return {key: text for key, text in zip(urls, texts, strict=True) if text is not None}

    async def _one(self, url: str) -> str | None:
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status != 200:
                    return None
                body = b""
                async for chunk in response.content.iter_chunked(CHUNK):  # read(n) would return what is there so far
                    body += chunk
                    if len(body) > MAX_BYTES:
                        return None
                return body.decode(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
