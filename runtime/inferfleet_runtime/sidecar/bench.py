"""The engine's capacity at the class's lengths, measured through its own API before the pod is Ready. Asks it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from inferfleet_runtime.contract import RuntimeConfig

log = logging.getLogger(__name__)

TIMEOUT = 300.0
"""For one request of the benchmark: the slowest engine that is worth serving with is faster."""

Generate = Callable[[int, int, float], Awaitable[int]]
"""Prompt tokens, tokens, seconds at most; the tokens generated."""


async def measure(generate: Generate, config: RuntimeConfig, now: Callable[[], float]) -> float:
    """Generated tokens per second with every slot busy, prefill included: waves of requests for about `max_seconds`.

    At least one whole wave. Raises what `generate` raises.
    """
    load, began, tokens, waves = config.benchmark, now(), 0, 0
    while not waves or now() - began < load.max_seconds:
        wave = [generate(load.prompt_tokens, load.output_tokens, TIMEOUT) for _ in range(config.slots)]
        tokens += sum(await _all(wave))
        waves += 1
    seconds = now() - began
    fields = {"tokens": tokens, "seconds": round(seconds, 2), "waves": waves, "slots": config.slots}
    log.info("capacity measured", extra=fields | {"tokens_per_second": round(tokens / seconds, 1)})
    return tokens / seconds


async def _all(wave: Sequence[Awaitable[int]]) -> list[int]:
    """What they give; after a failure of one nobody waits for the others, which would be counted as clients'."""
    tasks = [asyncio.ensure_future(one) for one in wave]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
