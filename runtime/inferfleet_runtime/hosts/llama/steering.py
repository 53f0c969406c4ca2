"""Steers what a running llama.cpp proposes. Runs in its process, within the steps of its loop, and reads its memory.

llama.cpp drafts for every request or for none (the fields of a request that would say otherwise are switched off in
its sources), and counts what was accepted when a request ends. Starting it again would cut every stream. But three of
its own functions pass everything that matters: one drafts for all slots of a step, one is told how many tokens of a
slot's draft were accepted, one has the draft model read what the model has read. Here they are called by way of
functions that count, decide before every step how many tokens are proposed, and spare the draft model the reading
while it has nothing to say.
"""

import ctypes
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from inferfleet_runtime.hosts.llama.draft_memory import DraftMemory
from inferfleet_runtime.hosts.llama.ledger import Ledger
from inferfleet_runtime.hosts.llama.links import find
from inferfleet_runtime.hosts.llama.speculation import Seen, State, begin, decide
from inferfleet_runtime.hosts.llama.stopwatch import Stopwatch

LAYOUT = "2026.10.11549"
"""The version of xllamacpp whose `common_speculative_draft_params` is described here."""
_DRAFT = "_Z24common_speculative_draftP18common_speculative"
_ACCEPT = "_Z25common_speculative_acceptP18common_speculativeit"
_READ = "_Z26common_speculative_processP18common_speculativeRK12common_batch"
_WISH = "_Z35common_speculative_get_draft_paramsP18common_speculativei"
_DECODE = "llama_process"

_Draft = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Accept = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_uint16)
_Read = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p)
_Decode = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p)

Tell = Callable[[State], None]


class _Tokens(ctypes.Structure):
    """`std::vector<llama_token>`."""

    _fields_ = (("begin", ctypes.c_void_p), ("end", ctypes.c_void_p))

    def read(self) -> tuple[int, ...]:
        """A copy."""
        count = ((self.end or 0) - (self.begin or 0)) // 4
        return tuple((ctypes.c_int32 * count).from_address(self.begin)) if count else ()


class _Wish(ctypes.Structure):
    """`common_speculative_draft_params`: what a slot wishes to have drafted."""

    _fields_ = (
        ("drafting", ctypes.c_bool),
        ("n_max", ctypes.c_int32),
        ("position", ctypes.c_int32),
        ("last", ctypes.c_int32),
        ("prompt", ctypes.c_void_p),
        ("result", ctypes.POINTER(_Tokens)),
    )


class Steering:
    """In the place of three functions of the engine, from `take` to `leave`; all else runs in the engine's loop."""

    def __init__(self, path: str, slots: int, most: int, now: Callable[[], float], tell: Tell) -> None:
        """For the loaded library `path`. Raises LookupError if it is built without a table of links."""
        links = find(path, (_DRAFT, _ACCEPT, _READ, _DECODE))
        if links is None:
            raise LookupError(f"{path} binds its own calls at build time")
        self._links, self._library = links, ctypes.CDLL(path)
        self._slots, self._now, self._tell = slots, now, tell
        self._ledger, self._watch = Ledger(most), Stopwatch()
        self.state = begin(self._seen(0), most)
        self._wishes: Sequence[Any] = ()
        self._memory: DraftMemory | None = None
        self._inside = 0
        self._own_draft, self._own_accept = _Draft(links[_DRAFT].own), _Accept(links[_ACCEPT].own)
        self._own_read, self._own_decode = _Read(links[_READ].own), _Decode(links[_DECODE].own)
        # the engine calls these as long as it runs: they must live as long
        self._callbacks = {
            _DRAFT: _Draft(self._draft),
            _ACCEPT: _Accept(self._accept),
            _READ: _Read(self._read),
            _DECODE: _Decode(self._meet),
        }

    def take(self, draft_model: bool) -> None:
        """Be called instead; `draft_model`: one that only reads tokens, and can leave some out."""
        for name in (_DRAFT, _ACCEPT, *([_READ] if draft_model else [])):
            self._link(name)

    def leave(self) -> None:
        """Be called no more: once the interpreter ends, that would end the process in disorder."""
        for link in self._links.values():
            link.back()
        # a call that is on its way has not counted itself yet; one that has takes at most a step of the engine
        time.sleep(0.05)
        while self._inside:
            time.sleep(0.01)

    def _link(self, name: str) -> None:
        address = ctypes.cast(self._callbacks[name], ctypes.c_void_p).value
        assert address
        self._links[name].to(address)

    @contextmanager
    def _called(self) -> Iterator[None]:
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def _seen(self, running: int) -> Seen:
        counts = tuple(self._ledger.proposed), tuple(self._ledger.accepted)
        return Seen(self._now(), running, *counts, self._watch.cost())

    def _draft(self, speculative: int) -> None:
        """Before a step: for all slots that generate."""
        with self._called():
            self._wishes = self._wishes or self._wishes_of(speculative)
            wishing = [slot for slot, wish in enumerate(self._wishes) if wish.drafting]
            self._watch.begin(time.thread_time(), tuple(wishing))
            self._decide(len(wishing))
            drafts = self.state.on and not self._watch.compares()
            granted = [slot for slot in wishing if self._grants(slot, drafts)]
            if granted:
                self._own_draft(speculative)
                self._watch.proposes(sum(map(self._propose, granted)))

    def _propose(self, slot: int) -> int:
        tokens = self._wishes[slot].result.contents.read()
        self._ledger.propose(slot, tokens)
        return len(tokens)

    def _grants(self, slot: int, drafts: bool) -> bool:
        """Limit a slot's wish, or withdraw it: one that stayed would be granted to a later request's slot."""
        wish = self._wishes[slot]
        if drafts and (self._memory is None or self._memory.is_whole(slot)):
            wish.n_max = min(wish.n_max, self.state.tokens)
            return True
        wish.drafting = False
        return False

    def _wishes_of(self, speculative: int) -> Sequence[Any]:
        wish = getattr(self._library, _WISH)
        wish.restype, wish.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int32]
        # they stay where they are as long as the engine runs
        return [_Wish.from_address(wish(speculative, slot)) for slot in range(self._slots)]

    def _accept(self, speculative: int, slot: int, count: int) -> None:
        """After a step: for each slot that had a draft."""
        with self._called():
            self._ledger.accept(slot, self._wishes[slot].result.contents.read()[:count])
            self._own_accept(speculative, slot, count)

    def _read(self, speculative: int, batch: int) -> bool:
        """After a step: what the model has read."""
        with self._called():
            if self._memory and self._memory.may_rest and not self.state.on:
                return True
            began = time.thread_time()
            with self._met():
                read = bool(self._own_read(speculative, batch))
            self._watch.reads(time.thread_time() - began)
            # where a slot was restored, the model goes on from where the draft model has not been
            return read or (self._memory is not None and self._memory.clear())

    @contextmanager
    def _met(self) -> Iterator[None]:
        """With a chance to see the draft model's context, if it has not been seen."""
        if self._memory is None:
            self._link(_DECODE)
        try:
            yield
        finally:
            self._links[_DECODE].back()

    def _meet(self, context: int, kind: int, batch: int) -> int:
        """Called while the draft model reads: then no other context decodes."""
        with self._called():
            self._links[_DECODE].back()
            self._memory = DraftMemory(self._library, context, self._slots)
            return int(self._own_decode(context, kind, batch))

    def _decide(self, running: int) -> None:
        was, self.state = self.state, decide(self.state, self._seen(running))
        if was.on and not self.state.on and self._memory and self._memory.may_rest:
            self._memory.clear()
        if (was.on, was.tokens) != (self.state.on, self.state.tokens):
            with suppress(OSError):  # nobody listens any more: the process is about to end
                self._tell(self.state)
