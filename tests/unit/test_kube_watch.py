"""Watches over HTTP: how bytes become events, and when a watch ends."""

import asyncio
from contextlib import aclosing
from typing import Any

import orjson
import pytest
from aiohttp import web
from fakes.http import added, lines, serving, status, watch

from inferfleet import errors
from inferfleet.kube.kinds import CONFIG_MAP


async def test_a_watch_asks_for_bookmarks_and_a_spread_end() -> None:
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(dict(request.query))
        return await lines(added(5))(request)

    async with serving(answer) as cluster:
        for _ in range(20):
            await watch(cluster)
    seconds = {int(query["timeoutSeconds"]) for query in asked}
    assert 300 <= min(seconds) < max(seconds) <= 600
    assert asked[0]["allowWatchBookmarks"] == "true"


async def test_events_arrive_whole_however_the_bytes_are_cut() -> None:
    text = orjson.dumps(added(5)) + b"\n" + orjson.dumps(added(6)) + b"\n"
    async with serving(lines(*(text[i : i + 1] for i in range(len(text))))) as cluster:
        assert [e.object["metadata"]["resourceVersion"] for e in await watch(cluster)] == ["5", "6"]


async def test_an_event_of_almost_four_megabytes_is_read() -> None:
    async with serving(lines(added(5, big="x" * (4 * 2**20 - 200)))) as cluster:
        (event,) = await watch(cluster)
    assert len(event.object["data"]["big"]) > 4_000_000


async def test_an_event_that_is_larger_calls_for_a_list() -> None:
    async with serving(lines(added(5, big="x" * (5 * 2**20)))) as cluster:
        with pytest.raises(errors.Gone, match="larger"):
            await watch(cluster)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ({"type": "ERROR", "object": status(410, "Expired")}, errors.Gone),
        ({"type": "ERROR", "object": status(500)}, errors.Transient),
        ({"type": "ERROR", "object": status(429)}, errors.Transient),
        ({"type": "ERROR", "object": {}}, errors.Transient),
        (b"garbage\n", errors.Transient),
        ([], errors.Transient),
        ({"type": "ADDED", "object": {}}, errors.Transient),
        ({"type": "ADDED", "object": {"metadata": {"name": 1, "resourceVersion": "1"}}}, errors.Transient),
        ({"type": "WHAT", "object": added(1)["object"]}, errors.Transient),
        ({"type": "BOOKMARK", "object": {"metadata": {}}}, errors.Transient),
    ],
    ids=str,
)
async def test_a_line_that_is_no_event_is_an_error_of_ours(line: Any, kind: type[errors.ApiError]) -> None:
    async with serving(lines(added(5), line)) as cluster:
        with pytest.raises(kind):
            await watch(cluster)


async def test_a_watch_that_falls_silent_ends() -> None:
    released = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await lines(added(5))(request)
        await released.wait()
        return response

    async with serving(answer, silence_seconds=0.2) as cluster:
        with pytest.raises(errors.Transient, match=r"[Tt]imeout"):
            await watch(cluster)
        released.set()


async def test_a_watch_that_is_left_early_is_closed_at_the_server_too() -> None:
    ended = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await lines(added(5))(request)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return response

    async with serving(answer) as cluster:
        async with aclosing(cluster.watch(CONFIG_MAP, "1")) as events:
            assert (await anext(events)).type == "ADDED"
        async with asyncio.timeout(30):
            await ended.wait()
