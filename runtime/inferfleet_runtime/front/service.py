"""One model's service: what a request goes through between the socket and the engine."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from math import ceil

from inferfleet_runtime.api.caller import Caller
from inferfleet_runtime.api.calls import Call, Limits, limits
from inferfleet_runtime.api.errors import ApiError, from_engine
from inferfleet_runtime.api.sse import Seen, Splitter, read
from inferfleet_runtime.contract import Requests, RuntimeConfig
from inferfleet_runtime.front.admission import Admission
from inferfleet_runtime.front.deadline import deadline
from inferfleet_runtime.front.gate import Gate, QueueFullError
from inferfleet_runtime.front.metrics import Metrics
from inferfleet_runtime.front.trace import Trace
from inferfleet_runtime.hosts.backend import Backend, BackendError, Reply

Send = Callable[[bytes], Awaitable[None]]


class Phase(Enum):
    """Where a pod is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """Not ready any more, yet serving: clients may not have heard of it."""
    CLOSED = "closed"
    """Finishing what it has."""


@dataclass
class Service:
    """State shared by all requests. `now` gives monotonic seconds."""

    config: RuntimeConfig
    backend: Backend
    metrics: Metrics
    now: Callable[[], float]
    phase: Phase = Phase.STARTING
    capacity: float = 0.0
    """Measured tokens per second; 0 before."""
    gate: Gate = field(init=False)
    limits: Limits = field(init=False)
    requests: Requests = field(init=False)
    """What requests may say about themselves."""
    _live: dict[int, Trace] = field(default_factory=dict)
    _open: int = 0

    def __post_init__(self) -> None:
        """Wire the gauges to the state."""
        admission = Admission(self.config.slots, self.config.admission.max_queued_tokens)
        self.gate, self.limits = Gate(admission), limits(self.config)
        self.requests = self.config.requests or Requests()
        self.metrics.slots.set(self.config.slots)
        self.metrics.kv_tokens.set(self._kv_tokens)
        self.metrics.watch(lambda: admission.running, lambda: admission.waiting, self._kv_usage)
        self.metrics.later.watch(lambda: admission.waiting_below(self.requests.priority))
        self.metrics.follow(self.backend.counters)

    def ready(self, capacity: float, told: float | None = None) -> None:
        """Begin to serve, with the measured tokens per second; `told`: where the metrics have another unit."""
        self.capacity = capacity
        self.metrics.capacity.set(capacity if told is None else told)
        self.phase = Phase.READY

    def _kv_usage(self) -> float:
        held = sum(trace.cached for trace in self._live.values())
        return min(1.0, held / self._kv_tokens) if self._kv_tokens else 0.0

    @property
    def _kv_tokens(self) -> int:
        """Of what makes pictures and sound none."""
        text = self.config.modality in (None, "Text", "Embedding")
        return self.config.slots * self.config.context_tokens if text else 0

    def open_requests(self) -> int:
        """Requests whose answer is not written yet, those included whose body is still on its way."""
        return self._open

    @contextmanager
    def handling(self) -> Iterator[None]:
        """A drain waits for what is inside."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def trace(self, call: Call, caller: Caller, arrived: float) -> Trace:
        """Count a well-formed request as arrived and measure it from then."""
        self.metrics.arrived(call.work.prompt, later=caller.later)
        return Trace(self.metrics, self.now, arrived, call.work.prompt, later=caller.later)

    def check_open(self) -> None:
        """Raise the 503 of a pod that takes no requests."""
        if self.phase is Phase.STARTING:
            raise ApiError(503, "the model is loading; try again", "server_error", headers={"Retry-After": "5"})
        if self.phase is Phase.CLOSED:
            message = "this replica is shutting down; try again"
            raise ApiError(503, message, "server_error", headers={"Retry-After": "1"})

    @asynccontextmanager
    async def begin(self, call: Call, caller: Caller, trace: Trace) -> AsyncIterator[Reply]:
        """Wait for a slot and send the request. Raises ApiError; leaving the context frees the slot."""
        try:
            async with deadline(caller, trace.arrived, self.now()), self.gate.turn(call.work, caller.priority):
                trace.started()
                with self._holding(caller, trace):
                    async with self.backend.post(call.path, call.body, salt=caller.tenant) as reply:
                        await self._check(reply, call)
                        yield reply
        except QueueFullError as full:
            self.metrics.rejected.inc()
            raise self.too_many() from full
        except BackendError as lost:
            message = "the engine ended before its answer did; try again"
            raise ApiError(502, message, "server_error", code="engine_lost") from lost

    @contextmanager
    def _holding(self, caller: Caller, trace: Trace) -> Iterator[None]:
        """Count the request in the KV cache, and at its end what its tenant has used."""
        self._live[id(trace)] = trace
        try:
            yield
        finally:
            del self._live[id(trace)]
            if caller.tenant and (trace.usage or trace.generated):
                self.metrics.charge(caller.tenant, trace.prompt, trace.generated)

    async def _check(self, reply: Reply, call: Call) -> None:
        if reply.status == 200:
            return
        body = await reply.read()
        try:
            error = json.loads(body)["error"]
        except (ValueError, KeyError, TypeError):
            error = {}
        known = error if isinstance(error, dict) else {}
        raise from_engine(reply.status, known, self.limits.context_tokens, call.prompt_param, call.schema)

    def too_many(self) -> ApiError:
        """The 429 of a full queue, with the seconds that it takes by what was measured."""
        queue = self.gate.admission
        # embeddings have no output: there capacity is of prompt tokens
        waiting = queue.queued_tokens if self.config.modality == "Embedding" else queue.queued_output_tokens()
        return self.full(waiting / self.capacity if self.capacity else 1)

    def full(self, wait: float) -> ApiError:
        """The 429 of a full queue, whose work takes so many seconds."""
        return ApiError(
            429,
            "too many requests are waiting for this model; try again later",
            "rate_limit_error",
            code="queue_full",
            headers={"Retry-After": str(max(1, ceil(wait)))},
        )


async def relay(reply: Reply, trace: Trace, send: Send, outgoing: Callable[[bytes, Seen], bytes]) -> None:
    """Pass a stream on as it comes, measuring it; `outgoing` makes the client's event. Raises BackendError."""
    splitter = Splitter()
    async for chunk in reply.chunks():
        kept = b""
        for event in splitter.feed(chunk):
            seen = read(event)
            trace.see(seen)
            kept += outgoing(event, seen)
        if kept:
            await send(kept)
    if trace.usage is None and trace.error is None:
        raise BackendError("the stream ended without its usage")
