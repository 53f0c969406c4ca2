"""Where waiting code gets its time and its luck from, so that tests own both.

`Timing()` is the real one: the event loop's monotonic clock. No wall clock is here on purpose: it jumps.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol


class Timer(Protocol):
    """A call that was put off."""

    def cancel(self) -> None:
        """Forget the call; harmless after it was made."""


def _call_later(delay: float, call: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(delay, call)


def _jitter() -> Callable[[], float]:
    return random.Random().random  # noqa: S311  spreads load; guards nothing


@dataclass(frozen=True)
class Timing:
    """Clock, sleep, timers and jitter as arguments."""

    clock: Callable[[], float] = time.monotonic
    """Seconds, monotonic; only differences mean something."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    call_later: Callable[[float, Callable[[], None]], Timer] = _call_later
    jitter: Callable[[], float] = field(default_factory=_jitter)
    """Uniform in [0, 1)."""


def backoff(attempt: int, *, base: float, cap: float, jitter: float) -> float:
    """Seconds before retry number `attempt` (from 1): doubling from `base` to `cap`, of which `jitter` in
    [0, 1) takes away up to half, so that many who failed together do not come back together.
    """
    # The exponent is bounded because 2.0**1024 overflows after days of failing.
    return float(min(cap, base * 2.0 ** min(attempt - 1, 64)) * (1 - jitter / 2))
