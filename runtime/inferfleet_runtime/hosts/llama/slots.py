"""The slots of a running llama.cpp: lends one to each request, and fills it with what others have read already.

Every action on a slot waits for the engine's next step. A request that restores waits one step for it and is
spared the reading of the whole beginning.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inferfleet_runtime.hosts.backend import Reply
from inferfleet_runtime.hosts.llama.prefixes import Past, Plan, Shelf, Slot, plan
from inferfleet_runtime.hosts.llama.prompts import Prompt, beginning, read

log = logging.getLogger(__name__)

Post = Callable[[str, Mapping[str, Any]], AbstractAsyncContextManager[Reply]]

_REFUSED = 256
"""Beginnings that the engine would not read, remembered so that it is not asked again."""


@dataclass
class Counts:
    """What was done. All in whole numbers since the start."""

    restored: int = 0
    saved: int = 0
    read_tokens: int = 0
    """Prompt tokens of requests that are this side's own, those from a slot included."""
    read_cached: int = 0
    """Of those, from a slot."""


@dataclass
class Loan:
    """A slot in use, and the request as the engine must see it."""

    body: Mapping[str, Any]
    kept: bool = False
    """Whether the engine has taken the request: its prompt is then in the slot."""


@dataclass
class Slots:
    """All slots. `folder` holds the saved beginnings; without one nothing is saved, and slots are still chosen."""

    post: Post
    slots: tuple[Slot, ...]
    shelf: Shelf
    folder: Path | None
    enabled: bool = True
    restores: Callable[[], bool] = lambda: True
    """Whether a restored beginning is of use now."""
    counts: Counts = field(default_factory=Counts)
    _past: Past = field(default_factory=Past)
    _making: dict[bytes, asyncio.Event] = field(default_factory=dict)
    _refused: deque[bytes] = field(default_factory=lambda: deque(maxlen=_REFUSED))
    _clock: int = 0
    _age: int = 0
    """How often everything was forgotten."""

    def forget(self) -> None:
        """Reuse nothing that is in a slot, nor what a running request will leave there; what is saved stays."""
        self._age += 1
        for slot in self.slots:
            slot.salt = slot.holds = None

    @asynccontextmanager
    async def lend(self, path: str, body: Mapping[str, Any], salt: str) -> AsyncIterator[Loan]:
        """A slot for one request. Raises BackendError; leaving the context ends the loan."""
        prompt = read(path, body, salt) if self.enabled else None
        chosen = await self._choose(prompt)
        if chosen is None:  # more requests than slots: the engine makes them wait
            yield Loan(body)
            return
        slot, loan, age = self._take(chosen.slot), Loan(body), self._age
        try:
            if prompt:
                with self._announced(chosen, prompt):
                    await self._fill(slot, chosen, prompt, salt)
            reuse = self.enabled and slot.salt == salt and body.get("cache_prompt", True)
            loan.body = {**body, "id_slot": slot.number, "cache_prompt": reuse}
            _distrust(slot, salt)
            yield loan
        finally:
            if age != self._age:
                slot.salt = slot.holds = None
            elif loan.kept:
                slot.salt, slot.holds = salt, prompt and prompt.without_body()
            slot.busy = False

    def _take(self, slot: Slot) -> Slot:
        self._clock += 1
        slot.busy, slot.used = True, self._clock
        return slot

    @contextmanager
    def _announced(self, chosen: Plan, prompt: Prompt) -> Iterator[None]:
        """Others that want the beginning which is about to be made wait for it."""
        if chosen.make is None:
            yield
            return
        mark = prompt.marks[chosen.make]
        done = self._making[mark] = asyncio.Event()
        try:
            yield
        finally:
            if self._making.get(mark) is done:
                del self._making[mark]
            done.set()

    async def _choose(self, prompt: Prompt | None) -> Plan | None:
        common = self._past.common(prompt) if prompt and self.folder else 0
        # whoever makes it is at most one prompt ahead; alone it would take as long. Where the maker has gone without
        # it, the first to wake makes it and the others wait again
        while prompt and common and (being_made := self._making.get(prompt.marks[common])):
            await being_made.wait()
        if prompt and common and (prompt.marks[common] in self._refused or not self.restores()):
            common = 0
        saved = self.shelf if self.restores() else ()
        return plan(prompt, self.slots, saved, common)

    async def _fill(self, slot: Slot, chosen: Plan, prompt: Prompt, salt: str) -> None:
        """Restore and make what was planned; where that fails, the request reads its prompt itself."""
        if chosen.restore is not None:
            await self._restore(slot, chosen.restore, salt)
        if chosen.make is not None:
            await self._make(slot, chosen.make, prompt, salt)

    async def _restore(self, slot: Slot, mark: bytes, salt: str) -> None:
        self.shelf.used(mark)
        slot.salt = slot.holds = None  # what a failed or abandoned restore leaves there may never be used
        answer = await self._act(slot, "restore", mark)
        if answer is None:
            self._drop(mark)
            return
        self.counts.restored += 1
        slot.salt = salt

    async def _make(self, slot: Slot, blocks: int, prompt: Prompt, salt: str) -> None:
        mark, request = prompt.marks[blocks], beginning(prompt, blocks)
        if request is None or not await self._read(slot, request, mark, salt):
            self._refused.append(mark)

    async def _read(self, slot: Slot, request: Mapping[str, Any], mark: bytes, salt: str) -> bool:
        """Have the engine read a beginning, and save it. Whether it is kept."""
        path = "/v1/chat/completions" if "messages" in request else "/v1/completions"
        own = {**request, "id_slot": slot.number, "cache_prompt": slot.salt == salt}
        _distrust(slot, salt)
        async with self.post(path, own) as reply:
            answer = await reply.read()
            if reply.status != 200:
                return False
        slot.salt = salt
        self._count(json.loads(answer).get("usage", {}))
        saved = await self._act(slot, "save", mark)
        if saved is None:
            return False
        self.counts.saved += 1
        for gone in self.shelf.put(mark, int(saved["n_written"])):
            self._drop(gone)
        kept = mark in self.shelf
        said = "prefix kept" if kept else "a prefix is larger than the space for all, and is not kept"
        log.info(said, extra={"tokens": saved["n_saved"], "bytes": saved["n_written"]})
        return kept

    def _count(self, usage: Mapping[str, Any]) -> None:
        self.counts.read_tokens += usage.get("prompt_tokens", 0)
        self.counts.read_cached += (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)

    async def _act(self, slot: Slot, action: str, mark: bytes) -> Mapping[str, Any] | None:
        """What the engine says of it; None if it could not."""
        async with self.post(f"/slots/{slot.number}?action={action}", {"filename": mark.hex()}) as reply:
            text = await reply.read()
            if reply.status != 200:
                log.warning("a prefix could not be kept or used", extra={"action": action, "status": reply.status})
                return None
        answer: Mapping[str, Any] = json.loads(text)
        return answer

    def _drop(self, mark: bytes) -> None:
        self.shelf.drop(mark)
        assert self.folder is not None
        with suppress(OSError):
            (self.folder / mark.hex()).unlink(missing_ok=True)


def _distrust(slot: Slot, salt: str) -> None:
    """Before the engine is told to read into a slot: a client that goes leaves it open whether it has.

    Until its answer the slot may hold what it held or what is new; both may be used only if both are of one salt.
    """
    slot.holds = None
    if slot.salt != salt:
        slot.salt = None
