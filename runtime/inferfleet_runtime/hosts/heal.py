"""An engine that is started again when it is lost. Starts and ends engines; knows nothing of which.

A request that is under way when an engine is lost fails: its client is told. One that the engine never got waits, and
is served as soon as the model is loaded again. An engine that is lost again and again is given up, and with it the
pod's process: then the kubelet's growing waits are right, and its restarts are seen.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.hosts.backend import Backend, BackendError, Reply, UnsentError

log = logging.getLogger(__name__)


class Engine(Backend, Protocol):
    """A backend that is the process behind it."""

    async def load(self) -> None:
        """Wait until the model is loaded. Raises CommandError with the engine's own words."""

    async def ended(self) -> None:
        """Wait for it to end, which it should not. Raises CommandError."""


@dataclass(frozen=True)
class Patience:
    """How often an engine may be lost. In seconds."""

    losses: int = 3
    """Within `within`; one more is the last."""
    within: float = 600.0
    look_every: float = 0.5
    load_within: float = 600.0
    notice_within: float = 15.0
    """Between an engine that takes no request any more and the knowledge that it is lost; beyond, requests fail."""


Start = Callable[[], AbstractAsyncContextManager[Engine]]


class Healed:
    """See Backend. `ended` must be awaited: it is what heals. Use `healed` to start one."""

    def __init__(self, start: Start, now: Callable[[], float], patience: Patience) -> None:
        """Before the first engine; `now` gives monotonic seconds."""
        self._start, self._now, self._patience = start, now, patience
        self._stack = AsyncExitStack()
        self._losses: deque[float] = deque(maxlen=patience.losses + 1)
        self._past: dict[str, float] = {}
        self._engine: Engine
        self._lost = ""
        """Why there is no engine; empty while there is one."""
        self._over = ""
        """Why there will be none any more."""
        self._settled = asyncio.Event()
        """Cleared while one is started again."""
        self._settled.set()
        self.changed: Callable[[bool], None] = lambda serving: None
        """Called with whether it serves, each time that this changes."""
        self.heals = False
        """Until a first engine has proved that it can serve, a loss is final: the reason will not go away."""

    async def open(self) -> None:
        """Start an engine; it loads by itself."""
        self._engine = await self._stack.enter_async_context(self._start())

    async def close(self) -> None:
        """End it."""
        await self._stack.aclose()

    async def load(self) -> None:
        """Wait until the model is loaded. Raises CommandError with the engine's own words."""
        await self._engine.load()

    async def ended(self) -> None:
        """Start the engine again whenever it is lost. Raises CommandError when that does not help."""
        try:
            while True:
                await self._heal(await self._until_lost())
        except CommandError as error:
            self._over = str(error)
            raise
        finally:
            self._settled.set()  # cancelled, too: nobody starts an engine any more, and none need be waited for

    async def _heal(self, lost: CommandError) -> None:
        self._losses.append(self._now())
        if not self.heals or self._is_hopeless():
            raise lost
        log.warning("the engine is lost and started again", extra={"error": str(lost)})
        self._lost = str(lost)
        self._settled.clear()
        self.changed(False)
        await self._again()
        self._lost = ""
        log.info("the engine serves again", extra={"seconds": round(self._now() - self._losses[-1], 2)})
        self.changed(True)
        self._settled.set()

    def _is_hopeless(self) -> bool:
        full = len(self._losses) > self._patience.losses
        return full and self._losses[-1] - self._losses[0] <= self._patience.within

    async def _until_lost(self) -> CommandError:
        ended = asyncio.create_task(self._engine.ended())
        try:
            while not ended.done():
                await asyncio.wait({ended}, timeout=self._patience.look_every)
                if not ended.done() and (problem := self._engine.problem()):
                    return CommandError(problem)
            error = ended.exception()
            if isinstance(error, CommandError):
                return error
            raise error or CommandError("the engine ended")
        finally:
            ended.cancel()

    async def _again(self) -> None:
        """Raises CommandError where the model can no more be loaded."""
        for name, value in self._engine.counters().items():
            self._past[name] = self._past.get(name, 0.0) + value
        await self._stack.aclose()
        self._stack = AsyncExitStack()
        await self.open()
        try:
            await asyncio.wait_for(self._engine.load(), self._patience.load_within)
        except TimeoutError:
            raise CommandError(f"the engine has not loaded again within {self._patience.load_within:.0f} s") from None

    @asynccontextmanager
    async def post(self, path: str, body: Mapping[str, Any], salt: str = "") -> AsyncIterator[Reply]:
        """See Backend; while the engine is being started again, entering waits for it."""
        async with AsyncExitStack() as stack:
            yield await self._send(stack, path, body, salt)

    async def _send(self, stack: AsyncExitStack, path: str, body: Mapping[str, Any], salt: str) -> Reply:
        """Begin a request, and begin it again with the next engine where this one never got it."""
        last = self._now() + self._patience.notice_within
        while True:
            engine = await self._present()
            try:
                return await stack.enter_async_context(engine.post(path, body, salt))
            except UnsentError:
                # an engine that dies frees its slots, and what waited for them comes before its death is noticed
                if engine is self._engine and self._now() > last:
                    raise
            await asyncio.sleep(self._patience.look_every)

    async def _present(self) -> Engine:
        """The engine, once there is one. Raises BackendError when there will be none."""
        while not self._settled.is_set():
            await self._settled.wait()
        if why := self._over or self._lost:
            raise BackendError(f"the engine is not started again: {why}")
        return self._engine

    async def vocabulary(self) -> int:
        """See Backend."""
        return await self._engine.vocabulary()

    def counters(self) -> Mapping[str, float]:
        """See Backend; they go on through a restart."""
        now = {} if self._lost else self._engine.counters()
        return {name: self._past.get(name, 0.0) + now.get(name, 0.0) for name in {*self._past, *now}}

    def problem(self) -> str:
        """See Backend; empty while the engine is being started again: the pod lives, and is not ready."""
        return "" if self._lost else self._engine.problem()


@asynccontextmanager
async def healed(start: Start, now: Callable[[], float], patience: Patience | None = None) -> AsyncIterator[Healed]:
    """An engine that is loading; it, and all that took its place, ends with the context."""
    backend = Healed(start, now, patience or Patience())
    try:
        await backend.open()
        yield backend
    finally:
        await backend.close()
