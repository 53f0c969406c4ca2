"""What an engine that makes one thing after the other takes of a service: turns, errors, counts. No HTTP here."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from inferfleet_runtime.api.caller import Caller
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.work import Work
from inferfleet_runtime.front.deadline import deadline
from inferfleet_runtime.front.gate import QueueFullError
from inferfleet_runtime.front.service import Service
from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.media.host import GenerationFailedError, GenerationRefusedError


@dataclass
class Turns:
    """State shared by all requests to one model."""

    service: Service

    @asynccontextmanager
    async def turn(self, work: Work, who: Caller, arrived: float) -> AsyncIterator[None]:
        """Count the arrival and wait for the engine; `arrived` in monotonic seconds.

        Raises the 429 of a full queue, and the 504 of a deadline that passes before the context ends.
        """
        metrics = self.service.metrics
        metrics.arrivals.inc()
        metrics.arrival_prompt_tokens.inc(work.prompt)
        try:
            async with deadline(who, arrived, self.service.now()), self.service.gate.turn(work, who.priority):
                metrics.queue_time.observe(self.service.now() - arrived)
                yield
        except QueueFullError as full:
            raise self.too_many() from full

    def too_many(self) -> ApiError:
        """The 429 of a full queue, counted."""
        self.service.metrics.rejected.inc()
        return self.service.too_many()

    def finished(self, who: Caller, arrived: float, tokens: int, prompt_tokens: int) -> None:
        """A whole request is done."""
        metrics = self.service.metrics
        if who.tenant:
            metrics.charge(who.tenant, prompt_tokens, tokens)
        metrics.prompt_tokens.inc(prompt_tokens)
        metrics.request_tokens.observe(tokens)
        metrics.end_to_end.observe(self.service.now() - arrived)
        metrics.succeeded("stop")


@contextmanager
def told() -> Iterator[None]:
    """What the engine raises inside becomes the ApiError that the client is told."""
    try:
        yield
    except GenerationRefusedError as refusal:
        raise ApiError(400, str(refusal), param="prompt", code=refusal.code) from refusal
    except GenerationFailedError as failure:
        message = f"the engine failed ({failure}); its log says where"
        raise ApiError(500, message, "server_error", code="generation_failed") from failure
    except BackendError as lost:
        message = "the engine ended before it was done; try again"
        raise ApiError(502, message, "server_error", code="engine_lost") from lost
