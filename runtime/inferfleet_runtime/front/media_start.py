"""What the servers of all engines beside text need as they start. Waits for an engine."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.hosts.backend import BackendError, Reply
from inferfleet_runtime.hosts.media.host import GenerationFailedError, GenerationRefusedError, MediaHost

_LAST_WORDS_WITHIN = 2.0


class Works(Protocol):
    """Any engine beside text."""

    def problem(self) -> str:
        """Why it can do no more; empty while it works."""


@dataclass(frozen=True)
class NoText:
    """See Backend: the health of what makes no text. Nothing routes text here."""

    maker: Works

    @asynccontextmanager
    async def post(self, path: str, body: Mapping[str, Any], salt: str = "") -> AsyncIterator[Reply]:
        """Raises BackendError."""
        raise BackendError("this engine makes no text")
        yield  # what makes it a generator

    async def vocabulary(self) -> int:
        """None to speak of."""
        return 0

    def counters(self) -> Mapping[str, float]:
        """None of its own."""
        return {}

    def problem(self) -> str:
        """See Backend."""
        return self.maker.problem()


async def first(host: MediaHost[Any, Any, Any], measuring: Awaitable[float]) -> float:
    """What the first generation measures. Raises CommandError where it fails."""
    try:
        return await measuring
    except BackendError as lost:
        with suppress(TimeoutError):
            await asyncio.wait_for(host.ended(), _LAST_WORDS_WITHIN)
        raise CommandError(f"the engine was lost at its first generation: {lost}") from lost
    except (GenerationRefusedError, GenerationFailedError) as error:
        raise CommandError(f"the engine failed its first generation: {error}; its log says where") from error
