"""Which slot a request gets, and which beginning of a prompt is worth keeping. Decides; does no I/O.

llama.cpp reuses what a slot holds and nothing that another slot holds. So the beginning that many requests share (a
system prompt, a document, examples) is saved once and restored into the slots that lack it. A beginning is known to be
shared when two requests went on differently after it; the next turn of one conversation goes on as before, and finds
its slot instead.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from inferfleet_runtime.hosts.llama.prompts import BLOCK, Prompt, shared

SHORTEST = 2
"""Blocks: a beginning of about 64 tokens or more is worth a file."""
_WORTH = 64
"""Bytes that a slot must hold of a prompt, and beyond a saved beginning, to be chosen for it."""
_REMEMBERED = 50_000
"""Marks of past prompts, at about 300 bytes each."""


@dataclass
class Slot:
    """One slot of the engine, as far as this side knows."""

    number: int
    busy: bool = False
    holds: Prompt | None = None
    """What it read last; None: unknown."""
    salt: str | None = None
    """Whose that was; None: nobody's."""
    used: int = 0
    """Order of use; higher is later."""


@dataclass(frozen=True)
class Plan:
    """What to do for one request."""

    slot: Slot
    restore: bytes | None = None
    """Mark of the saved beginning that the slot must get first."""
    make: int | None = None
    """Blocks to read and save before the request itself."""


def plan(prompt: Prompt | None, slots: Iterable[Slot], saved: Iterable[bytes], common: int) -> Plan | None:
    """The slot for a request, of those that are free; None if none is.

    `saved` holds the marks of saved beginnings, `common` says how many blocks of the prompt are known to be shared.
    """
    free = [slot for slot in slots if not slot.busy]
    if not free:
        return None
    oldest = min(free, key=lambda slot: slot.used)
    if prompt is None:
        return Plan(oldest)
    best = max(free, key=lambda slot: (_held(slot, prompt), -slot.used))
    held, kept = _held(best, prompt), deepest(prompt, frozenset(saved))
    make = common if common >= SHORTEST and common > kept else None
    if kept < SHORTEST or held > kept * BLOCK + _WORTH:
        slot = best if held >= min(_WORTH, len(prompt.data) / 2) else oldest
        return Plan(slot, make=make)
    # the oldest, and not the best: what that one holds beyond the beginning is somebody's conversation
    has = _held(oldest, prompt) >= kept * BLOCK
    return Plan(oldest, restore=None if has else prompt.marks[kept], make=make)


def _held(slot: Slot, prompt: Prompt) -> int:
    """Bytes of the prompt that the slot has read; none of another salt."""
    return shared(slot.holds, prompt) if slot.holds else 0


def deepest(prompt: Prompt, marks: frozenset[bytes]) -> int:
    """Blocks of the longest beginning of the prompt whose mark is among `marks`; 0 if none is."""
    return max((i for i, mark in enumerate(prompt.marks) if mark in marks), default=0)


@dataclass
class _Node:
    next: bytes
    """How the first prompt went on here."""
    branched: bool = False


@dataclass
class Past:
    """The prompts of the past, as far as is needed to know what they share."""

    _nodes: OrderedDict[bytes, _Node] = field(default_factory=OrderedDict)

    def common(self, prompt: Prompt) -> int:
        """Remember a prompt; how many of its blocks other prompts share that go on differently after them."""
        found = 0
        for index, mark in enumerate(prompt.marks):
            node, following = self._nodes.get(mark), prompt.block(index)
            if node is None:
                node = self._nodes[mark] = _Node(following)
            elif not _same(node.next, following):
                node.branched = True
            elif len(following) > len(node.next):
                node.next = following
            self._nodes.move_to_end(mark)
            if node.branched:
                found = index
        while len(self._nodes) > _REMEMBERED:
            self._nodes.popitem(last=False)
        return found


def _same(a: bytes, b: bytes) -> bool:
    """Whether one of two prompts goes on as the other: the shorter one may just end earlier."""
    return a.startswith(b) or b.startswith(a)


@dataclass
class Shelf:
    """The saved beginnings, by mark, the least recently used first."""

    space_bytes: int
    _sizes: OrderedDict[bytes, int] = field(default_factory=OrderedDict)

    def __iter__(self) -> Iterator[bytes]:
        """All marks."""
        return iter(self._sizes)

    def used(self, mark: bytes) -> None:
        """Note that it was wanted."""
        if mark in self._sizes:
            self._sizes.move_to_end(mark)

    def put(self, mark: bytes, size: int) -> Sequence[bytes]:
        """Add one of `size` bytes; the marks that must go for it: itself and no other if it alone is too large."""
        if size > self.space_bytes:
            self.drop(mark)
            return [mark]
        self._sizes[mark] = size
        gone = []
        while sum(self._sizes.values()) > self.space_bytes:
            gone.append(self._sizes.popitem(last=False)[0])
        return gone

    def drop(self, mark: bytes) -> None:
        """Forget one that turned out to be unusable."""
        self._sizes.pop(mark, None)
