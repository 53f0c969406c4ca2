"""Pods' pages over HTTP: in parallel, over connections that stay open, and no bigger than bound."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

from aiohttp import web

from inferfleet.kube.scrape import MAX_BYTES, Page, Scraper

PAGE = b"vllm:num_requests_running 1\n\xff\n"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pods:
    """A server for all pods; each path is one. It knows who came over which connection."""

    def __init__(self) -> None:
        self.peers: list[tuple[str, int]] = []
        self.open = self.most_open = 0
        self.hang = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """By path."""
        transport = request.transport
        assert transport
        self.peers.append(transport.get_extra_info("peername")[:2])
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            return await getattr(self, request.match_info["kind"])(request)
        finally:
            self.open -= 1

    async def well(self, _: web.Request) -> web.StreamResponse:
        """A page."""
        await asyncio.sleep(0)
        return web.Response(body=PAGE)

    async def packed(self, request: web.Request) -> web.StreamResponse:
        """A page that is compressed if the client takes it so."""
        response = web.Response(body=PAGE)
        response.enable_compression()
        assert request.headers["Accept-Encoding"] == "identity"
        return response

    async def silent(self, _: web.Request) -> web.StreamResponse:
        """None, while anybody waits."""
        await self.hang.wait()
        return web.Response()

    async def failing(self, _: web.Request) -> web.StreamResponse:
        """An error."""
        return web.Response(status=503, body=PAGE)

    async def elsewhere(self, _: web.Request) -> web.StreamResponse:
        """To where no pod of ours is."""
        raise web.HTTPFound("/well")

    async def endless(self, request: web.Request) -> web.StreamResponse:
        """One byte more than is read."""
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(MAX_BYTES // 65536 + 1):
            await response.write(b"#" * 65536)
        return response

    async def broken(self, request: web.Request) -> web.StreamResponse:
        """A page that ends before its length."""
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(PAGE)
        assert request.transport
        request.transport.close()
        return response


@asynccontextmanager
async def scraping(timeout: float = 20.0, at_once: int = 100) -> AsyncIterator[tuple[Pods, Scraper, str]]:
    """Pods, who scrapes them by a clock that counts its readings, and where they are."""
    pods, app = Pods(), web.Application()
    app.router.add_get("/{kind}", pods.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scraper = Scraper(timeout, map(float, count(1)).__next__, at_once)
    try:
        yield pods, scraper, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        pods.hang.set()
        await scraper.close()
        await runner.cleanup()


async def test_pages_come_as_bytes_with_the_time_of_their_arrival() -> None:
    async with scraping() as (_, scraper, url):
        found = await scraper.scrape({"a": f"{url}/well", "b": f"{url}/packed"})
    assert {page.body for page in found.values()} == {PAGE}
    assert {page.at for page in found.values()} == {1.0, 2.0}


async def test_who_answers_with_something_else_is_absent() -> None:
    kinds = ("failing", "elsewhere", "endless", "broken")
    async with scraping() as (pods, scraper, url):
        found = await scraper.scrape({kind: f"{url}/{kind}" for kind in (*kinds, "well")})
        gone = await scraper.scrape({"gone": "http://127.0.0.1:1/metrics"})
    assert found == {"well": Page(1.0, PAGE)}
    assert len(pods.peers) == len(kinds) + 1, "nobody is sent elsewhere"
    assert gone == {}


async def test_connections_are_used_again_in_the_next_round() -> None:
    async with scraping() as (pods, scraper, url):
        for _ in range(3):
            await scraper.scrape({"a": f"{url}/well"})
    assert len(pods.peers) == 3
    assert len(set(pods.peers)) == 1


async def test_pods_are_asked_beside_each_other_but_no_more_than_told() -> None:
    async with scraping(at_once=3) as (pods, scraper, url):
        round_ = asyncio.create_task(scraper.scrape({str(number): f"{url}/silent" for number in range(5)}))
        while pods.open < 3:
            await asyncio.sleep(0)
        pods.hang.set()
        assert len(await round_) == 5
    assert pods.most_open == 3


async def test_pods_that_are_silent_take_no_time_from_those_that_wait_for_their_turn() -> None:
    async with scraping(timeout=0.5, at_once=2) as (_, scraper, url):
        silent = {str(number): f"{url}/silent" for number in range(4)}
        assert await scraper.scrape(silent | {"well": f"{url}/well"}) == {"well": Page(1.0, PAGE)}
