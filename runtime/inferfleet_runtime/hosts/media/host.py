"""An engine that makes one thing after the other in a child process, and the connection to it.

Starts, watches and ends one child process.
"""

import asyncio
import json
import logging
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.hosts import child
from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.lines import lines
from inferfleet_runtime.hosts.media import messages
from inferfleet_runtime.hosts.media.messages import Asked, Dialect, Facts, Made

log = logging.getLogger(__name__)

_TAIL_LINES = 20
_LONGEST_LINE = 2**20
OnStep = Callable[[int], None]


class GenerationRefusedError(Exception):
    """The engine does not take the request. The message is for the client."""

    def __init__(self, message: str, code: str) -> None:
        """`code` is OpenAI's."""
        super().__init__(message)
        self.code = code


class GenerationFailedError(Exception):
    """The engine's library raised an error of its own; its name is the message. The process goes on."""


@dataclass(frozen=True)
class Timing:
    """All in seconds."""

    heartbeat_every: float = 10.0
    stalled_after: float = 60.0
    """Without an answer of the process, which a step does not delay: PyTorch works without Python's lock."""
    step_within: float = 3600.0
    """For a step, or what comes before the first and after the last: a video on a CPU takes long."""
    stop_within: float = 5.0
    """For each part of an end: asking, killing, reading what is left."""


@dataclass
class _Order(Generic[Made]):
    """One generation that the process has heard of."""

    result: asyncio.Future[Made]
    on_step: OnStep


class MediaHost(Generic[Facts, Asked, Made]):
    """An engine in a child process. Use `running` to start one; `now` gives monotonic seconds."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        dialect: Dialect[Facts, Asked, Made],
        now: Callable[[], float],
        timing: Timing,
    ) -> None:
        """Around a process that has just been started."""
        self._process, self._dialect, self._now, self._timing = process, dialect, now, timing
        self._heard = self._progressed = now()
        self._hello: asyncio.Future[Facts | None] = asyncio.get_running_loop().create_future()
        self._orders: dict[int, _Order[Made]] = {}
        self._count = 0
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._readers = child.tasks(self._read_log(), self._read_messages())
        self._beats = child.tasks(self._beat())

    async def load(self) -> Facts:
        """Wait until the model is loaded; what it is. Raises CommandError with the process's own words."""
        facts = await self._hello
        if facts is None:
            await self.ended()
            raise AssertionError("ended() always raises")
        return facts

    async def generate(self, asked: Asked, on_step: OnStep) -> Made:
        """Make one. Cancelling stops it after the step that runs, whose end nobody waits for.

        Raises BackendError, GenerationRefusedError and GenerationFailedError.
        """
        if self._process.returncode is not None or not self._alive():
            raise BackendError(self.problem() or "the engine's process has ended")
        self._count += 1
        number = self._count
        result: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
        if not self._orders:
            self._progressed = self._now()
        self._orders[number] = _Order(result, on_step)
        try:
            self._send(self._ask(number, asked))
            return await result
        except asyncio.CancelledError:
            # the order stays until the process says what became of it: meanwhile it must not seem idle
            self._send(messages.cancel(number))
            raise

    def _ask(self, number: int, asked: Asked) -> bytes:
        body, content = self._dialect.write_asked(asked)
        return messages.line({"id": number, "make": body}, content)

    def _alive(self) -> bool:
        return not any(task.done() for task in self._readers)

    def _send(self, line: bytes) -> None:
        assert self._process.stdin
        if not self._process.stdin.is_closing():
            self._process.stdin.write(line)

    def problem(self) -> str:
        """Why the engine can serve no more; empty while it works."""
        if self._process.returncode is not None:
            return f"the engine's process {_how(self._process.returncode)}"
        if not self._hello.done():
            return ""
        if (silent := self._now() - self._heard) > self._timing.stalled_after:
            return f"the engine's process has not answered for {silent:.0f} s"
        if self._orders and (stuck := self._now() - self._progressed) > self._timing.step_within:
            return f"the engine has been at the same step for {stuck:.0f} s"
        return ""

    async def ended(self) -> None:
        """Wait for the process to end, which it should not, and raise CommandError with its own words."""
        code = await child.ended(self._process, self._readers, self._beats, self._timing.stop_within)
        loaded = self._hello.done() and self._hello.result() is not None
        words = self._tail[-1] if self._tail else "it said nothing"
        did = "ended" if loaded else "could not load the model"
        raise CommandError(f"the engine {did}: {words} (its process {_how(code)})")

    async def _read_log(self) -> None:
        """Pass on what the process words itself; other lines are of libraries, and may quote a prompt."""
        assert self._process.stderr
        async for line in lines(self._process.stderr):
            if line.startswith("E ") or not self._hello.done():
                self._tail.append(line.removeprefix("E "))
                log.info("engine log", extra={"line": line})

    async def _read_messages(self) -> None:
        """Until the output ends; then whoever waits learns that the engine is gone."""
        assert self._process.stdout
        try:
            while line := await self._process.stdout.readline():
                self._heard = self._now()
                if not self._hello.done():
                    self._hello.set_result(self._dialect.read_facts(json.loads(line)["hello"]))
                    continue
                await self._take(json.loads(line), self._process.stdout)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it ended in the middle of a message
        finally:
            if not self._hello.done():
                self._hello.set_result(None)
            for order in self._orders.values():
                if not order.result.done():
                    order.result.set_exception(BackendError("the engine's process ended"))
            self._orders.clear()

    async def _take(self, message: Mapping[str, Any], output: asyncio.StreamReader) -> None:
        if "id" not in message:
            return
        self._progressed = self._now()
        content = await output.readexactly(message.get("bytes", 0))
        order = self._orders[message["id"]]
        if "step" in message:
            if not order.result.done():
                order.on_step(message["step"])
            return
        del self._orders[message["id"]]
        if order.result.done():
            return  # cancelled meanwhile
        if "made" in message:
            order.result.set_result(self._dialect.read_made(message["made"], content))
        elif "refused" in message:
            order.result.set_exception(GenerationRefusedError(message["refused"], message["code"]))
        else:
            order.result.set_exception(GenerationFailedError(message.get("failed", "cancelled")))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._timing.heartbeat_every)
            if self._hello.done():
                self._send(messages.PING)

    async def stop(self) -> None:
        """End the process: at first by closing its standard input. Takes a bounded time, whatever it does."""
        child.cancel(self._beats)
        await child.end(self._process, self._readers, self._beats, self._timing.stop_within, hung=bool(self.problem()))


def _how(code: int) -> str:
    """How a process ended. A process killed by 9 that nobody killed was out of memory."""
    if code >= 0:
        return f"ended with code {code}"
    name = signal.Signals(-code).name
    return f"was ended by {name}" + (", perhaps for want of memory" if -code == signal.SIGKILL else "")


@asynccontextmanager
async def running(
    argv: Sequence[str],
    dialect: Dialect[Facts, Asked, Made],
    now: Callable[[], float],
    timing: Timing | None = None,
) -> AsyncIterator[MediaHost[Facts, Asked, Made]]:
    """An engine that is loading; its process ends with the context."""
    process = await child.started(argv, longest_line=_LONGEST_LINE)
    host = MediaHost(process, dialect, now, timing or Timing())
    try:
        yield host
    finally:
        await host.stop()
