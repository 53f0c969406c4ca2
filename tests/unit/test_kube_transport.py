"""The HTTP side of the cluster client, against a server on loopback that misbehaves as told."""

import asyncio
import random

import pytest
from aiohttp import web
from fakes.http import OBJECT, Calls, Tokens, serving, status

from inferfleet import errors
from inferfleet.kube.cluster import KubernetesCluster
from inferfleet.kube.kinds import CONFIG_MAP, DEPLOYMENT
from inferfleet.kube.transport import Transport


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, errors.Rejected),
        (403, errors.Rejected),
        (404, errors.NotFound),
        (405, errors.Rejected),
        (409, errors.Conflict),
        (410, errors.Gone),
        (413, errors.Rejected),
        (422, errors.Rejected),
        (429, errors.Transient),
        (500, errors.Transient),
        (503, errors.Transient),
        (504, errors.Transient),
    ],
)
async def test_each_status_becomes_the_error_that_says_what_to_do(code: int, kind: type[errors.ApiError]) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(status(code, "Because", "the server's words"), status=code)

    calls = Calls()
    async with serving(answer, calls=calls) as cluster:
        with pytest.raises(errors.ApiError) as raised:
            await cluster.apply(OBJECT, "m")
    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.reason) == (code, "Because")
    assert raised.value.message == "the server's words"
    assert calls.made == [("apply", "ConfigMap", code)]


async def test_an_apply_that_is_wrong_is_rejected_though_the_server_calls_it_its_own_fault() -> None:
    message = "failed to create typed patch object (n/c; /v1, Kind=ConfigMap): .x: field not declared in schema"

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(status(500, "", message), status=500)

    async with serving(answer) as cluster:
        with pytest.raises(errors.Rejected, match=r"\.x: field not declared"):
            await cluster.apply(OBJECT, "m")


async def test_the_servers_wish_for_patience_comes_from_header_or_body() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Retry-After": "7"} if request.path.endswith("header") else {}
        return web.json_response(status(429, retryAfterSeconds=3), status=429, headers=headers)

    async with serving(answer) as cluster:
        for name, seconds in (("header", 7.0), ("body", 3.0)):
            with pytest.raises(errors.Transient) as raised:
                await cluster.get(CONFIG_MAP, "n", name)
            assert raised.value.retry_after == seconds


async def test_a_proxy_that_answers_in_plain_text_is_understood() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text="Bad Gateway")

    async with serving(answer) as cluster:
        with pytest.raises(errors.Transient, match="Bad Gateway"):
            await cluster.list(CONFIG_MAP)


@pytest.mark.parametrize("body", ["{half", "[1]x", "<html>"])
async def test_an_answer_that_is_no_json_is_passing_trouble(body: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=body)

    async with serving(answer) as cluster:
        with pytest.raises(errors.Transient, match="not JSON"):
            await cluster.apply(OBJECT, "m")


async def test_an_answer_cut_half_way_is_passing_trouble() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"half":')
        assert request.transport is not None
        request.transport.abort()
        return response

    calls = Calls()
    async with serving(answer, calls=calls) as cluster:
        with pytest.raises(errors.Transient):
            await cluster.apply(OBJECT, "m")
    assert calls.made == [("apply", "ConfigMap", 0)]


async def test_a_server_that_is_not_there_is_passing_trouble() -> None:
    credentials = Tokens("http://127.0.0.1:1", "t")
    client = Transport(credentials.load, await credentials.load())
    cluster = KubernetesCluster(client, Calls(), random.Random(0))
    with pytest.raises(errors.Transient, match=r"127\.0\.0\.1"):
        await cluster.get(CONFIG_MAP, "n", "c")
    await cluster.close()


async def test_a_refused_token_is_loaded_anew_once_and_many_callers_share_the_load() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        good = request.headers["Authorization"] == "Bearer new"
        return web.json_response(OBJECT if good else status(401), status=200 if good else 401)

    async with serving(answer, "old", "new", "never") as cluster:
        found = await asyncio.gather(*(cluster.get(CONFIG_MAP, "n", "c") for _ in range(20)))
    assert found == [OBJECT] * 20


async def test_a_refused_request_is_repeated_over_the_same_connection() -> None:
    peers = []

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        if request.headers["Authorization"] == "Bearer new":
            return web.json_response(OBJECT)
        response = web.StreamResponse(status=401)
        await response.prepare(request)
        await asyncio.sleep(0.05)
        await response.write(b"a body that comes after its headers")
        return response

    async with serving(answer, "old", "new") as cluster:
        assert await cluster.get(CONFIG_MAP, "n", "c") == OBJECT
    assert len(peers) == 2
    assert len(set(peers)) == 1


async def test_a_token_that_stays_refused_is_passing_trouble() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(status(401), status=401)

    async with serving(answer) as cluster:
        with pytest.raises(errors.Transient):
            await cluster.get(CONFIG_MAP, "n", "c")


async def test_a_redirect_is_not_followed() -> None:
    """Our token would go to wherever it points."""
    visited = []

    async def answer(request: web.Request) -> web.StreamResponse:
        visited.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with serving(answer) as cluster:
        with pytest.raises(errors.ApiError):
            await cluster.apply(OBJECT, "m")
    assert "/elsewhere" not in visited


async def test_a_list_comes_in_pages_and_items_get_their_type() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        page = int(request.query.get("continue", "0"))
        meta = {"resourceVersion": "7"} | ({"continue": str(page + 1)} if page < 2 else {})
        assert request.query["limit"] == "2"
        return web.json_response({"metadata": meta, "items": [{"metadata": {"name": f"d{page}"}}]})

    async with serving(answer) as cluster:
        listing = await cluster.list(DEPLOYMENT, limit=2)
    assert listing.resource_version == "7"
    assert [item["metadata"]["name"] for item in listing.items] == ["d0", "d1", "d2"]
    assert {(item["apiVersion"], item["kind"]) for item in listing.items} == {("apps/v1", "Deployment")}


async def test_a_page_that_expired_turns_the_list_into_one_large_answer() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if "continue" in request.query:
            return web.json_response(status(410, "Expired"), status=410)
        whole = request.query["limit"] == "0"
        meta = {"resourceVersion": "9"} | ({} if whole else {"continue": "x"})
        names = ("a", "b") if whole else ("a",)
        return web.json_response({"metadata": meta, "items": [{"metadata": {"name": n}} for n in names]})

    async with serving(answer) as cluster:
        listing = await cluster.list(CONFIG_MAP)
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
