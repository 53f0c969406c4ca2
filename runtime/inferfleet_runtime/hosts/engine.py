"""The engine's process and the HTTP connection to it. Starts, watches and ends one child process."""

import asyncio
import json
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from inferfleet_runtime.engines.llama_cpp import ServerSettings
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.engine_log import is_own_error, lines

log = logging.getLogger(__name__)

_TAIL_LINES = 20
_BLOCK = 2**16


@dataclass(frozen=True)
class Timing:
    """All in seconds."""

    heartbeat_every: float = 10.0
    stalled_after: float = 120.0
    """Without a heartbeat. One step of a large prefill on a throttled CPU takes tens of seconds."""
    stop_within: float = 5.0
    """For each step of an end: asking, killing, reading what is left."""


@dataclass(frozen=True)
class _Reply:
    _response: aiohttp.ClientResponse

    @property
    def status(self) -> int:
        return self._response.status

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise BackendError(str(error)) from error

    async def read(self) -> bytes:
        try:
            return await self._response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise BackendError(str(error)) from error


class LlamaServer:
    """llama.cpp in a child process. Use `running` to start one; `now` gives monotonic seconds."""

    def __init__(self, process: asyncio.subprocess.Process, now: Callable[[], float], timing: Timing) -> None:
        """Around a process that has just been started."""
        self._process = process
        self._now, self._timing = now, timing
        self._heard = now()
        self._address = ""
        self._hello: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        # the engine closes idle connections, and a request on a stale one fails: never reuse any
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        self._readers = self._tasks(self._read_log(), self._read_output())
        self._beats = self._tasks(self._beat())

    @staticmethod
    def _tasks(*work: Coroutine[Any, Any, None]) -> frozenset[asyncio.Task[None]]:
        return frozenset(map(asyncio.create_task, work))

    async def load(self) -> None:
        """Wait until the model is loaded. Raises CommandError with the engine's own words."""
        line = await self._hello
        if not line:
            await self.ended()
        self._address = json.loads(line)["address"]
        self._heard = self._now()

    @asynccontextmanager
    async def post(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[_Reply]:
        """See Backend."""
        try:
            response = await self._session.post(self._address + path, json=body)
        except (aiohttp.ClientError, OSError) as error:
            raise BackendError(str(error)) from error
        try:
            yield _Reply(response)
        finally:
            # closes the connection of an unfinished answer, at which the engine frees its slot
            response.close()

    async def vocabulary(self) -> int:
        """See Backend."""
        try:
            async with self._session.get(self._address + "/v1/models") as response:
                models = await response.json()
        except (aiohttp.ClientError, OSError) as error:
            raise BackendError(str(error)) from error
        return int(models["data"][0]["meta"]["n_vocab"])

    def problem(self) -> str:
        """See Backend."""
        if self._process.returncode is not None:
            return f"the engine's process ended with code {self._process.returncode}"
        silent = self._now() - self._heard
        if self._address and silent > self._timing.stalled_after:
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
                    await response.read()
                self._heard = self._now()
            except (aiohttp.ClientError, OSError) as error:
                log.warning("no heartbeat of the engine", extra={"error": str(error)})

    async def stop(self) -> None:
        """End the process: at first by closing its standard input. Takes a bounded time, whatever it does."""
        for task in self._beats:
            task.cancel()
        await self._session.close()
        assert self._process.stdin
        self._process.stdin.close()
        if not await self._gone():
            log.warning("the engine does not end by itself and is killed")
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._gone()
        await asyncio.wait(self._readers, timeout=self._timing.stop_within)
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, *self._beats, return_exceptions=True)

    async def _gone(self) -> bool:
        """Whether the process ends within the time for it."""
        try:
            await asyncio.wait_for(self._process.wait(), self._timing.stop_within)
        except TimeoutError:
            return self._process.returncode is not None
        return True


def _check_watch(task: asyncio.Task[Any]) -> None:
    """Raise CommandError for a task whose end leaves the process unread or unwatched."""
    if error := task.exception():
        raise CommandError(f"the watch over the engine failed: {error!r}") from error


def command(settings: ServerSettings) -> list[str]:
    """How the engine's process is started."""
    return [sys.executable, "-m", "inferfleet_runtime.hosts.llama_server", json.dumps(asdict(settings))]


@asynccontextmanager
async def running(
    argv: Sequence[str], now: Callable[[], float], timing: Timing | None = None
) -> AsyncIterator[LlamaServer]:
    """An engine that is loading; its process ends with the context."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a terminal's Ctrl-C must drain, not cut
    )
    engine = LlamaServer(process, now, timing or Timing())
    try:
        yield engine
    finally:
        await engine.stop()
