"""The engine's process and the HTTP connection to it. Starts, watches and ends one child process."""

import asyncio
import json
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from inferfleet_runtime.engines.llama_cpp import ServerSettings
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.hosts import child, wire
from inferfleet_runtime.hosts.backend import BackendError, Reply
from inferfleet_runtime.hosts.llama.log import is_own_error, lines

log = logging.getLogger(__name__)

_TAIL_LINES = 20
_BLOCK = 2**16


@dataclass(frozen=True)
class Timing:
    """All in seconds."""

    heartbeat_every: float = 1.0
    frozen_after: float = 10.0
    """Without a heartbeat and without a tick of CPU time: stopped, or waiting for what never comes."""
    stalled_after: float = 60.0
    """Without a heartbeat, however busy. The engine answers between the steps of a prefill and within them, but a
    throttled CPU may give it no time to do so."""
    stop_within: float = 5.0
    """For each step of an end: asking, killing, reading what is left."""


class LlamaServer:
    """llama.cpp in a child process. Use `running` to start one; `now` gives monotonic seconds."""

    def __init__(self, process: asyncio.subprocess.Process, now: Callable[[], float], timing: Timing) -> None:
        """Around a process that has just been started."""
        self._process = process
        self._now, self._timing = now, timing
        self._heard = now()
        self._still = 0
        self._address = ""
        self._drafts = False
        self._figures: Mapping[str, float] = {}
        self._hello: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        # the engine closes idle connections, and a request on a stale one fails: never reuse any
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        self._readers = child.tasks(self._read_log(), self._read_output())
        self._beats = child.tasks(self._beat(), self._watch())

    async def load(self) -> None:
        """Wait until the model is loaded. Raises CommandError with the engine's own words."""
        line = await self._hello
        if not line:
            await self.ended()
        hello = json.loads(line)
        self._address, self._drafts = hello["address"], hello.get("drafts", False)
        self._heard = self._now()

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
        """Whether it can draft, and can be told to and not to."""
        return self._drafts

    def draft(self, on: bool) -> None:
        """Have it draft tokens or not, from its next step on."""
        assert self._process.stdin
        if self._drafts and not self._process.stdin.is_closing():
            self._process.stdin.write(b"draft on\n" if on else b"draft off\n")

    def problem(self) -> str:
        """Why it can serve no more; empty while it works."""
        if self._process.returncode is not None:
            return f"the engine's process ended with code {self._process.returncode}"
        silent = self._now() - self._heard
        if not self._address or silent <= self._timing.frozen_after:
            return ""
        # counted, not timed: after a standstill of this process both would seem to have stood still
        if self._still * self._timing.heartbeat_every > self._timing.frozen_after:
            return f"the engine has not answered for {silent:.0f} s and does nothing"
        if silent > self._timing.stalled_after:
            return f"the engine's loop has not answered for {silent:.0f} s"
        return ""

    async def ended(self) -> None:
        """Wait for the process to end, which it should not, and raise CommandError with its own words."""
        exited = asyncio.create_task(self._process.wait())
        waiting: set[asyncio.Task[Any]] = {exited, *self._readers, *self._beats}
        try:
            while exited in waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    _check_watch(task)
        finally:
            exited.cancel()
        words = await self._last_words()
        raise CommandError(f"the engine {'ended' if self._address else 'could not load the model'}: {words}")

    async def _last_words(self) -> str:
        """What the process said before it ended: of a failed load the first error, which causes the others."""
        await asyncio.wait(self._readers, timeout=self._timing.stop_within)
        errors = [line.split(" E ", 1)[1].strip() for line in self._tail if " E " in line]
        said = errors[0] if errors and not self._address else " / ".join(list(self._tail)[-3:])
        return f"{said or 'it said nothing'} (exit code {self._process.returncode})"

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
        while await self._process.stdout.read(_BLOCK):
            pass

    async def _beat(self) -> None:
        """Ask for something that only the engine's loop can answer, again and again."""
        while True:
            await asyncio.sleep(self._timing.heartbeat_every)
            if not self._address:
                continue
            try:
                async with self._session.get(self._address + "/metrics") as response:
                    self._figures = figures(await response.text())
                self._heard = self._now()
            except (aiohttp.ClientError, OSError) as error:
                log.warning("no heartbeat of the engine", extra={"error": str(error)})

    async def _watch(self) -> None:
        """See whether it works, whatever it answers."""
        before = 0
        while True:
            await asyncio.sleep(self._timing.heartbeat_every)
            ticks = child.cpu_ticks(self._process.pid)
            self._still = self._still + 1 if ticks == before else 0
            before = ticks

    async def stop(self) -> None:
        """End the process: at first by closing its standard input. Takes a bounded time, whatever it does."""
        child.cancel(self._beats)
        await self._session.close()
        await child.end(self._process, self._readers, self._beats, self._timing.stop_within, hung=bool(self.problem()))


def _check_watch(task: asyncio.Task[Any]) -> None:
    """Raise CommandError for a task whose end leaves the process unread or unwatched."""
    if error := task.exception():
        raise CommandError(f"the watch over the engine failed: {error!r}") from error


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
