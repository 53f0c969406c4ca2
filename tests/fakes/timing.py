"""Time that moves only when a test says so."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from inferfleet.kube.timing import Timing

TURNS = 50
"""Rounds of the event loop that suffice for all that one timer sets off."""


class _Timer:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class FakeTime:
    """A clock with its sleepers and timers."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.jitter = 0.0
        self._numbers = itertools.count()
        self._timers: list[tuple[float, int, _Timer]] = []

    def timing(self) -> Timing:
        """For what is under test."""
        return Timing(lambda: self.now, self.sleep, self.call_later, lambda: self.jitter)

    def call_later(self, delay: float, call: Callable[[], None]) -> _Timer:
        """As the event loop's."""
        timer = _Timer(call)
        heapq.heappush(self._timers, (self.now + max(delay, 0.0), next(self._numbers), timer))
        return timer

    async def sleep(self, delay: float) -> None:
        """Until the clock has moved that far."""
        if delay <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        timer = self.call_later(delay, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    async def advance(self, seconds: float) -> None:
        """Move on, letting everything due happen in its order and at its time."""
        end = self.now + seconds
        await settle()
        # A little more, since sums of floating-point delays fall short of their due time.
        while self._timers and self._timers[0][0] <= end + 1e-9:
            due, _, timer = heapq.heappop(self._timers)
            if timer.call is not None:
                self.now = max(self.now, due)
                timer.call()
                await settle()
        self.now = end

    def until_next(self) -> float:
        """Seconds until the next timer."""
        return min(due for due, _, timer in self._timers if timer.call is not None) - self.now

    def jump(self, seconds: float) -> None:
        """Move on without anybody waking up, as when the process was stopped meanwhile."""
        self.now += seconds


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
