"""Time in tests: a clock that a test moves, and waiting for what comes when it comes."""

import asyncio
from collections.abc import Callable


class Clock:
    """Gives the seconds that the test says."""

    time = 0.0

    def __call__(self) -> float:
        return self.time


async def until(condition: Callable[[], bool], within: float = 60.0) -> None:
    """Poll; raises TimeoutError after so many seconds, which are generous: a slow machine is no failure."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)
