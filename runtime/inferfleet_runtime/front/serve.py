"""`inferfleet-runtime serve`: the life of a model pod from loading to drain. The composition root of the server."""

import asyncio
import logging
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.llama_cpp import server_settings
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import check_gguf
from inferfleet_runtime.front import bench
from inferfleet_runtime.front.metrics import Metrics
from inferfleet_runtime.front.server import application
from inferfleet_runtime.front.service import Phase, Service
from inferfleet_runtime.hosts import engine
from inferfleet_runtime.hosts.backend import BackendError

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


async def serve(config: RuntimeConfig, model: Path, port: int, ambient: Ambient) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises CommandError when the engine cannot or ends."""
    if not model.is_file():
        raise CommandError(
            f"{model}: there is no such model file; run `inferfleet-runtime fetch` (and `quantize`) first"
        )
    check_gguf(model)
    stop = _stop_signal()
    metrics = Metrics(CollectorRegistry(), config.served_model_name, config.context_tokens)
    async with engine.running(engine.command(server_settings(config, model)), ambient.now) as backend:
        service = Service(config, backend, metrics, ambient.now)
        async with _listening(service, ambient.host, port):
            await _until_stopped(stop, asyncio.create_task(_start(service, backend, ambient.rng)), backend)
            if service.phase is Phase.READY:
                await _drain(service)
    log.info("stopped")


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def _listening(service: Service, host: str, port: int) -> AsyncIterator[None]:
    app = application(service)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=_CLOSE_WITHIN)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        log.info("listening", extra={"addresses": runner.addresses})
        yield
    finally:
        await runner.cleanup()


async def _start(service: Service, backend: engine.LlamaServer, rng: random.Random) -> None:
    """Load, generate, measure, then be ready."""
    await backend.load()
    log.info("model loaded")
    try:
        capacity = await bench.measure(backend, service.config, rng, service.now)
    except BackendError as lost:
        with suppress(TimeoutError):
            await asyncio.wait_for(backend.ended(), _LAST_WORDS_WITHIN)
        raise CommandError(f"the engine failed its first requests: {lost}") from lost
    service.ready(capacity)
    log.info("ready")


async def _until_stopped(stop: asyncio.Event, starting: asyncio.Task[None], backend: engine.LlamaServer) -> None:
    """Return when told to stop; raise CommandError when starting failed or the engine ended."""
    watched: set[asyncio.Task[Any]] = {
        starting,
        asyncio.create_task(backend.ended()),
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


async def _drain(service: Service) -> None:
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
