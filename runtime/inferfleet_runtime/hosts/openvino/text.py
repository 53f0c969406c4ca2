"""From tokens to the text that a client may see. Pure.

A token may hold part of a character, and the beginning of a stop string must not be sent before it is known how it
goes on: both are held back.
"""

from codecs import getincrementaldecoder
from collections.abc import Sequence


class Text:
    """The text of one answer as it grows."""

    def __init__(self, stops: Sequence[str]) -> None:
        """`stops` end the text and are not part of it; none of them is empty."""
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False
        """A stop string has come; nothing may follow."""

    def feed(self, piece: bytes) -> str:
        """What a token adds to what may be seen."""
        return self._see(self._decoder.decode(piece))

    def end(self) -> str:
        """What was held back, when nothing more comes. Half a character becomes the replacement character."""
        rest = self._see(self._decoder.decode(b"", final=True))
        if self.stopped:
            return rest
        held, self._held = self._held, ""
        return rest + held

    def _see(self, new: str) -> str:
        if self.stopped:
            return ""
        if not self._stops:
            return new
        text = self._held + new
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            return text[: min(found)]
        cut = len(text) - longest_beginning(text, self._stops)
        self._held = text[cut:]
        return text[:cut]


def longest_beginning(text: str, stops: Sequence[str]) -> int:
    """Characters at the end of `text` with which one of `stops` may begin."""
    return max((_overlap(text, stop) for stop in stops), default=0)


def _overlap(text: str, stop: str) -> int:
    for length in range(min(len(stop) - 1, len(text)), 0, -1):
        if stop.startswith(text[-length:]):
            return length
    return 0
