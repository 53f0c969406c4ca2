"""The service of a model that makes pictures or videos: one generation at a time, measured. No HTTP here.

What is counted as a generated token is a picture (a video) of the usual size and steps: half the steps are half of one.
So does the operator, which knows no model's grid. Inside, work is counted in image tokens (`api.media`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from inferfleet_runtime.api.media import Generation, MediaLimits
from inferfleet_runtime.contract import Metric
from inferfleet_runtime.front.jobs import Jobs, Shelf
from inferfleet_runtime.front.turns import Turns, told
from inferfleet_runtime.hosts.diffusion.messages import Made


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
class Media(Turns):
    """State shared by all requests for pictures and videos of one model."""

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
        """Wire the gauges to the state."""
        super().__post_init__()
        self.counters.stored.set_function(lambda: self.jobs.stored_bytes)

    async def close(self) -> None:
        """Stop the jobs that have outlasted the drain."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def ready(self, rate: float) -> None:
        """Begin to serve, with the measured usual generations per second."""
        self.service.ready(rate * self.limits.pipeline.tokens(self.limits.usual), told=rate)

    async def make(self, asked: Generation, heard: Callable[[int], None] = lambda _: None) -> Made:
        """One picture or video, counted step by step; `heard` learns how many steps are done. Raises ApiError."""
        share = self.limits.part(asked.shape) / asked.shape.steps

        def on_step(done: int) -> None:
            self.counters.steps.inc()
            self.service.metrics.generation_tokens.inc(share)
            heard(done)

        with told():
            made = await self.maker.generate(asked, on_step)
        self._count(asked)
        return made

    def _count(self, asked: Generation) -> None:
        if self.limits.pipeline.modality == "Image":
            self.counters.images.inc()
        else:
            self.counters.video_seconds.inc(asked.shape.frames / asked.shape.fps)
