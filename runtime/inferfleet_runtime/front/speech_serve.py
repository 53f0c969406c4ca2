"""`inferfleet-runtime serve` for transcriptions: from loading to drain. The composition root of their server."""

import asyncio
import logging
import random
from collections.abc import Callable
from math import ceil

from prometheus_client import CollectorRegistry

from inferfleet_runtime import contract
from inferfleet_runtime.api.calls import limits
from inferfleet_runtime.api.sound import RATE
from inferfleet_runtime.api.speech import Hearing, Listener, SpeechLimits
from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.pytorch import torch_settings
from inferfleet_runtime.engines.transformers import TRANSFORMERS
from inferfleet_runtime.errors import ConfigError
from inferfleet_runtime.front.audio_routes import audio_routes
from inferfleet_runtime.front.bench import known_capacity
from inferfleet_runtime.front.media_start import NoText, first
from inferfleet_runtime.front.metrics import Metrics
from inferfleet_runtime.front.serve import Ambient, drain, listening, stop_signal, until_stopped
from inferfleet_runtime.front.server import application
from inferfleet_runtime.front.service import Phase, Service
from inferfleet_runtime.front.speech import Ear, Speech
from inferfleet_runtime.hosts.speech.decoder import decode
from inferfleet_runtime.hosts.speech.host import SpeechHost, command, running_speech
from inferfleet_runtime.hosts.speech.messages import Said

log = logging.getLogger(__name__)

_PROBE_TOKENS = 8
"""Of the transcription before readiness where the capacity is known."""
_MOST_TOKENS = 10**5
"""Upper end of a histogram: what is said in hours."""


async def serve_speech(config: RuntimeConfig, paths: Paths, port: int, ambient: Ambient) -> None:
    """Serve the fetched model until SIGTERM or SIGINT, then drain. Raises CommandError when the engine ends."""
    if config.modality not in TRANSFORMERS.modalities:
        raise ConfigError(f"modality: {TRANSFORMERS.name} serves Audio, not {config.modality or 'Text'}")
    # one sound takes all threads: a second beside it would slow both
    config = config.model_copy(update={"slots": 1})
    stop = stop_signal()
    metrics = Metrics(CollectorRegistry(), config.served_model_name, _MOST_TOKENS)
    settings = torch_settings(config, paths.at(contract.MODEL_DIR))
    async with running_speech(command(settings), ambient.now) as host:
        service = Service(config, NoText(host), metrics, ambient.now)
        speech = Speech(service, host, decode)
        async with listening(application(service, audio_routes(speech)), ambient.host, port):
            await until_stopped(stop, asyncio.create_task(_start(speech, host, ambient)), host.ended())
            if service.phase is Phase.READY:
                await drain(service)
    log.info("stopped")


async def _start(speech: Speech, host: SpeechHost, ambient: Ambient) -> None:
    """Load, transcribe once, and know from it how much more there can be; then be ready."""
    listener = await host.load()
    service = speech.service
    log.info("model loaded", extra={"modality": "Audio", "languages": len(listener.languages)})
    speech.limits = speech_limits(service.config, listener)
    known = known_capacity(ambient.capacity_file, service.config.slots)
    tokens = _PROBE_TOKENS if known else speech.limits.usual_tokens
    measured = await first(host, measure(host, speech.limits, tokens, ambient.now, ambient.rng))
    service.ready(known or measured)
    log.info("ready", extra={"tokens_per_second": round(known or measured, 2), "known": known is not None})


def speech_limits(config: RuntimeConfig, listener: Listener) -> SpeechLimits:
    """The class's usual request; what it leaves open is one window."""
    seconds = (config.media and config.media.seconds) or listener.window_seconds
    return SpeechLimits(limits(config).names, listener, seconds, config.benchmark.output_tokens)


async def measure(ear: Ear, limit: SpeechLimits, tokens: int, now: Callable[[], float], rng: random.Random) -> float:
    """Tokens per second of the usual transcription: noise of the usual length, `tokens` generated for it in all.

    Raises BackendError, GenerationRefused- and GenerationFailedError.
    """
    began, made = now(), 0

    def on_step(done: int) -> None:
        nonlocal made
        made = done

    samples = round(limit.usual_seconds * RATE)
    windows = ceil(limit.usual_seconds / limit.listener.window_seconds)
    hearing = Hearing(next(iter(limit.listener.languages)), exact_tokens=max(1, tokens // windows))
    await ear.generate(Said(hearing, rng.randbytes(2 * samples)), on_step)
    return made / max(now() - began, 1e-9)
