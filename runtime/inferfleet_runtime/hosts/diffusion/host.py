"""The process with a diffusers pipeline. Starts, watches and ends one child process."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict

from inferfleet_runtime.api.media import Generation, Pipeline
from inferfleet_runtime.engines.pytorch import TorchSettings
from inferfleet_runtime.hosts.diffusion.messages import DIFFUSION, Made
from inferfleet_runtime.hosts.media.host import MediaHost, Timing, running

DiffusionHost = MediaHost[Pipeline, Generation, Made]


def command(settings: TorchSettings) -> list[str]:
    """How the process is started."""
    return [sys.executable, "-m", "inferfleet_runtime.hosts.diffusion.worker", json.dumps(asdict(settings))]


def running_diffusion(
    argv: Sequence[str], now: Callable[[], float], timing: Timing | None = None
) -> AbstractAsyncContextManager[DiffusionHost]:
    """A pipeline that is loading; its process ends with the context."""
    return running(argv, DIFFUSION, now, timing)
