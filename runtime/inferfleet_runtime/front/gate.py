"""Waiting for a slot: the coroutine side of `admission`."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from inferfleet_runtime.api.work import Work
from inferfleet_runtime.front.admission import Admission, Verdict


class QueueFullError(Exception):
    """The queue would grow over its bound."""


class Gate:
    """Lets requests through as the state machine says. For one event loop."""

    def __init__(self, admission: Admission) -> None:
        """Around a state machine that nothing else changes."""
        self.admission = admission
        self._turns: dict[Hashable, asyncio.Future[None]] = {}

    @asynccontextmanager
    async def turn(self, work: Work) -> AsyncIterator[None]:
        """Hold a slot for the length of the context, after waiting for it. Raises QueueFullError at once.

        Cancelling gives up the slot or the place in the queue.
        """
        ticket = object()
        verdict = self.admission.offer(ticket, work)
        if verdict is Verdict.REFUSE:
            raise QueueFullError
        try:
            if verdict is Verdict.WAIT:
                turn = self._turns[ticket] = asyncio.get_running_loop().create_future()
                await turn
            yield
        finally:
            self._leave(ticket)

    def _leave(self, ticket: Hashable) -> None:
        self._turns.pop(ticket, None)
        started = self.admission.leave(ticket)
        turn = self._turns.get(started)
        # done: it was cancelled and has not run since; it will leave by itself and start the next
        if turn and not turn.done():
            turn.set_result(None)
