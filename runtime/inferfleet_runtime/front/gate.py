"""Waiting for a slot: the coroutine side of `admission`."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from inferfleet_runtime.api.work import Work
from inferfleet_runtime.front.admission import Admission, Verdict


class QueueFullError(Exception):
    """The queue would grow over its bound, or has no place any more for what waited with a lower priority."""


class Gate:
    """Lets requests through as the state machine says. For one event loop."""

    def __init__(self, admission: Admission) -> None:
        """Around a state machine that nothing else changes."""
        self.admission = admission
        self._turns: dict[Hashable, asyncio.Future[bool]] = {}

    @asynccontextmanager
    async def turn(self, work: Work, priority: int = 0) -> AsyncIterator[None]:
        """Hold a slot for the length of the context, after waiting for it.

        Raises QueueFullError at once, or later when a higher priority takes the place in the queue.
        Cancelling gives up the slot or the place in the queue.
        """
        ticket = object()
        verdict, evicted = self.admission.offer(ticket, work, priority)
        for loser in evicted:
            self._call(loser, may_run=False)
        if verdict is Verdict.REFUSE:
            raise QueueFullError
        try:
            if verdict is Verdict.WAIT:
                turn = self._turns[ticket] = asyncio.get_running_loop().create_future()
                if not await turn:
                    raise QueueFullError
            yield
        finally:
            self._turns.pop(ticket, None)
            if ticket in self.admission:  # not, if it was evicted
                self._call(self.admission.leave(ticket), may_run=True)

    def _call(self, ticket: Hashable, *, may_run: bool) -> None:
        turn = self._turns.get(ticket)
        # done: it was cancelled and has not run since; it will leave by itself and start the next
        if turn and not turn.done():
            turn.set_result(may_run)
