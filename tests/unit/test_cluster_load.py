"""The load generator against a small OpenAI-shaped server of our own."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from e2e.load import Load, percentile, retry_after, run

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", handler)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def event(**fields: object) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def text(content: str) -> bytes:
    return event(choices=[{"delta": {"content": content}}])


async def stream(request: web.Request, *chunks: bytes, done: bool = True) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for chunk in chunks:
        await response.write(chunk)
    if done:
        await response.write(b"data: [DONE]\n\n")
    return response


def load(url: str, **changes: object) -> Load:
    fields: dict[str, object] = {"clients": 2, "prompt_tokens": 5, "output_tokens": 3, "seconds": 30.0}
    return Load(urls=(url,), model="m", **(fields | changes))  # type: ignore[arg-type]


async def test_tokens_are_the_servers_own_count_and_the_opening_chunk_is_no_first_token() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        assert body["max_tokens"] == 3
        assert len(body["messages"][0]["content"].split()) == 5
        opening = event(choices=[{"delta": {"role": "assistant", "content": ""}}])
        usage = event(choices=[], usage={"completion_tokens": 3})
        return await stream(request, opening, text("a"), text("bc"), usage)

    async with serving(handler) as url:
        result = await run(load(url, max_requests=10))
    assert (result.requests, result.tokens, result.failed, result.rejected) == (10, 30, 0, 0)
    assert 0 < result.ttft_p50 <= result.ttft_p95 < result.seconds
    assert result.tokens_per_second == result.tokens / result.seconds


async def test_no_more_requests_are_open_than_clients_and_each_has_its_own_connection() -> None:
    open_now, most, ports = 0, 0, set()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        await asyncio.sleep(0.02)
        open_now -= 1
        return await stream(request, text("a"))

    async with serving(handler) as url:
        result = await run(load(url, clients=3, max_requests=12))
    assert (most, len(ports), result.requests) == (3, 12, 12)


async def test_a_rejected_client_waits_as_told_and_goes_on() -> None:
    answers = iter([429, 200])

    async def handler(request: web.Request) -> web.StreamResponse:
        if next(answers) == 429:
            return web.json_response({"error": {}}, status=429, headers={"Retry-After": "0.01"})
        return await stream(request, text("a"))

    async with serving(handler) as url:
        result = await run(load(url, clients=1, max_requests=2))
    assert (result.rejected, result.requests, result.failed) == (1, 1, 0)


@pytest.mark.parametrize(
    ("chunks", "done", "why"),
    [
        ([text("a")], False, "the stream ended without [DONE]"),
        ([event(error={"message": "boom"})], True, "error in the stream: {'message': 'boom'}"),
    ],
)
async def test_an_answer_that_is_not_whole_is_a_failure_with_a_reason(
    chunks: list[bytes], done: bool, why: str
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await stream(request, *chunks, done=done)

    async with serving(handler) as url:
        result = await run(load(url, clients=1, max_requests=1))
    assert (result.requests, result.failed, result.errors) == (0, 1, (why,))


async def test_a_server_that_is_not_there_is_counted_not_raised() -> None:
    result = await run(load("http://127.0.0.1:9", max_requests=2))
    assert (result.requests, result.failed) == (0, 2)
    assert math.isnan(result.ttft_p50)
    assert "ClientConnector" in result.errors[0]


async def test_stopping_cuts_open_requests_and_keeps_the_tokens_they_had() -> None:
    stop, over = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(text("a"))
        asyncio.get_running_loop().call_later(0.05, stop.set)
        await over.wait()
        return response

    async with serving(handler) as url:
        result = await run(load(url, clients=1), stop)
        over.set()
    assert (result.requests, result.tokens, result.failed) == (0, 1, 0)


@pytest.mark.parametrize("url", ["http://example.org", "http://8.8.8.8:80", "nonsense"])
def test_load_goes_only_to_addresses_of_this_machine_and_private_networks(url: str) -> None:
    with pytest.raises(ValueError, match="load goes only to"):
        load(url)


def test_percentiles_are_values_that_were_seen() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([3.0, 1.0, 2.0], 95) == 3.0
    assert percentile([1.0], 5) == 1.0
    assert math.isnan(percentile([], 50))


@pytest.mark.parametrize(("header", "seconds"), [(None, 1), ("3", 3), ("999", 10), ("-1", 0), ("Sat, 21 Nov", 1)])
def test_retry_after_is_obeyed_within_bounds(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds
