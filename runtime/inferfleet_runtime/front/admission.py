"""Who decodes, who waits and who is refused. Pure: a state machine without clock or I/O.

Requests are known by any hashable ticket. At most `slots` run; the others wait, the higher priority first and
within one in order of arrival. Their tokens are bounded, so that a full queue is refused at the door and not after
a time-out; what waits with a lower priority makes room for a higher one.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf

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
    _waiting: dict[int, dict[Hashable, Work]] = field(default_factory=dict)
    """By priority, each in order of arrival; never an empty one."""
    _queued_tokens: int = 0

    @property
    def running(self) -> int:
        """Requests that hold a slot."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return sum(map(len, self._waiting.values()))

    @property
    def queued_tokens(self) -> int:
        """Prompt plus output tokens in the queue; never over the bound."""
        return self._queued_tokens

    def waiting_below(self, priority: int) -> int:
        """Requests in the queue of a lower one."""
        return sum(len(level) for each, level in self._waiting.items() if each < priority)

    def queued_output_tokens(self, least: float = -inf) -> int:
        """What the queue will at most ask the engine to generate, for requests of at least this priority."""
        levels = (level for priority, level in self._waiting.items() if priority >= least)
        return sum(work.output for level in levels for work in level.values())

    def __contains__(self, ticket: Hashable) -> bool:
        """Whether a request runs or waits."""
        return ticket in self._running or any(ticket in level for level in self._waiting.values())

    def offer(self, ticket: Hashable, work: Work, priority: int = 0) -> tuple[Verdict, tuple[Hashable, ...]]:
        """Take in a new request, and who has to give up waiting for it.

        A refused one leaves no trace and evicts nobody. A ticket may be offered once.
        """
        if ticket in self:
            raise ValueError(f"ticket {ticket!r} is in use")
        if len(self._running) < self.slots:
            self._running.add(ticket)
            return Verdict.RUN, ()
        evicted = self._make_room(work.total, priority)
        if evicted is None:
            return Verdict.REFUSE, ()
        for loser in evicted:
            self._forget(loser)
        self._waiting.setdefault(priority, {})[ticket] = work
        self._queued_tokens += work.total
        return Verdict.WAIT, evicted

    def refuses(self, work: Work, priority: int = 0) -> bool:
        """Whether `offer` would refuse it now."""
        return len(self._running) >= self.slots and self._make_room(work.total, priority) is None

    def _make_room(self, tokens: int, priority: int) -> tuple[Hashable, ...] | None:
        """Who must go for so many tokens: the lowest priority first, of it the latest; None if that is not enough."""
        over = self._queued_tokens + tokens - self.max_queued_tokens
        evicted: list[Hashable] = []
        for level in sorted(level for level in self._waiting if level < priority):
            for ticket, work in reversed(self._waiting[level].items()):
                if over <= 0:
                    break
                evicted.append(ticket)
                over -= work.total
        return tuple(evicted) if over <= 0 else None

    def leave(self, ticket: Hashable) -> Hashable | None:
        """A request ended or its client is gone, wherever it was; the one that starts instead, if any."""
        if ticket not in self._running:
            self._forget(ticket)
            return None
        self._running.remove(ticket)
        if not self._waiting:
            return None
        first = next(iter(self._waiting[max(self._waiting)]))
        self._forget(first)
        self._running.add(first)
        return first

    def _forget(self, ticket: Hashable) -> None:
        """Take it out of the queue. KeyError where it is not in."""
        for priority, level in self._waiting.items():
            if work := level.pop(ticket, None):
                self._queued_tokens -= work.total
                if not level:
                    del self._waiting[priority]
                return
        raise KeyError(ticket)
