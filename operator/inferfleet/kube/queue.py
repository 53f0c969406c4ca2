"""What is to be done next: keys, each at most once, urgent ones first. Pure but for timers; one event loop.

Keys, not events: whoever takes a key looks at the whole state, so a hundred changes of one object that wait
together are one piece of work.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Hashable
from enum import IntEnum
from typing import Generic, TypeVar

from inferfleet import errors
from inferfleet.kube.timing import Timer, Timing, backoff

FIRST_RETRY_SECONDS = 0.005
MAX_RETRY_SECONDS = 30.0
"""Half a minute after an outage everything has been tried again."""

K = TypeVar("K", bound=Hashable)
log = logging.getLogger(__name__)


class Priority(IntEnum):
    """What came from a user goes before what came from a child, and both before a routine look."""

    USER = 0
    CHILD = 1
    RESYNC = 2


class WorkQueue(Generic[K]):
    """A de-duplicating queue in which a key is never in two hands at once.

    A key added while it is being processed is handed out once more afterwards. Within a priority the order is
    first in, first out.
    """

    def __init__(self, timing: Timing | None = None) -> None:
        self._timing = timing or Timing()
        self._ready: asyncio.PriorityQueue[tuple[Priority, int, K]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._waiting: dict[K, tuple[Priority, int]] = {}
        self._processing: dict[K, Priority] = {}
        self._again: dict[K, Priority] = {}
        self._timers: dict[K, tuple[float, Timer]] = {}
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        """Keys that wait to be handed out now."""
        return len(self._waiting)

    def add(self, key: K, priority: Priority = Priority.CHILD) -> None:
        """Want the key looked at; of several wishes the most urgent counts."""
        if key in self._processing:
            self._again[key] = min(priority, self._again.get(key, priority))
            return
        waiting = self._waiting.get(key)
        if waiting is not None and waiting[0] <= priority:
            return
        # A less urgent entry of this key stays in the heap; `get` drops it, since its number is not the
        # one in `_waiting`.
        number = next(self._numbers)
        self._waiting[key] = (priority, number)
        self._ready.put_nowait((priority, number, key))

    def add_after(self, key: K, delay: float, priority: Priority = Priority.RESYNC) -> None:
        """Want the key looked at in `delay` seconds; of several wishes the earliest counts."""
        due = self._timing.clock() + delay
        if key in self._timers:
            earlier, timer = self._timers[key]
            if earlier <= due:
                return
            timer.cancel()
        self._timers[key] = due, self._timing.call_later(delay, lambda: self._fire(key, priority))

    async def get(self) -> K:
        """The next key, as soon as there is one; `done` must follow."""
        while True:
            priority, number, key = await self._ready.get()
            if self._waiting.get(key) == (priority, number):
                del self._waiting[key]
                self._processing[key] = priority
                return key

    def done(self, key: K) -> None:
        """The key is out of hands again."""
        del self._processing[key]
        if (priority := self._again.pop(key, None)) is not None:
            self.add(key, priority)

    def retry(self, key: K, at_least: float = 0.0) -> None:
        """Look again later, after at least so many seconds: longer each time, until `forget`."""
        self._failures[key] = failures = self._failures.get(key, 0) + 1
        delay = backoff(failures, base=FIRST_RETRY_SECONDS, cap=MAX_RETRY_SECONDS, jitter=self._timing.jitter())
        self.add_after(key, max(delay, at_least), self._processing.get(key, Priority.CHILD))

    def forget(self, key: K) -> None:
        """The key succeeded, or will never come again: its next failure counts as the first."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """How often the key failed in a row."""
        return self._failures.get(key, 0)

    def _fire(self, key: K, priority: Priority) -> None:
        del self._timers[key]
        self.add(key, priority)


Handle = Callable[[K], Awaitable[float | None]]
"""Do the work of one key; may return in how many seconds to look again."""
OnError = Callable[[K, Exception], None]
"""Told of each failure, for metrics; must not raise."""


async def work(queue: WorkQueue[K], handle: Handle[K], workers: int, on_error: OnError[K]) -> None:
    """Hand keys to `handle`, so many at once, until cancelled. No failure of a key ends it.

    `Transient` and `Conflict` are everyday and retried quietly; any other exception is a bug or a refusal: it
    is logged with its traceback and retried too, since nothing better is known.
    """
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(_worker(queue, handle, on_error))


async def _worker(queue: WorkQueue[K], handle: Handle[K], on_error: OnError[K]) -> None:
    while True:
        key = await queue.get()
        try:
            await _attempt(queue, handle, on_error, key)
        finally:
            queue.done(key)


async def _attempt(queue: WorkQueue[K], handle: Handle[K], on_error: OnError[K], key: K) -> None:
    try:
        again_in = await handle(key)
    except (errors.Transient, errors.Conflict) as e:
        on_error(key, e)
        queue.retry(key, at_least=getattr(e, "retry_after", None) or 0.0)
    except Exception as e:
        log.exception("work on a key failed", extra={"key": str(key), "failures": queue.failures(key) + 1})
        on_error(key, e)
        queue.retry(key)
    else:
        queue.forget(key)
        if again_in is not None:
            queue.add_after(key, again_in)
