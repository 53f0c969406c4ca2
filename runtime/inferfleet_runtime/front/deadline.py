"""The time in which an answer is of use to its caller. Waits for nothing itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from inferfleet_runtime.api.caller import Caller
from inferfleet_runtime.api.errors import ApiError


@asynccontextmanager
async def deadline(caller: Caller, arrived: float, now: float) -> AsyncIterator[None]:
    """Raise the 504 of a request that waits or runs beyond its time; `arrived` and `now` in monotonic seconds."""
    left = None if caller.timeout is None else arrived + caller.timeout - now
    try:
        async with asyncio.timeout(left) as limit:
            yield
    except TimeoutError as late:
        if not limit.expired():
            raise
        message = f"no whole answer within the {caller.timeout:g} s in which it was wanted"
        raise ApiError(504, message, "server_error", code="deadline_exceeded") from late
