"""Who decodes, who waits and who is refused. Pure: a state machine without clock or I/O.

Requests are known by any hashable ticket. At most `slots` run; the others wait in order of arrival,
their tokens bounded, so that a full queue is refused at the door and not after a time-out.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum, auto

from inferfleet_runtime.api.work import Work


class Verdict(Enum):
    """What becomes of a new request."""

    RUN = auto()
    WAIT = auto()
    REFUSE = auto()


@dataclass
class Admission:
    """The slots of one engine and the queue in front of them."""

    slots: int
    max_queued_tokens: int
    _running: set[Hashable] = field(default_factory=set)
    _waiting: dict[Hashable, Work] = field(default_factory=dict)  # in order of arrival
    _queued_tokens: int = 0

    @property
    def running(self) -> int:
        """Requests that hold a slot."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    @property
    def queued_tokens(self) -> int:
        """Prompt plus output tokens in the queue; never over the bound."""
        return self._queued_tokens

    def queued_output_tokens(self) -> int:
        """What the queue will at most ask the engine to generate."""
        return sum(work.output for work in self._waiting.values())

    def offer(self, ticket: Hashable, work: Work) -> Verdict:
        """Take in a new request; a refused one leaves no trace. A ticket may be offered once."""
        if ticket in self._running or ticket in self._waiting:
            raise ValueError(f"ticket {ticket!r} is in use")
        if len(self._running) < self.slots:
            self._running.add(ticket)
            return Verdict.RUN
        if self._queued_tokens + work.total > self.max_queued_tokens:
            return Verdict.REFUSE
        self._waiting[ticket] = work
        self._queued_tokens += work.total
        return Verdict.WAIT

    def leave(self, ticket: Hashable) -> Hashable | None:
        """A request ended or its client is gone, wherever it was; the one that starts instead, if any."""
        if work := self._waiting.pop(ticket, None):
            self._queued_tokens -= work.total
            return None
        self._running.remove(ticket)
        if not self._waiting:
            return None
        first = next(iter(self._waiting))
        self._queued_tokens -= self._waiting.pop(first).total
        self._running.add(first)
        return first
