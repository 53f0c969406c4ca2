"""A closed loop of streaming chat completions against one or several base URLs. Writes: it sends requests.

Each of N clients sends its next request when its last one ended, on a new TCP connection, so that kube-proxy
spreads the load over replicas that came meanwhile. Bounded in time and in requests.
"""

import asyncio
import itertools
import json
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aiohttp

WORDS = ("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school")
LONGEST_WAIT_SECONDS = 10.0
"""Retry-After is obeyed up to this."""
AFTER_FAILURE_SECONDS = 0.2
ERRORS_OF_A_KIND = 3


@dataclass(frozen=True)
class Load:
    """What to send, and for how long. ValueError if a URL is not of this machine or a private network."""

    urls: tuple[str, ...]
    """Base URLs without `/v1`, taken in turn."""
    model: str
    clients: int
    """Requests in flight at once."""
    prompt_tokens: int
    """Words of the prompt; a word is a token or two."""
    output_tokens: int
    seconds: float
    max_requests: int = 100_000
    """Sent at most, rejected ones included."""
    request_seconds: float = 120.0
    """Longer requests count as failed."""
    seed: int = 0

    def __post_init__(self) -> None:
        for url in self.urls:
            host = urlsplit(url).hostname or ""
            if host != "localhost" and not _private(host):
                raise ValueError(f"{url}: load goes only to localhost and private addresses")


@dataclass(frozen=True)
class Result:
    """What came of it. Times in seconds; NaN where there is none."""

    requests: int
    """Answered whole."""
    tokens: int
    """Generated: the server's own count for whole answers, chunks for those cut at the end."""
    seconds: float
    tokens_per_second: float
    ttft_p50: float
    ttft_p95: float
    rejected: int
    """Answered 429; the client waited as told and went on."""
    failed: int
    errors: tuple[str, ...]
    """Why requests failed; at most three of a kind."""


@dataclass
class _Tally:
    requests: int = 0
    tokens: int = 0
    rejected: int = 0
    failed: int = 0
    ttfts: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class _RequestError(Exception):
    """A request without a whole answer, and why."""


async def run(load: Load, stop: asyncio.Event | None = None) -> Result:
    """Send until the time is over, `max_requests` are sent or `stop` is set; what is open then is cut.

    Rejections and failures are counted, never raised.
    """
    tally = _Tally()
    start = time.monotonic()
    clients = asyncio.create_task(_clients(load, tally))
    stopped = asyncio.create_task((stop or asyncio.Event()).wait())
    try:
        await asyncio.wait({clients, stopped}, timeout=load.seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        clients.cancel()
        stopped.cancel()
        await asyncio.gather(clients, stopped, return_exceptions=True)
    if not clients.cancelled():
        clients.result()  # raises what a client did not expect: a bug here
    return summarize(tally, time.monotonic() - start)


def summarize(tally: _Tally, seconds: float) -> Result:
    """Pure."""
    return Result(
        requests=tally.requests,
        tokens=tally.tokens,
        seconds=seconds,
        tokens_per_second=tally.tokens / seconds,
        ttft_p50=percentile(tally.ttfts, 50),
        ttft_p95=percentile(tally.ttfts, 95),
        rejected=tally.rejected,
        failed=tally.failed,
        errors=tuple(tally.errors),
    )


def percentile(values: list[float], percent: float) -> float:
    """Nearest rank: the smallest value that `percent` of all do not exceed; NaN of none. Pure."""
    if not values:
        return float("nan")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def retry_after(header: str | None) -> float:
    """Seconds to wait; 1 for a date or none. Pure."""
    try:
        return min(max(float(header or 1), 0.0), LONGEST_WAIT_SECONDS)
    except ValueError:
        return 1.0


async def _clients(load: Load, tally: _Tally) -> None:
    bodies = itertools.islice(_bodies(load), load.max_requests)
    urls = itertools.cycle(f"{url.rstrip('/')}/v1/chat/completions" for url in load.urls)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=load.request_seconds)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as group:
        for _ in range(load.clients):
            group.create_task(_client(session, urls, bodies, tally))


async def _client(
    session: aiohttp.ClientSession, urls: Iterator[str], bodies: Iterator[dict[str, Any]], tally: _Tally
) -> None:
    for body in bodies:
        wait = 0.0
        try:
            wait = await _send(session, next(urls), body, tally)
        except (_RequestError, aiohttp.ClientError, TimeoutError) as failure:
            tally.failed += 1
            why = f"{type(failure).__name__}: {failure}" if not isinstance(failure, _RequestError) else str(failure)
            if tally.errors.count(why) < ERRORS_OF_A_KIND:
                tally.errors.append(why)
            wait = AFTER_FAILURE_SECONDS
        if wait:
            await asyncio.sleep(wait)


async def _send(session: aiohttp.ClientSession, url: str, body: dict[str, Any], tally: _Tally) -> float:
    """One request; returns the seconds to wait before the next one."""
    start = time.monotonic()
    async with session.post(url, json=body) as response:
        if response.status == 429:
            tally.rejected += 1
            return retry_after(response.headers.get("Retry-After"))
        if response.status != 200:
            raise _RequestError(f"{response.status}: {(await response.text())[:200]}")
        await _read(response.content, start, tally)
    return 0.0


async def _read(lines: aiohttp.StreamReader, start: float, tally: _Tally) -> None:
    """Count the chunks of a stream. They are not parsed, but for the last: that costs more than all the rest."""
    chunks, last = 0, b""
    async for line in lines:
        if not line.startswith(b"data: "):
            continue
        if line.startswith(b"data: [DONE]"):
            break
        last = line
        if b'"content"' in line and not (chunks == 0 and _empty(line)):
            if chunks == 0:
                tally.ttfts.append(time.monotonic() - start)
            chunks += 1
            tally.tokens += 1
    else:
        raise _RequestError("the stream ended without [DONE]")
    event = json.loads(last.removeprefix(b"data: ")) if last else {}
    if "error" in event:
        raise _RequestError(f"error in the stream: {event['error']}"[:200])
    tally.requests += 1
    tally.tokens += (event.get("usage") or {}).get("completion_tokens", chunks) - chunks


def _empty(line: bytes) -> bool:
    """Whether a chunk only opens the answer: a role, and no text yet."""
    choices = json.loads(line.removeprefix(b"data: ")).get("choices") or [{}]
    return not choices[0].get("delta", {}).get("content")


def _bodies(load: Load) -> Iterator[dict[str, Any]]:
    rng = random.Random(load.seed)
    while True:
        # Random words: equal prompts would be answered from the prefix cache.
        prompt = " ".join(rng.choices(WORDS, k=load.prompt_tokens))
        yield {
            "model": load.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": load.output_tokens,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }


def _private(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_private or address.is_loopback
