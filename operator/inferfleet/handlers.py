"""The process shell: the only file that imports kopf.

kopf gives the life cycle (signals, startup, cleanup), the login and the probes. It watches nothing:
our informers do, since kopf's watch misses deletions while it is down and ends on several API
faults (docs/designs/0002-kopf-as-the-shell.md). The engine outlives any failure of kopf.
"""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import kopf

from inferfleet.settings import Settings

log = logging.getLogger(__name__)

Engine = Callable[[], Awaitable[None]]
Ages = Callable[[float], dict[str, float]]
"""Seconds since each informer heard from the API server, given the monotonic clock."""

FIRST_PAUSE, MAX_PAUSE = 1.0, 30.0
"""Seconds before kopf is started again after it ended with an error."""
MAX_SILENCE = 180.0
"""An informer that heard nothing for so long, bookmarks included, is stuck: the probe says so."""


def registry(ages: Ages) -> kopf.OperatorRegistry:
    """Startup, login and one probe: how long ago each informer heard from the API server."""
    found = kopf.OperatorRegistry()

    @kopf.on.startup(registry=found)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.process.ultimate_exiting_timeout = 25.0

    @kopf.on.login(registry=found)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.probe(registry=found, id="informers")
    async def probe(**_: Any) -> dict[str, float]:
        silence = ages(time.monotonic())
        if stuck := sorted(kind for kind, age in silence.items() if MAX_SILENCE < age < float("inf")):
            log.warning("informers hear nothing", extra={"kinds": stuck})
        return {kind: round(age, 1) for kind, age in silence.items() if age < float("inf")}

    return found


async def supervise(
    settings: Settings, found: kopf.OperatorRegistry, stop: asyncio.Event, end: Callable[[], None]
) -> None:
    """Run kopf until `stop`; start it again when an API fault ended it. A signal calls `end`."""
    pause = FIRST_PAUSE
    _on_signal(end)
    while not stop.is_set():
        began = time.monotonic()
        try:
            await _run_kopf(settings, found, stop, end)
            return
        except Exception as error:  # kopf ends with whatever the API server answered
            log.warning("the shell ended and is started again", extra={"error": str(error), "pause": pause})
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
        pause = FIRST_PAUSE if time.monotonic() - began > MAX_PAUSE else min(MAX_PAUSE, pause * 2)


async def _run_kopf(
    settings: Settings, found: kopf.OperatorRegistry, stop: asyncio.Event, end: Callable[[], None]
) -> None:
    before = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=found,
        standalone=True,
        clusterwide=True,
        liveness_endpoint=f"http://0.0.0.0:{settings.health_port}/healthz",
        stop_flag=stop,
        # kopf would make one from the user's name, which a numeric user of a container does not have
        identity=settings.identity,  # type: ignore[arg-type]
    )
    _on_signal(end)  # in place of kopf's: it lets leftovers run for 5 s, and our Lease must be free at once
    await kopf.run_tasks(tasks, ignored=before)


def _on_signal(end: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)


def run_beside(engine: Engine, settings: Settings, ages: Ages) -> None:
    """The engine and kopf together, until kopf is told to stop or the engine ends; raises what ended the engine.

    Each has an event loop of its own: kopf cancels every task of its loop that began after it,
    and its handlers could stall the renewal of the Lease.
    """

    async def shell() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        beside = EngineThread(engine, lambda: loop.call_soon_threadsafe(stop.set))
        beside.start()
        try:
            await supervise(settings, registry(ages), stop, beside.cancel)
        finally:
            await asyncio.to_thread(beside.finish)

    asyncio.run(shell())


class EngineThread(threading.Thread):
    """Runs the engine on an event loop of its own; `finish` cancels it and raises what it died of."""

    def __init__(self, engine: Engine, ended: Callable[[], object]) -> None:
        super().__init__(name="engine")
        self._engine, self._ended = engine, ended
        self._running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()
        self._error: BaseException | None = None

    def cancel(self) -> None:
        """Ask the engine to end: it gives its Lease back. kopf is told when it has."""
        loop, task = self._running.result()
        with suppress(RuntimeError):  # its loop has ended already
            loop.call_soon_threadsafe(task.cancel)

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._ended()

    async def _main(self) -> None:
        task = asyncio.current_task()
        assert task
        self._running.set_result((asyncio.get_running_loop(), task))
        await self._engine()

    def finish(self) -> None:
        """Cancel the engine, wait for its end, and raise the error that ended it before."""
        self.cancel()
        self.join()
        if self._error:
            raise self._error
