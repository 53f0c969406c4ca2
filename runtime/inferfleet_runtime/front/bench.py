"""What a pod does before it becomes Ready: one real answer, then, where nobody knows it yet, its capacity."""

import asyncio
import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from inferfleet_runtime.api.sse import Seen
from inferfleet_runtime.contract import Benchmark, KnownCapacity, RuntimeConfig
from inferfleet_runtime.front.metrics import Metrics
from inferfleet_runtime.front.service import relay
from inferfleet_runtime.front.trace import Trace
from inferfleet_runtime.hosts.backend import Backend, BackendError

log = logging.getLogger(__name__)

Now = Callable[[], float]


def known_capacity(file: Path | None, slots: int) -> float | None:
    """Tokens per second that replicas of this content have measured with as many slots; None: measure. Reads `file`."""
    if file is None or not file.is_file():
        return None
    try:
        known = KnownCapacity.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        log.warning("the known capacity cannot be read: it is measured", extra={"error": str(error)})
        return None
    if known.slots != slots:
        log.info("the known capacity is of other slots: it is measured", extra={"slots": slots, "known": known.slots})
        return None
    return known.tokens_per_second


@dataclass(frozen=True)
class _Load:
    """Random requests to one engine."""

    backend: Backend
    config: RuntimeConfig
    vocabulary: int
    rng: random.Random
    now: Now

    async def one(self, size: Benchmark) -> int:
        """Tokens of one request; they count for no client."""
        prompt = [self.rng.randrange(self.vocabulary) for _ in range(size.prompt_tokens)]
        if self.config.modality == "Embedding":
            return await _embed(self.backend, prompt)
        return await _generate(self.backend, prompt, size.output_tokens, self.now)


async def measure(
    backend: Backend, config: RuntimeConfig, rng: random.Random, now: Now, known: float | None = None
) -> float:
    """Tokens per second that the pod publishes, after one real answer: `known`, else measured. Raises BackendError."""
    load = _Load(backend, config, await backend.vocabulary(), rng, now)
    await load.one(Benchmark(prompt_tokens=1, output_tokens=1))
    log.info("first token generated")
    if known is None:
        return await _all_slots(load)
    log.info("capacity known: it is not measured again", extra={"tokens_per_second": known})
    return known


async def _all_slots(load: _Load) -> float:
    """Generation tokens per second with `slots` requests of the class's lengths, prefill included.

    Of a model that embeds: prompt tokens per second. Waves of `slots` requests for about `max_seconds`, at least
    one whole wave. Prompts are random, so that no prefix is cached, and no text ends early. The path is that of real
    requests up to the client's socket, and the process shares its CPU as it will then. Raises BackendError.
    """
    size, slots, now = load.config.benchmark, load.config.slots, load.now
    began, tokens, waves = now(), 0, 0
    while not waves or now() - began < size.max_seconds:
        tokens += sum(await asyncio.gather(*(load.one(size) for _ in range(slots))))
        waves += 1
    elapsed = now() - began
    fields = {"tokens": tokens, "seconds": round(elapsed, 2), "waves": waves, "slots": slots}
    log.info("capacity measured", extra=fields | {"tokens_per_second": round(tokens / elapsed, 1)})
    return tokens / elapsed


async def _embed(backend: Backend, prompt: list[int]) -> int:
    async with backend.post("/v1/embeddings", {"input": prompt}) as reply:
        answer = await reply.read()
        if reply.status != 200:
            raise _refused(reply.status, answer)
    return int(json.loads(answer)["usage"]["prompt_tokens"])


async def _generate(backend: Backend, prompt: list[int], output_tokens: int, now: Now) -> int:
    body: dict[str, Any] = {
        "prompt": prompt,
        "max_tokens": output_tokens,
        "ignore_eos": True,
        "cache_prompt": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    metrics = Metrics(CollectorRegistry(), "benchmark", len(prompt) + output_tokens)
    trace = Trace(metrics, now, now(), len(prompt))
    async with backend.post("/v1/completions", body) as reply:
        if reply.status != 200:
            raise _refused(reply.status, await reply.read())
        await relay(reply, trace, _discard, _unchanged)
    if trace.error:
        raise BackendError(trace.error)
    return trace.generated


def _refused(status: int, answer: bytes) -> BackendError:
    return BackendError(f"HTTP {status}: {answer.decode(errors='replace')}")


def _unchanged(event: bytes, _: Seen) -> bytes:
    return event


async def _discard(_: bytes) -> None:
    """Nobody reads the benchmark's text."""
