"""Letting an engine finish what it has, before anybody tells it to end. Asks the engine."""

import asyncio
import logging

from inferfleet_runtime.sidecar.watch import Watch

log = logging.getLogger(__name__)

QUIET = 2
"""Looks in a row without an open request: one alone may fall between a request's arrival and its being counted."""


async def drain(watch: Watch) -> int:
    """Not ready from now on; return when nothing is open, or the drain's seconds are over: how many are open then.

    Where the engine's series do not tell what is open, all the time is taken: somebody may be waiting for a token. Not
    so with an engine that hangs, which the kubelet drains, too, before it starts it anew.
    """
    with watch.held_back():
        if watch.health.live(watch.now(), watch.timing):
            return await _until_quiet(watch)
    log.info("nothing is drained: the engine hangs")
    return -1


async def _until_quiet(watch: Watch) -> int:
    log.info("draining")
    await asyncio.sleep(watch.timing.grace)
    deadline, quiet, left = watch.now() + watch.config.drain_seconds, 0, -1
    while quiet < QUIET and watch.now() < deadline:
        readings = await watch.readings()
        left = -1 if readings is None or not readings.usable else int(max(0, readings.open - watch.own.running))
        quiet = quiet + 1 if left == 0 else 0
        await asyncio.sleep(watch.timing.poll)
    log.info("drained", extra={"open_requests": left})
    return left
