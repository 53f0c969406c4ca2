"""Long work on the event loop, in turns with what else waits there: requests, reconciles, the Lease's renewal.

Turns, and not a thread: threads would share the one interpreter all the same, and what is remembered between rounds
would have two writers. Between two turns others may have changed it: a turn must not take for granted what the one
before it saw.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

TURN_SECONDS = 0.005
"""As long as a thread keeps the interpreter, by default, while others wait for it."""

T = TypeVar("T")


async def in_turns(work: Iterable[T], clock: Callable[[], float] = time.perf_counter) -> AsyncIterator[T]:
    """All of `work`, in its order; others have their turn after each `TURN_SECONDS` of making it and of what is done
    with it. One piece is never interrupted.
    """
    began = clock()
    for made in work:
        yield made
        if clock() - began >= TURN_SECONDS:
            await asyncio.sleep(0)
            began = clock()
