"""A model's service in front of a fake engine, over real HTTP on the loopback."""

import asyncio
from contextlib import asynccontextmanager

from aiohttp.test_utils import TestClient, TestServer
from fakes.backend import FakeBackend
from fakes.configs import runtime_config
from prometheus_client import CollectorRegistry
from waiting import until

from inferfleet_runtime.front.metrics import Metrics
from inferfleet_runtime.front.server import application
from inferfleet_runtime.front.service import Phase, Service

CHAT = "/v1/chat/completions"


class Watched:
    """A service of which a test reads values and awaits states, and a client of it."""

    def __init__(self, service, client):
        self.service, self.client = service, client

    def value(self, name, **labels):
        return self.service.metrics.registry.get_sample_value(name, {"model_name": "team/m", **labels})

    async def until(self, running, waiting=0):
        """Wait until so many requests run and wait."""
        admission = self.service.gate.admission
        await until(lambda: (admission.running, admission.waiting) == (running, waiting))


class Pod(Watched):
    """A service in front of a fake engine, and a client of it."""

    def __init__(self, backend, service, client):
        super().__init__(service, client)
        self.backend = backend

    def chat(self, headers=None, **fields):
        body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4, **fields}
        return self.client.post(CHAT, json=body, headers=headers)


@asynccontextmanager
async def pod(slots=2, max_queued_tokens=1000, phase=Phase.READY, config=None, **backend):
    admission = {"maxQueuedTokens": max_queued_tokens}
    settings = runtime_config(**{"slots": slots, "admission": admission} | (config or {}))
    fake = FakeBackend(slots, **backend)
    metrics = Metrics(CollectorRegistry(), "team/m", settings.context_tokens)
    service = Service(settings, fake, metrics, asyncio.get_running_loop().time)
    if phase is not Phase.STARTING:
        service.ready(capacity=2.0)
        service.phase = phase
    async with TestClient(TestServer(application(service))) as client:
        yield Pod(fake, service, client)


async def events(response):
    text = await response.text()
    return [line.removeprefix("data: ") for line in text.splitlines() if line]
