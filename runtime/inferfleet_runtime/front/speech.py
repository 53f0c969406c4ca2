"""The service of a model that writes down what is said: one sound at a time, measured. No HTTP here.

What is counted as a prompt token is a position of the encoder, and as a generated token one of text: as for text models
the capacity is what is generated in a second at the class's lengths.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from os import SEEK_END
from typing import IO, Protocol

from prometheus_client import CollectorRegistry, Counter

from inferfleet_runtime.api.caller import Caller
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.sound import BYTES_PER_SECOND, SoundError
from inferfleet_runtime.api.speech import MAX_FILE, Hearing, SpeechLimits, Transcript
from inferfleet_runtime.api.work import Work
from inferfleet_runtime.contract import Metric
from inferfleet_runtime.front.admission import Admission
from inferfleet_runtime.front.deadline import deadline
from inferfleet_runtime.front.gate import Gate, QueueFullError
from inferfleet_runtime.front.turns import Turns, told
from inferfleet_runtime.hosts.speech.messages import Said

Decode = Callable[[IO[bytes], float], Awaitable[bytes]]
"""Of a file, with the seconds that it may last, to sound as `api.sound` has it. Raises SoundError."""
_LEAST = Work(1, 1)
"""What the shortest sound asks of the engine."""
_MOST_WAITING = 8 * MAX_FILE
"""Bytes of the files that wait to be decoded."""


class Ear(Protocol):
    """What hears: `hosts.speech.SpeechHost`."""

    async def generate(self, asked: Said, on_step: Callable[[int], None]) -> Transcript:
        """Write one down; cancelling stops it. Raises BackendError, GenerationRefused- and GenerationFailedError."""

    def problem(self) -> str:
        """Why it can hear no more; empty while it works."""


@dataclass(frozen=True)
class Heard:
    """A transcript, and how many tokens were generated for it, those of vain attempts included."""

    transcript: Transcript
    tokens: int


@dataclass
class Speech(Turns):
    """State shared by all requests for transcriptions of one model."""

    ear: Ear
    decode: Decode
    limits: SpeechLimits = field(init=False)
    """From when the model is loaded: before it the service takes no requests."""
    heard: Counter = field(init=False)
    _decoding: Gate = field(default_factory=lambda: Gate(Admission(1, _MOST_WAITING)))
    """A file may be many times larger than it was sent, so that only one grows at a time. Counts bytes."""

    def __post_init__(self) -> None:
        """Register what text has no name for."""
        super().__post_init__()
        self.heard = sound_counter(self.service.metrics.registry, self.service.config.served_model_name)

    async def sound(self, file: IO[bytes], who: Caller, arrived: float) -> bytes:
        """Of a file, decoded when it is its turn; `arrived` in monotonic seconds.

        Raises the 400 of one that cannot be heard, the 429 of a full queue, and the 504 of a deadline.
        """
        now, size = self.service.now(), Work(size_of(file), 0)
        try:
            async with deadline(who, arrived, now), self._decoding.turn(size, who.priority):
                if self.service.gate.admission.refuses(_LEAST, who.priority):
                    raise QueueFullError
                return await self.decode(file, self.limits.longest_seconds)
        except SoundError as error:
            raise ApiError(400, str(error), param="file", code="invalid_value") from error
        except QueueFullError as full:
            self.arrived(self.limits.work(self.limits.usual_seconds), who)  # its length nobody knows
            raise self.too_many() from full

    async def hear(self, hearing: Hearing, sound: bytes) -> Heard:
        """Write it down, counted token by token. Raises ApiError."""
        tokens = 0

        def on_step(done: int) -> None:
            nonlocal tokens
            tokens = done
            self.service.metrics.generation_tokens.inc()

        with told():
            transcript = await self.ear.generate(Said(hearing, sound), on_step)
        self.heard.inc(len(sound) / BYTES_PER_SECOND)
        return Heard(transcript, tokens)


def size_of(file: IO[bytes]) -> int:
    """Bytes; it is at its beginning then."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    return size


def sound_counter(registry: CollectorRegistry, model: str) -> Counter:
    """Registered for the label `model_name`."""
    counter = Counter(Metric.AUDIO_SECONDS, "Seconds of sound transcribed.", ["model_name"], registry=registry)
    return counter.labels(model)
