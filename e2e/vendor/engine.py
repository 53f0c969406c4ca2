"""What the stand-in answers. Faults can be ordered by STAND_IN_FAULTS and, while it runs, by POST /stand-in/faults:

lying-health  it listens, and /health is 200, long before the model is loaded
loading       the model is not loaded before this is removed
no-metrics    /metrics is 404
wrong-model   another model than the one asked for is loaded
hung          connections are taken and nothing but /health is answered; open streams stand still
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from e2e.vendor.http import Request
from e2e.vendor.series import Series

FAULTS = ("lying-health", "loading", "no-metrics", "wrong-model", "hung")
OTHER = "some/other-model"


@dataclass
class Engine:
    """The model that is none."""

    options: argparse.Namespace
    token_seconds: float
    """Between two tokens of a request, however many run."""
    adapters_allowed: bool
    faults: set[str] = field(default_factory=set)
    loaded: bool = False
    adapters: dict[str, str] = field(default_factory=dict)
    series: Series = field(init=False)
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        """As many slots as the command line says."""
        self.series = Series((self.options.served_model_name or [self.options.model_tag])[0])
        self._slots = asyncio.Semaphore(self.options.max_num_seqs)

    def names(self) -> list[str]:
        """Models by the names that requests may use."""
        own = [OTHER] if "wrong-model" in self.faults else self.options.served_model_name or [self.options.model_tag]
        return [*own, *self.adapters]

    async def handle(self, request: Request) -> None:
        """One request."""
        if request.path == "/stand-in/faults":
            change = request.json()
            self.faults = (self.faults | set(change.get("add", ()))) - set(change.get("remove", ()))
            return await request.answer(200, sorted(self.faults))
        if request.path == "/health":
            return await request.answer(200, "", "text/plain")
        await self.while_hung()
        if request.path == "/metrics":
            if "no-metrics" in self.faults:
                return await request.answer(404, {"detail": "Not Found"})
            return await request.answer(200, self.series.text(), "text/plain; version=0.0.4")
        if not self.loaded or "loading" in self.faults:
            return await self._error(request, 500, "the model is not loaded")
        return await self._api(request)

    async def _api(self, request: Request) -> None:
        if request.path == "/v1/models":
            models = [{"id": n, "object": "model", "root": self._root(n)} for n in self.names()]
            return await request.answer(200, {"object": "list", "data": models})
        if request.path == "/v1/load_lora_adapter":
            return await self._load_adapter(request)
        if request.path in ("/v1/completions", "/v1/chat/completions"):
            return await self._generate(request, chat="chat" in request.path)
        return await self._error(request, 404, "Not Found")

    def _root(self, name: str) -> str:
        return str(self.adapters.get(name) or (OTHER if "wrong-model" in self.faults else self.options.model_tag))

    async def _load_adapter(self, request: Request) -> None:
        asked = request.json()
        if not self.adapters_allowed:
            await self._error(request, 404, "Not Found")
            return
        if asked.get("lora_name") in self.adapters:
            await self._error(request, 400, f"The lora adapter '{asked['lora_name']}' has already been loaded.")
            return
        self.adapters[str(asked["lora_name"])] = str(asked["lora_path"])
        await request.answer(200, f"Success: LoRA adapter '{asked['lora_name']}' added successfully.", "text/plain")

    async def _error(self, request: Request, status: int, message: str) -> None:
        await request.answer(status, {"error": {"message": message, "type": "stand-in", "code": status}})

    async def while_hung(self) -> None:
        """Return when nothing hangs."""
        while "hung" in self.faults:
            await asyncio.sleep(0.05)

    async def _generate(self, request: Request, *, chat: bool) -> None:
        asked = request.json()
        if asked.get("model") not in self.names():
            await self._error(request, 404, f"The model `{asked.get('model')}` does not exist.")
            return
        generation = Generation(self, request, asked, chat)
        async with self._turn(generation):
            await generation.run()

    @asynccontextmanager
    async def _turn(self, generation: "Generation") -> AsyncIterator[None]:
        self.series.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.series.waiting -= 1
        self.series.queue.values.append(time.monotonic() - generation.arrived)
        self.series.running += 1
        try:
            yield
        finally:
            self.series.running -= 1
            self._slots.release()
            self.series.finished[generation.reason] += 1
            self.series.tokens.values.append(generation.made)
            now = time.monotonic()
            self.series.end_to_end.values.append(now - generation.arrived)
            if generation.made > 1:
                self.series.per_token.values.append((now - generation.first) / (generation.made - 1))


@dataclass
class Generation:
    """One answer."""

    engine: Engine
    request: Request
    asked: dict[str, Any]
    chat: bool
    arrived: float = field(default_factory=time.monotonic)
    first: float = 0.0
    """When the first token came."""
    made: int = 0
    reason: str = "abort"

    async def run(self) -> None:
        """To the last token, or until the client goes."""
        prompt = self._prompt_tokens()
        self.engine.series.prompt_tokens += prompt
        if self.asked.get("stream"):
            await self.request.begin(200, "text/event-stream")
        for _ in range(int(self.asked.get("max_tokens") or 16)):
            await self._token()
        self.reason = "length"
        usage = {"prompt_tokens": prompt, "completion_tokens": self.made, "total_tokens": prompt + self.made}
        if self.asked.get("stream"):
            await self._end(usage)
        else:
            await self.request.answer(200, self._event("word " * self.made, "length") | {"usage": usage})

    def _prompt_tokens(self) -> int:
        prompt = self.asked.get("prompt")
        return len(prompt) if isinstance(prompt, list) else max(1, len(str(prompt or self.asked)) // 4)

    async def _token(self) -> None:
        began = time.monotonic()
        await asyncio.sleep(self.engine.token_seconds)
        await self.engine.while_hung()
        self.made += 1
        self.engine.series.generation_tokens += 1
        now = time.monotonic()
        if self.made == 1:
            self.first = now
            self.engine.series.ttft.values.append(now - self.arrived)
        else:
            self.engine.series.inter_token.values.append(now - began)
        if self.asked.get("stream"):
            await self._send(self._event("word ", None))

    async def _end(self, usage: dict[str, int]) -> None:
        await self._send(self._event("", "length"))
        if (self.asked.get("stream_options") or {}).get("include_usage"):
            await self._send(self._event("", None) | {"choices": [], "usage": usage})
        await self.request.send(b"data: [DONE]\n\n")

    async def _send(self, event: dict[str, Any]) -> None:
        await self.request.send(b"data: " + json.dumps(event).encode() + b"\n\n")

    def _event(self, text: str, finish: str | None) -> dict[str, Any]:
        stream = bool(self.asked.get("stream"))
        said = {"content": text, "role": "assistant"}
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
        choice |= {"delta" if stream else "message": said} if self.chat else {"text": text}
        kind = ("chat.completion.chunk" if stream else "chat.completion") if self.chat else "text_completion"
        return {"id": "cmpl-1", "object": kind, "created": 0, "model": self.asked["model"], "choices": [choice]}
