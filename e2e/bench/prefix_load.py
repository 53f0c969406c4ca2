"""Shared-prefix chat: the load on which specialized and naive serving are compared. Sends requests.

Every request has 256 prompt tokens that all of a round share and 32 of its own, and gets 48 tokens, greedily.
The shared prefix is new in every round and was seen once before it, as a system prompt is.
"""

import asyncio
import json
import random
import time
from dataclasses import dataclass

import aiohttp

SHARED_TOKENS, OWN_TOKENS, OUTPUT_TOKENS = 256, 32, 48
FIRST_ID, LAST_ID = 300, 2047
"""Token ids that are words of the test tokenizer."""
_WITHIN = aiohttp.ClientTimeout(total=600)


@dataclass(frozen=True)
class Measured:
    """One run against one server."""

    tokens: int
    """Generated, as the server counts them."""
    cached: int
    """Prompt tokens that were in a cache."""
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Of all requests together, prefill included."""
        return self.tokens / self.seconds


async def run(url: str, requests: int, at_once: int, seed: int, *, primed: bool) -> Measured:
    """Send `requests`, so many at once. RuntimeError for an answer that is none."""
    rng = random.Random(seed)
    shared = _tokens(rng, SHARED_TOKENS)
    prompts = [shared + _tokens(rng, OWN_TOKENS) for _ in range(requests)]
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(url, connector=connector, timeout=_WITHIN) as session:
        if primed:
            await _ask(session, shared + _tokens(rng, OWN_TOKENS), 1)
        free = asyncio.Semaphore(at_once)

        async def one(prompt: list[int]) -> tuple[int, int]:
            async with free:
                return await _ask(session, prompt, OUTPUT_TOKENS)

        began = time.monotonic()
        answers = await asyncio.gather(*(one(prompt) for prompt in prompts))
        seconds = time.monotonic() - began
    return Measured(sum(t for t, _ in answers), sum(c for _, c in answers), seconds)


def _tokens(rng: random.Random, count: int) -> list[int]:
    return [rng.randint(FIRST_ID, LAST_ID) for _ in range(count)]


async def _ask(session: aiohttp.ClientSession, prompt: list[int], output: int) -> tuple[int, int]:
    """Generated and cached tokens of one streaming completion."""
    body = {"model": "model", "prompt": prompt, "max_tokens": output, "temperature": 0, "ignore_eos": True}
    stream = {"stream": True, "stream_options": {"include_usage": True}}
    usage = None
    async with session.post("/v1/completions", json=body | stream) as response:
        if response.status != 200:
            raise RuntimeError(f"HTTP {response.status}: {(await response.text())[:300]}")
        async for line in response.content:
            if b'"usage":{' in line:
                usage = json.loads(line.removeprefix(b"data: "))["usage"]
    if not usage:
        raise RuntimeError("the stream ended without its usage")
    return usage["completion_tokens"], (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
