"""The engine's process and the HTTP connection to it. Starts, watches and ends one child process."""

import asyncio
import json
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from typing import Any

import aiohttp

from inferfleet_runtime.engines.llama_cpp import ServerSettings
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.hosts import child, wire
from inferfleet_runtime.hosts.backend import BackendError, Reply
from inferfleet_runtime.hosts.lines import lines
from inferfleet_runtime.hosts.llama.log import is_own_error
from inferfleet_runtime.hosts.llama.speculation import TOLD
from inferfleet_runtime.hosts.pulse import Pulse, Timing

log = logging.getLogger(__name__)

_TAIL_LINES = 20


class LlamaServer:
    """llama.cpp in a child process. Use `running` to start one; `now` gives monotonic seconds."""

    def __init__(self, process: asyncio.subprocess.Process, now: Callable[[], float], timing: Timing) -> None:
        """Around a process that has just been started."""
        self._process = process
        self._timing, self._pulse = timing, Pulse(process, now, timing)
        self._address = ""
        self._drafts = False
        self._drafting: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._figures: Mapping[str, float] = {}
        self._hello: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        # the engine closes idle connections, and a request on a stale one fails: never reuse any
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        self._readers = child.tasks(self._read_log(), self._read_output())
        self._beats = child.tasks(self._beat(), self._pulse.watch())

    async def load(self) -> None:
        """Wait until the model is loaded. Raises CommandError with the engine's own words."""
        line = await self._hello
        if not line:
            await self.ended()
        hello = json.loads(line)
        self._address, self._drafts = hello["address"], hello.get("drafts", False)
        self._pulse.heard()

    def post(self, path: str, body: Mapping[str, Any]) -> AbstractAsyncContextManager[Reply]:
        """Begin a request. Raises BackendError on entering."""
        return wire.post(self._address, path, body)

    async def vocabulary(self) -> int:
        """How many token ids the model knows. Raises BackendError."""
        try:
            async with self._session.get(self._address + "/v1/models") as response:
                models = await response.json()
        except (aiohttp.ClientError, OSError) as error:
            raise BackendError(str(error)) from error
        return int(models["data"][0]["meta"]["n_vocab"])

    def figures(self) -> Mapping[str, float]:
        """The engine's own counters at the last heartbeat, by llama.cpp's names; requests count when they end."""
        return self._figures

    @property
    def drafts(self) -> bool:
        """Whether it can draft, and decide at every step how much."""
        return self._drafts

    async def drafting(self) -> Mapping[str, Any]:
        """Wait until it drafts more or less than before: `on`, `tokens` and `why`."""
        return await self._drafting.get()

    def problem(self) -> str:
        """Why it can serve no more; empty while it works."""
        return self._pulse.problem(loaded=bool(self._address))

    async def ended(self) -> None:
        """Wait for the process to end, which it should not, and raise CommandError with its own words."""
        code = await child.ended(self._process, self._readers, self._beats, self._timing.stop_within)
        what = "ended" if self._address else "could not load the model"
        raise CommandError(f"the engine {what}: {self._last_words()} (exit code {code})")

    def _last_words(self) -> str:
        """What the process said before it ended: of a failed load the first error, which causes the others."""
        errors = [line.split(" E ", 1)[1].strip() for line in self._tail if " E " in line]
        said = errors[0] if errors and not self._address else " / ".join(list(self._tail)[-3:])
        return said or "it said nothing"

    async def _read_log(self) -> None:
        """Pass on what the engine writes to standard error, until it ends."""
        assert self._process.stderr
        async for line in lines(self._process.stderr):
            # while it loads it knows of no request; after that most of what it writes repeats one
            if not self._hello.done() or is_own_error(line):
                self._tail.append(line)
                log.info("engine log", extra={"line": line})

    async def _read_output(self) -> None:
        """Take the handshake from standard output; all else is read so that the pipe never fills."""
        assert self._process.stdout
        line = await self._process.stdout.readline()
        if not self._hello.done():
            self._hello.set_result(line)
        async for said in lines(self._process.stdout):
            if said.startswith(TOLD):
                self._take(said.removeprefix(TOLD))

    def _take(self, told: str) -> None:
        """What another thread or a library prints at the same time may stand in the middle of it."""
        try:
            self._drafting.put_nowait(json.loads(told))
        except ValueError:
            log.warning("the engine said something unreadable of its drafting", extra={"bytes": len(told)})

    async def _beat(self) -> None:
        """Ask for something that only the engine's loop can answer, again and again."""
        while True:
            await asyncio.sleep(self._timing.heartbeat_every)
            if not self._address:
                continue
            try:
                async with self._session.get(self._address + "/metrics") as response:
                    self._figures = figures(await response.text())
                self._pulse.heard()
            except (aiohttp.ClientError, OSError) as error:
                log.warning("no heartbeat of the engine", extra={"error": str(error)})

    async def stop(self) -> None:
        """End the process: at first by closing its standard input. Takes a bounded time, whatever it does."""
        child.cancel(self._beats)
        await self._session.close()
        await child.end(self._process, self._readers, self._beats, self._timing.stop_within, hung=bool(self.problem()))


def figures(exposition: str) -> dict[str, float]:
    """Unlabelled samples of a Prometheus text, by their names without `llamacpp:`."""
    lines = (line.split() for line in exposition.splitlines() if line.startswith("llamacpp:") and "{" not in line)
    return {name.removeprefix("llamacpp:"): float(value) for name, value in lines}


def command(settings: ServerSettings) -> list[str]:
    """How the engine's process is started."""
    return [sys.executable, "-m", "inferfleet_runtime.hosts.llama.server", json.dumps(asdict(settings))]


@asynccontextmanager
async def running(
    argv: Sequence[str],
    now: Callable[[], float],
    timing: Timing | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[LlamaServer]:
    """An engine that is loading; its process ends with the context. Without `environment` it has this process's."""
    process = await child.started(argv, environment)
    engine = LlamaServer(process, now, timing or Timing())
    try:
        yield engine
    finally:
        await engine.stop()
