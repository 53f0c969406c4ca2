"""An engine without a model: answers as llama.cpp's server does, token by token, when the test says so."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from inferfleet_runtime.hosts.backend import BackendError


@dataclass
class FakeReply:
    """The answer to one request; `status` other than 200 carries `refusal`."""

    owner: "FakeBackend"
    body: Mapping[str, Any]
    status: int = 200

    async def chunks(self) -> AsyncIterator[bytes]:
        """One event a token, then the usage, then the end."""
        for index in range(self.body["max_tokens"]):
            await self.owner.step(index)
            yield self._event({"choices": [{"index": 0, "delta": {"content": f" w{index}"}, "finish_reason": None}]})
        yield self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
        yield self._event({"choices": [], "usage": self._usage()})
        yield b"data: [DONE]\n\n"
        await self.owner.ending.wait()

    async def read(self) -> bytes:
        """The same as one JSON object."""
        if self.status != 200:
            return json.dumps({"error": self.owner.refusal}).encode()
        if "input" in self.body:
            return json.dumps({"data": [], "usage": {"prompt_tokens": 7, "total_tokens": 7}}).encode()
        tokens = self.body["max_tokens"]
        for index in range(tokens):
            await self.owner.step(index)
        message = {"role": "assistant", "content": "".join(f" w{i}" for i in range(tokens))}
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        timings = {"predicted_ms": 10.0 * (tokens - 1)}
        return json.dumps({"choices": [choice], "usage": self._usage(), "timings": timings}).encode()

    def _usage(self) -> dict[str, int]:
        return {"prompt_tokens": self.owner.prompt_tokens, "completion_tokens": self.body["max_tokens"]}

    @staticmethod
    def _event(payload: Mapping[str, Any]) -> bytes:
        return b"data: " + json.dumps(payload).encode() + b"\n\n"


@dataclass
class FakeBackend:
    """Strict: more requests at once than `slots` fail the test. Tokens flow while `flowing` is set."""

    slots: int
    prompt_tokens: int = 7
    refusal: Mapping[str, Any] | None = None
    """llama.cpp's error object; every request gets it with status 400."""
    dies_at_token: int | None = None
    breaks_at_token: int | None = None
    """Where it raises what no engine should: a mistake of our own, whose message quotes the request."""
    trouble: str = ""
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Until it is set no stream ends after its last event."""
    bodies: list[Mapping[str, Any]] = field(default_factory=list)
    """Every request, in order."""
    salts: list[str] = field(default_factory=list)
    """Of every request."""
    counted: dict[str, float] = field(default_factory=dict)
    running: int = 0

    def __post_init__(self) -> None:
        """Tokens flow, and streams end, unless a test stops them."""
        self.flowing.set()
        self.ending.set()

    @asynccontextmanager
    async def post(self, path: str, body: Mapping[str, Any], salt: str = "") -> AsyncIterator[FakeReply]:
        """See Backend."""
        assert path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"), f"the engine has no {path}"
        self.salts.append(salt)
        assert self.running < self.slots, f"{self.running + 1} requests at once for {self.slots} slots"
        self.bodies.append(body)
        self.running += 1
        try:
            yield FakeReply(self, body, 200 if self.refusal is None else 400)
        finally:
            self.running -= 1

    async def step(self, index: int) -> None:
        """Before each token."""
        if index == self.dies_at_token:
            raise BackendError("the connection was reset")
        if index == self.breaks_at_token:
            raise LookupError(str(self.bodies[-1]))
        await self.flowing.wait()
        await asyncio.sleep(0)

    async def vocabulary(self) -> int:
        """See Backend."""
        return 100

    def counters(self) -> Mapping[str, float]:
        """See Backend."""
        return self.counted

    def problem(self) -> str:
        """See Backend."""
        return self.trouble
