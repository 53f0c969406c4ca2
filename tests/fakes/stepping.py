"""What the fakes have in common that make one thing after the other, in steps that a test lets through."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.media.host import GenerationFailedError, GenerationRefusedError

Asked = TypeVar("Asked")

PROMPT = "a house by the sea"
"""What `FAILURES` quote: no log may have it."""
FAILURES = (
    (BackendError("gone"), 502, "engine_lost"),
    (GenerationFailedError("RuntimeError"), 500, "generation_failed"),
    (GenerationRefusedError("too long", "context_length_exceeded"), 400, "context_length_exceeded"),
    (LookupError(f"a defect that quotes: {PROMPT}"), 500, None),
)
"""What such an engine raises, and the status and the code that a client is told."""


@dataclass
class Stepping(Generic[Asked]):
    """Strict: a second generation at once fails the test. Steps are made while `flowing` is set."""

    error: Exception | None = None
    """Raised after the first step."""
    trouble: str = ""
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[Asked] = field(default_factory=list)
    """Every generation, in order."""
    busy: bool = False

    def __post_init__(self) -> None:
        """Steps are made unless a test stops them."""
        self.flowing.set()

    async def steps(self, asked: Asked, count: int, on_step: Callable[[int], None]) -> None:
        """Make so many of what is asked for."""
        assert not self.busy, "two generations at once"
        self.asked.append(asked)
        self.busy = True
        try:
            for step in range(count):
                await self.flowing.wait()
                await asyncio.sleep(0)
                on_step(step + 1)
                if self.error:
                    raise self.error
        finally:
            self.busy = False

    def problem(self) -> str:
        """See Backend."""
        return self.trouble
