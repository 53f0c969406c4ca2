"""The service of a model that makes pictures or videos: one generation at a time, measured. No HTTP here.

What is counted as a generated token is an image token at the usual number of steps (`api.media`): tokens of the usual
picture over the seconds that it takes are the capacity, and a request's tokens are its share of it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from inferfleet_runtime.api.caller import Caller
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.media import Generation, MediaLimits
from inferfleet_runtime.api.work import Work
from inferfleet_runtime.contract import Metric
from inferfleet_runtime.front.gate import QueueFullError
from inferfleet_runtime.front.jobs import Jobs, Shelf
from inferfleet_runtime.front.service import Service
from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.diffusion.host import GenerationFailedError, GenerationRefusedError, Made

log = logging.getLogger(__name__)


class Maker(Protocol):
    """What makes pictures and videos: `hosts.diffusion.DiffusionHost`."""

    async def generate(self, asked: Generation, on_step: Callable[[int], None]) -> Made:
        """Make one; cancelling stops it. Raises BackendError, GenerationRefused- and GenerationFailedError."""

    def problem(self) -> str:
        """Why it can make no more; empty while it works."""


class MediaCounters:
    """What the metrics of text have no name for."""

    def __init__(self, registry: CollectorRegistry, model: str) -> None:
        """Register every metric for the label `model_name`."""

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, ["model_name"], registry=registry).labels(model)

        self.images = counter(Metric.IMAGES, "Pictures made.")
        self.video_seconds = counter(Metric.VIDEO_SECONDS, "Seconds of video made.")
        self.steps = counter(Metric.DIFFUSION_STEPS, "Denoising steps done.")
        self.stored = Gauge(
            Metric.VIDEOS_STORED_BYTES, "Size of the videos kept.", ["model_name"], registry=registry
        ).labels(model)


@dataclass(frozen=True)
class Chance:
    """What would else be global."""

    wall: Callable[[], float]
    """Unix seconds, for what clients read."""
    seed: Callable[[], int]
    """For requests that name none."""
    video_id: Callable[[], str]
    """Not to be guessed: who knows it may read the video."""


@dataclass
class Media:
    """State shared by all requests for pictures and videos of one model."""

    service: Service
    maker: Maker
    counters: MediaCounters
    chance: Chance
    jobs: Jobs
    shelf: Shelf
    limits: MediaLimits = field(init=False)
    """From when the model is loaded: before it the service takes no requests."""
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    """Of the jobs that have not ended."""

    def __post_init__(self) -> None:
        """Wire the gauge to the state."""
        self.counters.stored.set_function(lambda: self.jobs.stored_bytes)

    async def close(self) -> None:
        """Stop the jobs that have outlasted the drain."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @asynccontextmanager
    async def turn(self, work: Work, who: Caller, arrived: float) -> AsyncIterator[None]:
        """Count the arrival and wait for the engine; `arrived` in monotonic seconds.

        Raises the 429 of a full queue, and the 504 of a deadline that passes before the context ends.
        """
        metrics = self.service.metrics
        metrics.arrivals.inc()
        metrics.arrival_prompt_tokens.inc(work.prompt)
        try:
            async with _within(who.timeout), self.service.gate.turn(work, who.priority):
                metrics.queue_time.observe(self.service.now() - arrived)
                yield
        except QueueFullError as full:
            metrics.rejected.inc()
            raise self.too_many() from full

    def too_many(self) -> ApiError:
        """The 429, with the seconds that the queue takes by what was measured."""
        waiting, capacity = self.service.gate.admission.queued_output_tokens(), self.service.capacity
        wait = max(1, ceil(waiting / capacity)) if capacity else 1
        message = "too many requests are waiting for this model; try again later"
        return ApiError(429, message, "rate_limit_error", code="queue_full", headers={"Retry-After": str(wait)})

    async def make(self, asked: Generation, heard: Callable[[int], None] = lambda _: None) -> Made:
        """One picture or video, counted step by step; `heard` learns how many steps are done. Raises ApiError."""
        share = self.limits.pipeline.tokens(asked.shape) / self.limits.usual.steps

        def on_step(done: int) -> None:
            self.counters.steps.inc()
            self.service.metrics.generation_tokens.inc(share)
            heard(done)

        try:
            made = await self.maker.generate(asked, on_step)
        except GenerationRefusedError as refusal:
            raise ApiError(400, str(refusal), param="prompt", code=refusal.code) from refusal
        except GenerationFailedError as failure:
            message = f"the pipeline failed ({failure}); the log of the engine says where"
            raise ApiError(500, message, "server_error", code="generation_failed") from failure
        except BackendError as lost:
            message = "the engine ended before it was done; try again"
            raise ApiError(502, message, "server_error", code="engine_lost") from lost
        self._count(asked)
        return made

    def _count(self, asked: Generation) -> None:
        if self.limits.pipeline.modality == "Image":
            self.counters.images.inc()
        else:
            self.counters.video_seconds.inc(asked.shape.frames / asked.shape.fps)

    def finished(self, who: Caller, arrived: float, tokens: int, prompt_tokens: int) -> None:
        """A whole request is done."""
        metrics = self.service.metrics
        if who.tenant:
            metrics.charge(who.tenant, prompt_tokens, tokens)
        metrics.prompt_tokens.inc(prompt_tokens)
        metrics.request_tokens.observe(tokens)
        metrics.end_to_end.observe(self.service.now() - arrived)
        metrics.succeeded("stop")


@asynccontextmanager
async def _within(seconds: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError as late:
        if not limit.expired():
            raise
        message = f"not done within the {seconds:g} s in which it was wanted"
        raise ApiError(504, message, "server_error", code="deadline_exceeded") from late


def log_request(endpoint: str, seconds: float, fields: Mapping[str, Any]) -> None:
    """The one line of a request or a job, whatever became of it: sizes, times and codes, never text."""
    known = {name: value for name, value in fields.items() if value is not None}
    log.info("request", extra={"endpoint": endpoint, **known, "seconds": round(seconds, 4)})
