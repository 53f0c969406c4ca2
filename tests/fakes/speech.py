"""An ear without a model: tokens when the test says so, and a service of it over real HTTP."""

import asyncio
import io
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import IO

import aiohttp
from aiohttp.test_utils import TestClient, TestServer
from fakes.configs import runtime_config
from fakes.service import Watched
from fakes.stepping import Stepping
from prometheus_client import CollectorRegistry

from inferfleet_runtime.api.sound import BYTES_PER_SECOND, SoundError
from inferfleet_runtime.api.speech import (
    Listener,
    Segment,
    SpeechLimits,
    Transcript,
)
from inferfleet_runtime.front.audio_routes import audio_routes
from inferfleet_runtime.front.media_start import NoText
from inferfleet_runtime.front.metrics import Metrics
from inferfleet_runtime.front.server import application
from inferfleet_runtime.front.service import Service
from inferfleet_runtime.front.speech import Speech
from inferfleet_runtime.hosts.speech.messages import Said

LISTENER = Listener({"en": "english", "de": "german"}, chooses=True, window_seconds=30.0, positions=1500)
SEGMENTS = (
    Segment(0.0, 2.5, " Hello there.", (5, 6, 7), 0, 0.0, -0.25, 0.01),
    Segment(3.0, 4.25, " Who --> is it?", (8, 9), 0, 0.0, -0.25, 0.01),
)
TOKENS = 5


class FakeEar(Stepping[Said]):
    """A step is a token; it always hears the same."""

    async def generate(self, asked: Said, on_step: Callable[[int], None]) -> Transcript:
        """See Ear."""
        await self.steps(asked, asked.hearing.exact_tokens or TOKENS, on_step)
        return Transcript(asked.hearing.language or "de", SEGMENTS)


async def decode(file: IO[bytes], longest: float) -> bytes:
    """A file of this fake holds its seconds in digits; they sound like nothing."""
    text = file.read()
    if not text.strip().isdigit():
        raise SoundError("the file cannot be decoded: digits are needed")
    if int(text) > longest:
        raise SoundError(f"the sound lasts longer than {longest:g} s: cut it")
    return bytes(int(text) * BYTES_PER_SECOND)


class Pod(Watched):
    """A service in front of a fake, and a client of it."""

    def __init__(self, ear, speech, client):
        super().__init__(speech.service, client)
        self.ear, self.speech = ear, speech

    def say(self, content=b"10", headers=None, **fields):
        form = aiohttp.FormData(default_to_multipart=True)
        if content is not None:
            form.add_field("file", io.BytesIO(content), filename="speech.wav", content_type="audio/wav")
        for name, value in {"model": "m", **fields}.items():
            form.add_field(name, value)
        return self.client.post("/v1/audio/transcriptions", data=form, headers=headers)


class FakeDecoder:
    """Decodes while `working` is set, one at a time; knows what it was given."""

    def __init__(self):
        self.working, self.begun, self.busy = asyncio.Event(), [], False

    async def __call__(self, file: IO[bytes], longest: float) -> bytes:
        """See `decode`."""
        assert not self.busy, "two files at once"
        self.begun.append(int(file.read()))
        file.seek(0)
        self.busy = True
        try:
            await self.working.wait()
            return await decode(file, longest)
        finally:
            self.busy = False


@asynccontextmanager
async def speech_pod(max_queued_tokens=100_000, ear=None, decoder=decode, **config):
    plain = {
        "engine": "transformers",
        "modality": "Audio",
        "slots": 1,
        "contextTokens": 2000,
        "admission": {"maxQueuedTokens": max_queued_tokens},
        "benchmark": {"promptTokens": 1500, "outputTokens": 100},
    }
    parsed, fake = runtime_config(**plain | config), ear or FakeEar()
    metrics = Metrics(CollectorRegistry(), "team/m", parsed.context_tokens)
    service = Service(parsed, NoText(fake), metrics, asyncio.get_running_loop().time)
    speech = Speech(service, fake, decoder)
    speech.limits = SpeechLimits(service.limits.names, LISTENER, usual_seconds=30.0, usual_tokens=100)
    service.ready(capacity=50.0)
    async with TestClient(TestServer(application(service, audio_routes(speech)))) as client:
        yield Pod(fake, speech, client)
