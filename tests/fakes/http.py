"""An HTTP server on loopback that answers a real cluster client as told."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from inferfleet.kube.cluster import KubernetesCluster, WatchEvent
from inferfleet.kube.kinds import CONFIG_MAP, Kind, Obj
from inferfleet.kube.transport import SILENCE_SECONDS, Access, Transport

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
OBJECT: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "n", "name": "c"}}


class Tokens:
    """Credentials of which each load brings the next."""

    def __init__(self, server: str, *tokens: str) -> None:
        self.server = server
        self.tokens = list(tokens)
        self.loads = 0

    async def load(self) -> Access:
        self.loads += 1
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]

        async def authorization() -> str:
            return f"Bearer {token}"

        return Access(self.server, authorization)


class Calls:
    """What the client reported."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, int]] = []

    def __call__(self, verb: str, kind: Kind, status: int) -> None:
        self.made.append((verb, kind.kind, status))


@asynccontextmanager
async def serving(
    answer: Answer, *tokens: str, calls: Calls | None = None, silence_seconds: float = SILENCE_SECONDS
) -> AsyncIterator[KubernetesCluster]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        credentials = Tokens(str(server.make_url("")).rstrip("/"), *(tokens or ("t",)))
        client = Transport(credentials.load, await credentials.load(), silence_seconds)
        cluster = KubernetesCluster(client, calls or Calls(), random.Random(0))
        try:
            yield cluster
        finally:
            await cluster.close()


def status(code: int, reason: str = "", message: str = "no", **details: Any) -> Obj:
    return {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}


def lines(*events: Any) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            await response.write(event if isinstance(event, bytes) else orjson.dumps(event) + b"\n")
        return response

    return answer


async def watch(cluster: KubernetesCluster) -> list[WatchEvent]:
    async with asyncio.timeout(30), aclosing(cluster.watch(CONFIG_MAP, "1")) as events:
        return [event async for event in events]


def added(version: int, **data: str) -> Obj:
    return {
        "type": "ADDED",
        "object": {"metadata": {"name": "c", "resourceVersion": str(version)}, "data": data},
    }
