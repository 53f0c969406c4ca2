"""The engine's process and the HTTP connection to it. Starts, watches and ends one child process."""

import asyncio
import json
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from inferfleet_runtime.backend import BackendError
from inferfleet_runtime.engines.llama_cpp import ServerSettings
from inferfleet_runtime.errors import CommandError

log = logging.getLogger(__name__)

_HEARTBEAT_EVERY = 10.0
_STALLED_AFTER = 120.0
"""Seconds without a heartbeat. One step of a large prefill on a throttled CPU takes tens of seconds."""
_STOP_WITHIN = 5.0
_TAIL_LINES = 20


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

    def __init__(self, process: asyncio.subprocess.Process, now: Callable[[], float]) -> None:
        """Around a process that has just been started."""
        self._process = process
        self._now = now
        self._heard = now()
        self._address = ""
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        # the engine closes idle connections, and a request on a stale one fails: never reuse any
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._reader = asyncio.create_task(self._read_log())
        self._beats = asyncio.create_task(self._beat())
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))

    async def load(self) -> None:
        """Wait until the model is loaded. Raises CommandError with the engine's own words."""
        assert self._process.stdout
        line = await self._process.stdout.readline()
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
        if self._address and silent > _STALLED_AFTER:
            return f"the engine's loop has not answered for {silent:.0f} s"
        return ""

    async def ended(self) -> None:
        """Wait for the process to end, which it should not, and raise CommandError with its own words."""
        words = await self._last_words()
        raise CommandError(f"the engine {'ended' if self._address else 'could not load the model'}: {words}")

    async def _last_words(self) -> str:
        """What the process said before it ended: of a failed load the first error, which causes the others."""
        code = await self._process.wait()
        await asyncio.wait({self._reader})
        errors = [line.split(" E ", 1)[1].strip() for line in self._tail if " E " in line]
        said = errors[0] if errors and not self._address else " / ".join(list(self._tail)[-3:])
        return f"{said or 'it said nothing'} (exit code {code})"

    async def _read_log(self) -> None:
        """Pass on what the engine writes to standard error, until it ends."""
        assert self._process.stderr
        async for raw in self._process.stderr:
            line = raw.decode(errors="replace").rstrip()
            self._tail.append(line)
            log.info("engine log", extra={"line": line})

    async def _beat(self) -> None:
        """Ask for something that only the engine's loop can answer, again and again."""
        while True:
            await asyncio.sleep(_HEARTBEAT_EVERY)
            if not self._address:
                continue
            try:
                async with self._session.get(self._address + "/metrics") as response:
                    await response.read()
                self._heard = self._now()
            except (aiohttp.ClientError, OSError) as error:
                log.warning("no heartbeat of the engine", extra={"error": str(error)})

    async def stop(self) -> None:
        """End the process: at first by closing its standard input."""
        self._beats.cancel()
        await self._session.close()
        if self._process.returncode is None:
            assert self._process.stdin
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_WITHIN)
            except TimeoutError:
                self._process.kill()
        await asyncio.gather(self._process.wait(), self._reader, self._beats, return_exceptions=True)


@asynccontextmanager
async def running(settings: ServerSettings, now: Callable[[], float]) -> AsyncIterator[LlamaServer]:
    """An engine that is loading; its process ends with the context."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "inferfleet_runtime.llama_server",
        json.dumps(asdict(settings)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a terminal's Ctrl-C must drain, not cut
    )
    engine = LlamaServer(process, now)
    try:
        yield engine
    finally:
        await engine.stop()
