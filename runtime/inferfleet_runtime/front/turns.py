"""What an engine that makes one thing after the other takes of a service: turns, errors, counts. No HTTP here."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from math import inf

from prometheus_client import CollectorRegistry, Counter, Gauge

from inferfleet_runtime.api.caller import Caller
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.work import Work
from inferfleet_runtime.contract import Metric
from inferfleet_runtime.front.deadline import deadline
from inferfleet_runtime.front.gate import QueueFullError
from inferfleet_runtime.front.pace import Pace
from inferfleet_runtime.front.service import Service
from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.media.host import GenerationFailedError, GenerationRefusedError


class Busy:
    """Seconds of the engine that are asked for and that wait: what tokens are for text."""

    def __init__(self, registry: CollectorRegistry, model: str) -> None:
        """Register both for the label `model_name`."""
        text = "Seconds of the engine that arrivals ask for, refused ones included, estimated from their size."
        self.arrived = Counter(Metric.ARRIVAL_WORK_SECONDS, text, ["model_name"], registry=registry).labels(model)
        text = "Seconds of the engine that what waits asks for, estimated from its size."
        self.queued = Gauge(Metric.QUEUED_WORK_SECONDS, text, ["model_name"], registry=registry).labels(model)


@dataclass
class Turns:
    """State shared by all requests to one model."""

    service: Service
    pace: Pace = field(init=False, default_factory=Pace)
    busy: Busy = field(init=False)

    def __post_init__(self) -> None:
        """Wire the gauge to the state."""
        self.busy = Busy(self.service.metrics.registry, self.service.config.served_model_name)
        self.busy.queued.set_function(lambda: self._queued_seconds(self.service.requests.priority))

    @asynccontextmanager
    async def turn(self, work: Work, who: Caller, arrived: float) -> AsyncIterator[None]:
        """Count the arrival and wait for the engine; `arrived` in monotonic seconds.

        Raises the 429 of a full queue, and the 504 of a deadline that passes before the context ends.
        """
        metrics, now = self.service.metrics, self.service.now
        self.arrived(work, who)
        try:
            async with deadline(who, arrived, now()), self.service.gate.turn(work, who.priority):
                began = now()
                metrics.took(metrics.queue_time, began - arrived, later=who.later)
                yield
                took = now() - began
        except QueueFullError as full:
            raise self.too_many() from full
        metrics.took(metrics.inference_time, took, later=who.later)
        self.pace = self.pace.after(took, work.output)

    def arrived(self, work: Work, who: Caller) -> None:
        """Count it, whether there is room for it or not."""
        self.service.metrics.arrived(work.prompt, later=who.later)
        if not who.later:
            self.busy.arrived.inc(self.pace.seconds_of(work.output, self.service.capacity))

    def _queued_seconds(self, least: float = -inf) -> float:
        """Of requests of at least this priority."""
        waiting = self.service.gate.admission.queued_output_tokens(least)
        return self.pace.seconds_of(waiting, self.service.capacity)

    def too_many(self) -> ApiError:
        """The 429 of a full queue, counted, with the seconds that it takes."""
        self.service.metrics.rejected.inc()
        return self.service.full(self._queued_seconds())

    def finished(self, who: Caller, arrived: float, tokens: float, prompt_tokens: int) -> None:
        """A whole request is done; `tokens` in the unit of the counter of generated ones."""
        metrics = self.service.metrics
        if who.tenant:
            metrics.charge(who.tenant, prompt_tokens, tokens)
        metrics.prompt_tokens.inc(prompt_tokens)
        metrics.request_tokens.observe(tokens)
        metrics.took(metrics.end_to_end, self.service.now() - arrived, later=who.later)
        if who.later:
            metrics.later.finished(tokens)
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
