"""What a pod does before it becomes Ready: one real token, then its capacity with every slot busy."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry

from inferfleet_runtime.contract import Benchmark, RuntimeConfig
from inferfleet_runtime.front.metrics import Metrics
from inferfleet_runtime.front.service import relay
from inferfleet_runtime.front.trace import Trace
from inferfleet_runtime.hosts.backend import Backend, BackendError

log = logging.getLogger(__name__)


async def measure(backend: Backend, config: RuntimeConfig, rng: random.Random, now: Callable[[], float]) -> float:
    """Generation tokens per second with `slots` requests of the class's lengths, prefill included.

    Waves of `slots` requests for about `max_seconds`, at least one whole wave. Prompts are random, so
    that no prefix is cached, and no text ends early. The path is that of real requests up to the
    client's socket, and the process shares its CPU as it will then. Raises BackendError.
    """
    vocabulary = await backend.vocabulary()
    await _one(backend, _body(Benchmark(prompt_tokens=1, output_tokens=1), vocabulary, rng), now)
    log.info("first token generated")
    began, tokens, waves = now(), 0, 0
    while not waves or now() - began < config.benchmark.max_seconds:
        bodies = [_body(config.benchmark, vocabulary, rng) for _ in range(config.slots)]
        tokens += sum(await asyncio.gather(*(_one(backend, body, now) for body in bodies)))
        waves += 1
    elapsed = now() - began
    fields = {"tokens": tokens, "seconds": round(elapsed, 2), "waves": waves, "slots": config.slots}
    log.info("capacity measured", extra=fields | {"tokens_per_second": round(tokens / elapsed, 1)})
    return tokens / elapsed


def _body(load: Benchmark, vocabulary: int, rng: random.Random) -> dict[str, Any]:
    return {
        "prompt": [rng.randrange(vocabulary) for _ in range(load.prompt_tokens)],
        "max_tokens": load.output_tokens,
        "ignore_eos": True,
        "cache_prompt": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def _one(backend: Backend, body: dict[str, Any], now: Callable[[], float]) -> int:
    """Generated tokens of one request, measured into metrics that nobody sees."""
    metrics = Metrics(CollectorRegistry(), "benchmark", len(body["prompt"]) + body["max_tokens"])
    trace = Trace(metrics, now, now(), len(body["prompt"]))
    async with backend.post("/v1/completions", body) as reply:
        if reply.status != 200:
            raise BackendError(f"HTTP {reply.status}: {(await reply.read()).decode(errors='replace')}")
        await relay(reply, trace, _discard, include_usage=False)
    if trace.error:
        raise BackendError(trace.error)
    return trace.generated


async def _discard(_: bytes) -> None:
    """Nobody reads the benchmark's text."""
