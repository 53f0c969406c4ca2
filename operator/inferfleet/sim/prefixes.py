"""Blocks of prompts that a KV cache keeps: shared while used, least recently used first to go. Pure memory."""

from collections import OrderedDict
from collections.abc import Iterable

from inferfleet.sim.types import BLOCK_TOKENS


class Prefixes:
    """Counts whole blocks, as vLLM's automatic prefix caching does: by the ids of a prompt's leading blocks."""

    def __init__(self) -> None:
        self._used: dict[int, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()

    @property
    def pinned_tokens(self) -> int:
        """That requests in progress need; each shared block counts once."""
        return len(self._used) * BLOCK_TOKENS

    def hits(self, prefix: tuple[int, ...], free_tokens: float) -> int:
        """Leading blocks that are there, once idle ones beyond `free_tokens` have gone."""
        while len(self._idle) * BLOCK_TOKENS > free_tokens:
            self._idle.popitem(last=False)
        found = 0
        for block in prefix:
            if block not in self._used and block not in self._idle:
                break
            found += 1
        return found

    def pin(self, blocks: Iterable[int]) -> None:
        """Blocks that are there are needed once more."""
        for block in blocks:
            self._idle.pop(block, None)
            self._used[block] = self._used.get(block, 0) + 1

    def add(self, block: int) -> bool:
        """A computed block, needed by who computed it; False: another request has just computed the same."""
        if block in self._used or block in self._idle:
            return False
        self._used[block] = 1
        return True

    def release(self, blocks: Iterable[int]) -> None:
        """They are needed once less; idle ones stay until the room is."""
        for block in blocks:
            left = self._used[block] - 1
            if left:
                self._used[block] = left
            else:
                del self._used[block]
                self._idle[block] = None
