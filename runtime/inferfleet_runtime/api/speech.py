"""What is known of a model that hears, what it is asked for and what it has heard. Pure."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from inferfleet_runtime.api.media import LARGEST
from inferfleet_runtime.api.work import Work

LONGEST_SECONDS = 1500.0
"""That a request may last, whatever is usual; OpenAI's bound for its newer models."""
MAX_FILE = 25 * 2**20
"""Bytes of a file; OpenAI's bound."""


@dataclass(frozen=True)
class Listener:
    """What is known of a model once it is loaded."""

    languages: Mapping[str, str]
    """By ISO code, with their English names. It hears no other."""
    chooses: bool
    """Whether it is told the language, or finds it out; else it knows but one."""
    window_seconds: float
    """It hears so much at once."""
    positions: int
    """Of its encoder, for a window."""

    def tokens(self, seconds: float) -> int:
        """Audio tokens: positions of the encoder that the sound takes."""
        return ceil(seconds * self.positions / self.window_seconds)


@dataclass(frozen=True)
class Hearing:
    """One transcription, as the engine is asked for it; the sound goes beside it."""

    language: str | None = None
    """ISO code; None: to be found out."""
    prompt: str = ""
    """What was said before, or names in their spelling."""
    temperature: float | None = None
    """None: 0, and higher ones where that repeats itself or is unsure."""
    timestamps: bool = False
    """Whether it must tell when each part was said. Of sound beyond one window it always does."""
    exact_tokens: int | None = None
    """Generate just so many for a window, whatever they say: to measure."""


@dataclass(frozen=True)
class Segment:
    """A part that was said without a pause. Times are seconds from the beginning of the sound."""

    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    seek: int
    """Where its window begins, in hundredths of a second: the frames of Whisper's spectrogram."""
    temperature: float
    avg_logprob: float
    """Of its window's tokens."""
    no_speech_prob: float
    """Of its window."""


@dataclass(frozen=True)
class Transcript:
    """What was said."""

    language: str
    """ISO code."""
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(segment.text for segment in self.segments).strip()


@dataclass(frozen=True)
class SpeechLimits:
    """What a request is held against."""

    names: frozenset[str]
    """Values of `model` that mean this one."""
    listener: Listener
    usual_seconds: float
    """Of the workload class, or else one window."""
    usual_tokens: int
    """That usual sound is written in."""

    @property
    def longest_seconds(self) -> float:
        """Longer sound is refused: nobody else is heard meanwhile."""
        return max(LONGEST_SECONDS, LARGEST * self.usual_seconds)

    def work(self, seconds: float) -> Work:
        """Audio tokens, and as many text tokens as are usually said in the time."""
        return Work(self.listener.tokens(seconds), ceil(self.usual_tokens * seconds / self.usual_seconds))


def compression_ratio(text: str) -> float:
    """Size of a text over that of it compressed; what repeats itself has more than 2.4 (Radford et al. 2022, 4.5)."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw))
