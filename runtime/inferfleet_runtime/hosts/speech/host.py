"""The process with Whisper. Starts, watches and ends one child process."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict

from inferfleet_runtime.api.speech import Listener, Transcript
from inferfleet_runtime.engines.pytorch import TorchSettings
from inferfleet_runtime.hosts.media.host import MediaHost, running
from inferfleet_runtime.hosts.speech.messages import SPEECH, Said

SpeechHost = MediaHost[Listener, Said, Transcript]


def command(settings: TorchSettings) -> list[str]:
    """How the process is started."""
    return [sys.executable, "-m", "inferfleet_runtime.hosts.speech.worker", json.dumps(asdict(settings))]


def running_speech(argv: Sequence[str], now: Callable[[], float]) -> AbstractAsyncContextManager[SpeechHost]:
    """A model that is loading; its process ends with the context."""
    return running(argv, SPEECH, now)
