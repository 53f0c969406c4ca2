"""`inferfleet-runtime serve`: the life of a model pod from loading to drain. The composition root of the server."""

import asyncio
import logging
import random
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import check_gguf
from inferfleet_runtime.front import bench
from inferfleet_runtime.front.metrics import Metrics
from inferfleet_runtime.front.server import application
from inferfleet_runtime.front.service import Phase, Service
from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.heal import Healed
from inferfleet_runtime.hosts.start import running_engine

log = logging.getLogger(__name__)

GRACE = 2.0
"""Seconds after SIGTERM in which new requests are still served: endpoints are withdrawn meanwhile."""
_POLL = 0.05
_CLOSE_WITHIN = 1.0
_LAST_WORDS_WITHIN = 2.0


@dataclass(frozen=True)
class Ambient:
    """What would else be global."""

    now: Callable[[], float]
    """Monotonic seconds."""
    rng: random.Random
    host: str = "0.0.0.0"  # noqa: S104 - a pod's address is not known to it
    capacity_file: Path | None = None
    """Where a `KnownCapacity` may lie."""


async def serve(config: RuntimeConfig, model: Path, port: int, ambient: Ambient) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises CommandError when the engine cannot or ends."""
    if not model.is_file():
        raise CommandError(
            f"{model}: there is no such model file; run `inferfleet-runtime fetch` (and `quantize`) first"
        )
    check_gguf(model)
    stop = stop_signal()
    metrics = Metrics(CollectorRegistry(), config.served_model_name, config.context_tokens)
    async with running_engine(config, model, ambient.now) as backend:
        service = Service(config, backend, metrics, ambient.now)
        backend.changed = partial(_follow, service)
        async with listening(application(service), ambient.host, port):
            await until_stopped(stop, asyncio.create_task(_start(service, backend, ambient)), backend.ended())
            if service.phase is Phase.READY:
                await drain(service)
    log.info("stopped")


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[None]:
    """Serve meanwhile; a client that goes cancels its handler."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=_CLOSE_WITHIN)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        log.info("listening", extra={"addresses": runner.addresses})
        yield
    finally:
        await runner.cleanup()


def _follow(service: Service, serving: bool) -> None:
    """Not ready while the engine is started again; a drain goes on as it is."""
    if serving and service.phase is Phase.STARTING:
        service.phase = Phase.READY
    elif not serving and service.phase is Phase.READY:
        service.phase = Phase.STARTING


async def _start(service: Service, backend: Healed, ambient: Ambient) -> None:
    """Load, generate, measure, then be ready."""
    await backend.load()
    log.info("model loaded")
    try:
        known = bench.known_capacity(ambient.capacity_file, service.config.slots)
        capacity = await bench.measure(backend, service.config, ambient.rng, service.now, known)
    except BackendError as lost:
        with suppress(TimeoutError):
            await asyncio.wait_for(backend.ended(), _LAST_WORDS_WITHIN)
        raise CommandError(f"the engine failed its first requests: {lost}") from lost
    backend.heals = True
    service.ready(capacity)
    log.info("ready")


async def until_stopped(
    stop: asyncio.Event, starting: asyncio.Task[None], engine_ended: Coroutine[Any, Any, None]
) -> None:
    """Return when told to stop; raise CommandError when starting failed or the engine ended."""
    watched: set[asyncio.Task[Any]] = {
        starting,
        asyncio.create_task(engine_ended),
        asyncio.create_task(stop.wait()),
    }
    waiting = watched
    try:
        while not stop.is_set():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in watched:
            task.cancel()
        await asyncio.gather(*watched, return_exceptions=True)


async def drain(service: Service) -> None:
    """Serve on for the grace, then finish what is open; what outlasts the drain is cut."""
    service.phase = Phase.DRAINING
    log.info("draining", extra={"open_requests": service.open_requests(), "grace_seconds": GRACE})
    await asyncio.sleep(GRACE)
    service.phase = Phase.CLOSED
    log.info("the grace is over", extra={"open_requests": service.open_requests()})
    deadline = service.now() + service.config.drain_seconds
    while service.open_requests() and service.now() < deadline and not service.backend.problem():
        await asyncio.sleep(_POLL)
    log.info("drained", extra={"cut_requests": service.open_requests()})
