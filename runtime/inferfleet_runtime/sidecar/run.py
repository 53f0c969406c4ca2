"""`inferfleet-runtime sidecar`: the composition root beside a vendor's engine."""

import asyncio
import logging
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
from aiohttp import web

from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import CAPACITY_PATH, PORT, KnownCapacity, RuntimeConfig
from inferfleet_runtime.engines.vendors.render import VENDORS
from inferfleet_runtime.engines.vendors.vendor import SCRATCH_DIR
from inferfleet_runtime.errors import ConfigError
from inferfleet_runtime.files import write_note
from inferfleet_runtime.front.bench import known_capacity
from inferfleet_runtime.sidecar.client import EngineClient
from inferfleet_runtime.sidecar.health import Timing
from inferfleet_runtime.sidecar.server import application
from inferfleet_runtime.sidecar.watch import Watch
from inferfleet_runtime.sidecar.weights import refuse_unfetched

log = logging.getLogger(__name__)

_CLOSE_WITHIN = 1.0
MEASURED_PATH = SCRATCH_DIR / "inferfleet-capacity.json"
"""What this pod has measured: a sidecar that begins anew would measure beside clients."""


@dataclass(frozen=True)
class Ambient:
    """What would else be global."""

    now: Callable[[], float]
    """Monotonic seconds."""
    rng: random.Random
    engine_url: str = f"http://127.0.0.1:{PORT}"
    timing: Timing = field(default_factory=Timing)
    host: str = "0.0.0.0"  # noqa: S104 - a pod's address is not known to it


async def sidecar(config: RuntimeConfig, paths: Paths, port: int, ambient: Ambient) -> None:
    """Watch the engine until SIGTERM or SIGINT. Raises ConfigError, and CommandError for what no waiting heals."""
    engine = VENDORS.get(config.engine)
    if engine is None or engine.shape != "Beside":
        raise ConfigError(f"engine: {config.engine} has no sidecar")
    refuse_unfetched(config, paths)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with aiohttp.ClientSession() as session:
        client = EngineClient(ambient.engine_url, engine, session)
        watch = Watch(config, engine, client, ambient.now, ambient.rng, ambient.timing, paths.root)
        kept = paths.at(MEASURED_PATH)
        known = (known_capacity(file, config.slots) for file in (paths.at(CAPACITY_PATH), kept))
        watch.capacity = next(filter(None, known), 0.0)
        watch.measured = partial(keep, kept, config.slots)
        await _serve(watch, ambient.host, port, stop)
    log.info("stopped")


def keep(file: Path, slots: int, tokens_per_second: float) -> None:
    """For the next sidecar of this pod; one that cannot be kept is measured again. Writes."""
    known = KnownCapacity(tokens_per_second=tokens_per_second, slots=slots)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_note(file, known.model_dump(mode="json", by_alias=True))
    except OSError as error:
        log.warning("the measured capacity cannot be kept", extra={"error": str(error)})


async def _serve(watch: Watch, host: str, port: int, stop: asyncio.Event) -> None:
    runner = web.AppRunner(application(watch), access_log=None, shutdown_timeout=_CLOSE_WITHIN)
    await runner.setup()
    stopping, watching = asyncio.create_task(stop.wait()), asyncio.create_task(watch.run())
    try:
        await web.TCPSite(runner, host, port).start()
        log.info("listening", extra={"addresses": runner.addresses})
        await asyncio.wait({stopping, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
    finally:
        for task in (stopping, watching):
            task.cancel()
        await asyncio.gather(stopping, watching, return_exceptions=True)
        await runner.cleanup()
