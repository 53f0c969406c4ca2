"""`inferfleet-runtime serve` for pictures and videos: from loading to drain. The composition root of their server."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from aiohttp import web
from prometheus_client import CollectorRegistry

from inferfleet_runtime import contract
from inferfleet_runtime.api.calls import limits
from inferfleet_runtime.api.media import Generation, MediaLimits, Pipeline, Shape
from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.diffusers import DIFFUSERS
from inferfleet_runtime.engines.pytorch import torch_settings
from inferfleet_runtime.errors import CommandError, ConfigError
from inferfleet_runtime.front.bench import known_capacity
from inferfleet_runtime.front.image_routes import image_routes
from inferfleet_runtime.front.jobs import Bounds, Jobs, Shelf
from inferfleet_runtime.front.media import Chance, Maker, Media, MediaCounters
from inferfleet_runtime.front.media_start import NoText, first
from inferfleet_runtime.front.metrics import Metrics
from inferfleet_runtime.front.serve import Ambient, drain, listening, stop_signal, until_stopped
from inferfleet_runtime.front.server import application
from inferfleet_runtime.front.service import Phase, Service
from inferfleet_runtime.front.video_routes import video_routes
from inferfleet_runtime.hosts.diffusion.host import DiffusionHost, command, running_diffusion

log = logging.getLogger(__name__)

PROBE_STEPS = 3
"""Of the picture before readiness: the fewest that tell the time of a step from that of all else."""
PROBE_PROMPT = "a lighthouse at dusk"
_MAX_SEED = 2**32
_MOST_PARTS = 200
"""Upper end of a histogram, in usual pictures: ten, each of four times the size and four times the steps, are 160."""


async def serve_media(config: RuntimeConfig, paths: Paths, port: int, ambient: Ambient) -> None:
    """Serve the fetched pipeline until SIGTERM or SIGINT, then drain. Raises CommandError when the engine ends."""
    # one generation takes all threads: a second beside it would slow both and double the memory
    config = config.model_copy(update={"slots": 1})
    stop, shelf = stop_signal(), Shelf(paths.at(contract.RESULTS_DIR))
    shelf.clear()
    metrics = Metrics(CollectorRegistry(), config.served_model_name, _MOST_PARTS)
    settings = torch_settings(config, paths.at(contract.MODEL_DIR))
    async with running_diffusion(command(settings), ambient.now) as host:
        service = Service(config, NoText(host), metrics, ambient.now)
        counters = MediaCounters(metrics.registry, config.served_model_name)
        media = Media(service, host, counters, chance(ambient), Jobs(Bounds()), shelf)
        async with listening(application(service, routes(media)), ambient.host, port):
            starting = asyncio.create_task(_start(media, host, ambient))
            await until_stopped(stop, starting, host.ended())
            if service.phase is Phase.READY:
                await drain(service)
            await media.close()
    log.info("stopped")


def chance(ambient: Ambient) -> Chance:
    """Of a real pod."""
    return Chance(time.time, lambda: ambient.rng.randrange(_MAX_SEED), lambda: f"video_{secrets.token_hex(16)}")


def routes(media: Media) -> list[web.RouteDef]:
    """Of the configured modality. Raises ConfigError for one that the engine has not."""
    modality = media.service.config.modality or "Text"
    if modality not in DIFFUSERS.modalities:
        made = " and ".join(sorted(DIFFUSERS.modalities))
        raise ConfigError(f"modality: {DIFFUSERS.name} makes {made}, not {modality}")
    return image_routes(media) if modality == "Image" else video_routes(media)


async def _start(media: Media, host: DiffusionHost, ambient: Ambient) -> None:
    """Load, make one picture or video, and know from it how many more there can be; then be ready."""
    pipeline = await host.load()
    service = media.service
    log.info("model loaded", extra={"modality": pipeline.modality, "grid": pipeline.grid})
    if pipeline.modality != service.config.modality:
        raise CommandError(f"the model makes {pipeline.modality}, and the configuration says {service.config.modality}")
    media.limits = media_limits(service.config, pipeline)
    known = known_capacity(ambient.capacity_file, service.config.slots)
    measured = await first(host, measure(host, media.limits, 1 if known else PROBE_STEPS, ambient.now))
    media.ready(known or measured)
    log.info("ready", extra={"usual_per_second": round(known or measured, 6), "known": known is not None})


def media_limits(config: RuntimeConfig, pipeline: Pipeline) -> MediaLimits:
    """The class's usual request, on the model's grid; what the class leaves open is as the model's authors have it."""
    asked, authors = config.media or contract.Media(), pipeline.usual
    width, height = asked.width or authors.width, asked.height or authors.height
    moving = pipeline.modality == "Video"
    usual = Shape(
        _on(pipeline.grid, width),
        _on(pipeline.grid, height),
        asked.steps or authors.steps,
        (asked.frames or authors.frames) if moving else 1,
        (asked.frames_per_second or authors.fps) if moving else 1.0,
    )
    return MediaLimits(limits(config).names, pipeline, usual=usual)


def _on(grid: int, pixels: int) -> int:
    return max(1, round(pixels / grid)) * grid


async def measure(maker: Maker, limit: MediaLimits, steps: int, now: Callable[[], float]) -> float:
    """Usual generations per second, after a real one with fewer steps: the steps left out take as long as those that
    were done. Raises BackendError, GenerationRefused- and GenerationFailedError.
    """
    usual, times = limit.usual, [now()]
    fmt: Literal["png", "mp4"] = "png" if limit.pipeline.modality == "Image" else "mp4"
    shape = replace(usual, steps=min(steps, usual.steps))
    await maker.generate(Generation(PROBE_PROMPT, shape, seed=0, format=fmt), lambda _: times.append(now()))
    took = now() - times[0]
    # the first step's time includes the prompt's encoder and what is set up once
    between = times[2:] and (times[-1] - times[1]) / (len(times) - 2)
    whole = took + (usual.steps - shape.steps) * (between or 0.0)
    return 1 / max(whole, 1e-9)
