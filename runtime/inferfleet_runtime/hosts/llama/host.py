"""llama.cpp as a backend: its process, its slots, and whether it proposes tokens. Starts and ends one child process."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from inferfleet_runtime.contract import Metric, RuntimeConfig
from inferfleet_runtime.engines.llama_cpp import SAVED_SLOTS_BYTES, ServerSettings, server_settings
from inferfleet_runtime.hosts.backend import Reply
from inferfleet_runtime.hosts.llama.prefixes import Shelf, Slot
from inferfleet_runtime.hosts.llama.process import LlamaServer, command, running
from inferfleet_runtime.hosts.llama.slots import Slots
from inferfleet_runtime.hosts.pulse import Timing
from inferfleet_runtime.hosts.variants import environment

log = logging.getLogger(__name__)

_GENERATING = ("/v1/chat/completions", "/v1/completions")


class Llama:
    """See Backend. Use `running_llama` to start one."""

    def __init__(self, server: LlamaServer, settings: ServerSettings, now: Callable[[], float]) -> None:
        """Around a process that is loading."""
        self._server, self._settings, self._now = server, settings, now
        folder = Path(settings.save_path) if settings.save_path else None
        slots = tuple(map(Slot, range(settings.slots)))
        shelf = Shelf(SAVED_SLOTS_BYTES)
        self._slots = Slots(server.post, slots, shelf, folder, settings.prefix_cache, self._restores)
        self._drafting, self._since, self._drafted_seconds = False, 0.0, 0.0
        self._following: asyncio.Task[None] | None = None

    def _restores(self) -> bool:
        """A saved beginning is of the model alone: after it a draft model would guess without having read it."""
        return not (self._drafting and self._drafts_with_a_model())

    def _drafts_with_a_model(self) -> bool:
        return bool(self._settings.speculation and self._settings.speculation.draft)

    async def load(self) -> None:
        """Wait until the model is loaded. Raises CommandError with the engine's own words."""
        await self._server.load()
        if self._settings.speculation and self._server.drafts:
            self._drafting, self._since = True, self._now()
            self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Before its process ends."""
        if self._following:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def ended(self) -> None:
        """Wait for the process to end, and raise CommandError with its own words."""
        await self._server.ended()

    @asynccontextmanager
    async def post(self, path: str, body: Mapping[str, Any], salt: str = "") -> AsyncIterator[Reply]:
        """See Backend."""
        if path not in _GENERATING:
            async with self._server.post(path, body) as reply:
                yield reply
            return
        async with (
            self._slots.lend(path, self._with_adapters(body), salt) as loan,
            self._server.post(path, loan.body) as reply,
        ):
            loan.kept = reply.status == 200
            yield reply

    def _with_adapters(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Without a choice of adapters llama.cpp reuses what a slot has read with the one before: so always choose."""
        if not self._settings.adapters or body.get("lora"):
            return body
        return {**body, "lora": [{"id": i, "scale": 0.0} for i in range(len(self._settings.adapters))]}

    async def vocabulary(self) -> int:
        """See Backend."""
        return await self._server.vocabulary()

    def counters(self) -> Mapping[str, float]:
        """See Backend."""
        figures, own = self._server.figures(), self._slots.counts
        hits = figures.get("prompt_tokens_cached_total", 0.0)
        found = {
            Metric.PREFIX_CACHE_QUERIES: hits + figures.get("prompt_tokens_total", 0.0) - own.read_tokens,
            Metric.PREFIX_CACHE_HITS: hits - own.read_cached,
        }
        if self._settings.speculation:
            found[Metric.DRAFT_TOKENS] = figures.get("spec_decode_num_draft_tokens_total", 0.0)
            found[Metric.ACCEPTED_TOKENS] = figures.get("spec_decode_num_accepted_tokens_total", 0.0)
            found[Metric.SPECULATION_SECONDS] = self._seconds_drafting()
        return {name: max(0.0, value) for name, value in found.items()}

    def problem(self) -> str:
        """See Backend."""
        return self._server.problem()

    def _seconds_drafting(self) -> float:
        return self._drafted_seconds + self._drafting * (self._now() - self._since)

    async def _follow(self) -> None:
        """Keep what the engine says of its drafting."""
        while True:
            said = await self._server.drafting()
            self._drafted_seconds, self._since = self._seconds_drafting(), self._now()
            if said["on"] and not self._drafting and self._drafts_with_a_model():
                # it has read nothing meanwhile: it can guess for what is read from the beginning again, and only there
                self._slots.forget()
            self._drafting = said["on"]
            log.info("speculation switched", extra={**said, **self._speed()})

    def _speed(self) -> dict[str, float]:
        """Tokens per second of one request, since the engine started."""
        figures = self._server.figures()
        seconds = figures.get("tokens_predicted_seconds_total", 0.0)
        return {"tokens_per_second": round(figures["tokens_predicted_total"] / seconds, 1)} if seconds else {}


@asynccontextmanager
async def running_llama(
    config: RuntimeConfig, model: Path, now: Callable[[], float], timing: Timing | None = None
) -> AsyncIterator[Llama]:
    """An engine that is loading; its process ends with the context. Raises ConfigError for what it lacks."""
    settings = _with_folder(server_settings(config, model))
    async with running(command(settings), now, timing, environment()) as server:
        engine = Llama(server, settings, now)
        try:
            yield engine
        finally:
            await engine.close()


def _with_folder(settings: ServerSettings) -> ServerSettings:
    """An empty folder for saved slots: what an earlier process left there may be of another model."""
    if not settings.save_path:
        return settings
    folder = Path(settings.save_path)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        log.warning("shared prefixes are not kept: no folder for them", extra={"error": str(error)})
        return replace(settings, save_path="")
    return settings
