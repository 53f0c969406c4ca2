"""The stand-in for a vendor's engine as a process of its own, and the sidecar beside it."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.vendors.vllm import VLLM
from inferfleet_runtime.sidecar.client import EngineClient
from inferfleet_runtime.sidecar.health import Timing
from inferfleet_runtime.sidecar.server import application
from inferfleet_runtime.sidecar.watch import Watch

ROOT = Path(__file__).parents[2]
QUICK = Timing(interval=0.1, retry=0.1, timeout=1.0, hung_after=1.5, grace=0.1, poll=0.05)


@dataclass
class StandIn:
    """A running engine, and what a test does to it."""

    process: asyncio.subprocess.Process
    url: str
    session: aiohttp.ClientSession

    async def order(self, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Faults from now on."""
        async with self.session.post(f"{self.url}/stand-in/faults", json={"add": add, "remove": remove}) as response:
            assert response.status == 200

    async def generate(self, tokens: int, model: str = "default/demo") -> dict[str, Any]:
        """As a client does."""
        body = {"model": model, "prompt": [1, 2, 3], "max_tokens": tokens}
        async with self.session.post(f"{self.url}/v1/completions", json=body) as response:
            found: dict[str, Any] = await response.json()
            return found

    async def kill(self) -> None:
        """At once."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def stand_in(config: RuntimeConfig, root: Path, port: int, **env: str) -> AsyncIterator[StandIn]:
    """Started with the very command line that is rendered, but for its address and where the weights lie."""
    rendered = VLLM.render(config)
    model = root / rendered.args[0].lstrip("/")
    model.mkdir(parents=True, exist_ok=True)
    (model / "config.json").write_text("{}")
    words = [str(model), *rendered.args[1:], "--port", str(port), "--host", "127.0.0.1"]
    environ = os.environ | {"STAND_IN_LOAD_SECONDS": "0.1", "STAND_IN_TOKENS_PER_SECOND": "200"} | rendered.env | env
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "e2e.vendor", "serve", *words, env=environ, cwd=ROOT, stderr=asyncio.subprocess.DEVNULL
    )
    async with aiohttp.ClientSession() as session:
        try:
            yield StandIn(process, f"http://127.0.0.1:{port}", session)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def note(root: Path, config: RuntimeConfig) -> None:
    """What `fetch` leaves beside the model."""
    folder = Paths(root).weights
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "config.json").write_text("{}")
    found = {"uri": config.source.uri, "revision": config.source.revision, "sha256": config.source.sha256, "bytes": 2}
    (folder / "model.source.json").write_text(json.dumps(found))


@dataclass
class Beside:
    """A sidecar in this process, and its address."""

    watch: Watch
    url: str
    session: aiohttp.ClientSession
    watching: "asyncio.Task[None]"

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text."""
        async with self.session.get(f"{self.url}{path}") as response:
            return response.status, await response.text()

    async def until(self, path: str, status: int, within: float = 20.0) -> str:
        """Poll until the path answers so; its text."""
        deadline, found = time.monotonic() + within, (0, "")
        while time.monotonic() < deadline:
            found = await self.get(path)
            if found[0] == status:
                return found[1]
            await asyncio.sleep(0.02)
        raise AssertionError(f"{path} answers {found}, not {status}")


@asynccontextmanager
async def beside(
    config: RuntimeConfig, root: Path, engine_url: str, port: int, timing: Timing = QUICK
) -> AsyncIterator[Beside]:
    """A sidecar that watches."""
    async with aiohttp.ClientSession() as session:
        client = EngineClient(engine_url, VLLM, session)
        watch = Watch(config, VLLM, client, time.monotonic, random.Random(1), timing, root)
        runner = web.AppRunner(application(watch), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        watching = asyncio.create_task(watch.run())
        try:
            yield Beside(watch, f"http://127.0.0.1:{port}", session, watching)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await runner.cleanup()
