"""What a window's tokens mean: parts with times, where the next window begins, whether to try again. Pure.

Whisper hears 30 s at once. It says when a part begins and ends with tokens of time, and the next window begins where
its last whole part ended (Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, 2022,
sections 3.8 and 4.5; the bounds are those of the latter).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from inferfleet_runtime.api.speech import compression_ratio

SECONDS_PER_MARK = 0.02
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Tried one after the other where a text repeats itself or is unsure."""
_MOST_COMPRESSION = 2.4
_LEAST_LOGPROB = -1.0
_NO_SPEECH = 0.6
_LEAST_ADVANCE = 1.0
"""Seconds. A model that marks an end at once would be asked for the same window for ever."""


@dataclass(frozen=True)
class Part:
    """Tokens of text, and when they were said: seconds from the beginning of the window."""

    start: float
    end: float
    tokens: tuple[int, ...]


def silent(no_speech: float, avg_logprob: float) -> bool:
    """Whether nothing was said, whatever was written."""
    return no_speech > _NO_SPEECH and avg_logprob < _LEAST_LOGPROB


def good(text: str, avg_logprob: float, no_speech: float) -> bool:
    """Whether it need not be tried again at a higher temperature."""
    if silent(no_speech, avg_logprob):
        return True
    return compression_ratio(text) <= _MOST_COMPRESSION and avg_logprob >= _LEAST_LOGPROB


def parts(tokens: Sequence[int], first_mark: int, seconds: float) -> tuple[tuple[Part, ...], float]:
    """The parts of a window of `seconds`, and where the next one begins.

    `first_mark` is the token of 0 s; greater ones are later, and all others are text. Two marks side by side end one
    part and begin the next. What follows the last pair is heard again in the next window, unless it was ended by a
    mark too, with nothing behind it but silence.
    """

    def time(mark: int) -> float:
        return min(seconds, max(0, mark - first_mark) * SECONDS_PER_MARK)

    cuts = [at for at, (a, b) in enumerate(pairwise(tokens), 1) if a >= first_mark and b >= first_mark]
    ended = len(tokens) > 1 and tokens[-1] >= first_mark > tokens[-2]
    if not cuts:
        marks = [token for token in tokens if token >= first_mark]
        end = time(marks[-1]) if marks and marks[-1] > first_mark else seconds
        text = tuple(token for token in tokens if token < first_mark)
        return (Part(time(marks[0]) if marks else 0.0, end, text),), seconds
    edges = [0, *cuts, *([len(tokens)] if ended else [])]
    pieces = [tokens[a:b] for a, b in pairwise(edges)]
    found = tuple(Part(time(p[0]), time(p[-1]), tuple(token for token in p if token < first_mark)) for p in pieces)
    advance = seconds if ended else max(time(tokens[cuts[-1] - 1]), _LEAST_ADVANCE)
    return found, advance
