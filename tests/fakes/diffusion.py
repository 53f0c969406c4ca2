"""A maker of pictures without a model: steps when the test says so, and a service of it over real HTTP."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from itertools import count

from aiohttp.test_utils import TestClient, TestServer
from fakes.configs import runtime_config
from fakes.service import Watched
from fakes.stepping import Stepping
from prometheus_client import CollectorRegistry

from inferfleet_runtime.api.media import Generation, MediaLimits, Pipeline, Shape
from inferfleet_runtime.front.jobs import Bounds, Jobs, Shelf
from inferfleet_runtime.front.media import Chance, Media, MediaCounters
from inferfleet_runtime.front.media_serve import routes
from inferfleet_runtime.front.media_start import NoText
from inferfleet_runtime.front.metrics import Metrics
from inferfleet_runtime.front.server import application
from inferfleet_runtime.front.service import Service
from inferfleet_runtime.hosts.diffusion.messages import Made

OPTIONS = frozenset({"guidance_scale", "negative_prompt"})
PICTURES = Pipeline("Image", Shape(512, 512, 20), grid=8, options=OPTIONS)
VIDEOS = Pipeline("Video", Shape(512, 256, 20, 17, 8.0), grid=32, frame_grid=8, options=OPTIONS)
PROMPT_TOKENS = 5


class FakeMaker(Stepping[Generation]):
    """Its files say what was asked for."""

    async def generate(self, asked: Generation, on_step: Callable[[int], None]) -> Made:
        """See Maker."""
        await self.steps(asked, asked.shape.steps, on_step)
        return Made(f"{asked.format} of {asked.prompt} by {asked.seed}".encode(), PROMPT_TOKENS)


class Pod(Watched):
    """A media service in front of a fake, and a client of it."""

    def __init__(self, maker, media, client, clock):
        super().__init__(media.service, client)
        self.maker, self.media, self.clock = maker, media, clock

    def draw(self, headers=None, **fields):
        body = {"model": "m", "prompt": "a house", **fields}
        return self.client.post("/v1/images/generations", json=body, headers=headers)

    async def film(self, headers=None, status=200, **fields):
        """The answer to a new job."""
        body = {"model": "m", "prompt": "waves", **fields}
        async with self.client.post("/v1/videos", json=body, headers=headers) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def get(self, path, status=200, headers=None):
        async with self.client.get(f"/v1/videos{path}", headers=headers) as response:
            assert response.status == status, await response.text()
            return await response.json() if "json" in response.content_type else await response.read()

    async def done(self, video, status="completed"):
        """Wait until the job has ended so."""
        async with asyncio.timeout(20):
            while (job := await self.get(f"/{video['id']}"))["status"] in ("queued", "in_progress"):
                await asyncio.sleep(0.002)
        assert job["status"] == status, job
        return job


class Clock:
    """Unix seconds, which a test moves."""

    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@asynccontextmanager
async def media_pod(folder, pipeline, bounds=None, max_queued_tokens=100_000, maker=None, **config):
    plain = {
        "engine": "diffusers",
        "modality": pipeline.modality,
        "slots": 1,
        "admission": {"maxQueuedTokens": max_queued_tokens},
    }
    parsed = runtime_config(**plain | config)
    fake, clock, numbers = maker or FakeMaker(), Clock(), count(1)
    metrics = Metrics(CollectorRegistry(), "team/m", parsed.context_tokens)
    service = Service(parsed, NoText(fake), metrics, asyncio.get_running_loop().time)
    shelf = Shelf(folder / "results")
    shelf.clear()
    chance = Chance(clock, lambda: 42, lambda: f"video_{next(numbers)}")
    media = Media(service, fake, MediaCounters(metrics.registry, "team/m"), chance, Jobs(bounds or Bounds()), shelf)
    media.limits = MediaLimits(service.limits.names, pipeline, usual=pipeline.usual)
    service.ready(capacity=100.0)
    server = TestServer(application(service, routes(media)))
    async with TestClient(server) as client:
        yield Pod(fake, media, client, clock)
        await media.close()
