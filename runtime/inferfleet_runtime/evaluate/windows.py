"""Held-out text in windows. Pure.

As llama.cpp's `llama-perplexity` does it: windows do not overlap, each is read with an empty context, its first half
is only read and the second half is scored, so that every guess has half a window before it. Where a model wants a
token at the beginning, it takes the place of a window's first. What does not fill a window is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inferfleet_runtime.errors import CommandError


@dataclass(frozen=True)
class Window:
    """Tokens that are read together."""

    tokens: tuple[int, ...]

    @property
    def read(self) -> tuple[int, ...]:
        """What the model is given: nothing stands behind the last token."""
        return self.tokens[:-1]

    @property
    def scored(self) -> tuple[int, ...]:
        """What it is to guess, each from all that stands before."""
        return self.tokens[len(self.tokens) // 2 + 1 :]


def windows(tokens: Sequence[int], size: int, first: int | None, limit: int | None) -> tuple[Window, ...]:
    """At most `limit` windows of `size` tokens. Raises CommandError where the text does not fill one."""
    count = min(len(tokens) // size, limit or len(tokens))
    if not count:
        raise CommandError(
            f"the text has {len(tokens)} tokens, one window {size}: give more text, or a smaller --context"
        )
    cut = (tuple(tokens[start : start + size]) for start in range(0, count * size, size))
    return tuple(Window(piece if first is None else (first, *piece[1:])) for piece in cut)
