"""The service of a model that writes down what is said: one sound at a time, measured. No HTTP here.

What is counted as a prompt token is a position of the encoder, and as a generated token one of text: as for text models
the capacity is what is generated in a second at the class's lengths.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Protocol

from prometheus_client import CollectorRegistry, Counter

from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.speech import BYTES_PER_SECOND, Hearing, SoundError, SpeechLimits, Transcript
from inferfleet_runtime.contract import Metric
from inferfleet_runtime.front.turns import Turns, told
from inferfleet_runtime.hosts.speech.messages import Said

Decode = Callable[[IO[bytes], float], bytes]
"""Of a file, with the seconds that it may last, to sound as `api.speech` has it. Raises SoundError."""


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
    _decoding: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A file may be many times larger than it was sent, so that only one grows at a time."""

    def __post_init__(self) -> None:
        """Register the metric that text has no name for."""
        self.heard = sound_counter(self.service.metrics.registry, self.service.config.served_model_name)

    async def sound(self, file: IO[bytes]) -> bytes:
        """Of a file. Raises the 400 of one that cannot be heard."""
        async with self._decoding:
            try:
                return await asyncio.to_thread(self.decode, file, self.limits.longest_seconds)
            except SoundError as error:
                raise ApiError(400, str(error), param="file", code="invalid_value") from error

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


def sound_counter(registry: CollectorRegistry, model: str) -> Counter:
    """Registered for the label `model_name`."""
    counter = Counter(Metric.AUDIO_SECONDS, "Seconds of sound transcribed.", ["model_name"], registry=registry)
    return counter.labels(model)
