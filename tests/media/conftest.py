"""Real `inferfleet-runtime serve` processes on tiny pipelines. Writes below pytest's temporary folder."""

import importlib.util
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from fakes.configs import configuration
from pods import ENVIRONMENT, prepare, serving

collect_ignore_glob = [] if importlib.util.find_spec("diffusers") else ["test_*.py"]
"""`make test-media` has the extra `media`; without it there is nothing here to collect."""
WAIT = 600.0
"""Seconds; PyTorch alone takes a minute to import on a very busy machine."""
MAKER = (
    "import sys, pathlib, importlib; "
    "getattr(importlib.import_module(sys.argv[1]), sys.argv[2])(pathlib.Path(sys.argv[3]))"
)


def media_pod(model, modality, **changes):
    media = {"width": 64, "height": 64, "steps": 3}
    if modality == "Video":
        media |= {"frames": 9, "framesPerSecond": 8}
    if modality == "Audio":
        spoken = {
            "engine": "transformers",
            "media": {"seconds": 2},
            "benchmark": {"promptTokens": 1, "outputTokens": 8},
        }
        changes = spoken | changes
    plain = {
        "servedModelName": "team/tiny",
        "engine": "diffusers",
        "modality": modality,
        "media": media,
        "source": {"uri": model.as_uri()},
        "slots": 1,
        "contextTokens": 256,
        "admission": {"maxQueuedTokens": 200},
        "benchmark": {"promptTokens": 1, "outputTokens": 1},
    }
    return configuration(**plain | changes)


def made(tmp_path_factory, kind, module="pipelines"):
    """In a process of its own, so that the tests do not carry PyTorch."""
    folder = tmp_path_factory.mktemp("model") / kind
    argv = [sys.executable, "-c", MAKER, module, kind, str(folder)]
    subprocess.run(argv, check=True, capture_output=True, cwd=Path(__file__).parent, env=ENVIRONMENT)
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """The folder of a StableDiffusionPipeline."""
    return made(tmp_path_factory, "stable_diffusion")


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """The folder of an LTXPipeline."""
    return made(tmp_path_factory, "ltx_video")


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """Start pods on a folder; all end with the tests."""
    with ExitStack() as pods:

        def starts(folder, modality, **changes):
            root = tmp_path_factory.mktemp("pod")
            prepare(root, media_pod(folder, modality, **changes), "fetch")
            return pods.enter_context(serving(root, WAIT))

        yield starts


@pytest.fixture(scope="session")
def image_pod(start, pictures):
    """Ready, shared by the tests that leave it as it was."""
    return start(pictures, "Image").ready()


@pytest.fixture(scope="session")
def video_pod(start, videos):
    """The same for videos."""
    return start(videos, "Video").ready()


@pytest.fixture(scope="session")
def babble_pod(start, tmp_path_factory):
    """A Whisper of random weights, ready."""
    return start(made(tmp_path_factory, "babbling", "listeners"), "Audio").ready()


@pytest.fixture(scope="session")
def tone_pod(start, tmp_path_factory):
    """A Whisper that tells two tones from each other, ready."""
    return start(made(tmp_path_factory, "trained", "listeners"), "Audio").ready()


@pytest.fixture(scope="session")
def english_pod(start, tmp_path_factory):
    """A Whisper of one language with weights of two bytes, ready."""
    return start(made(tmp_path_factory, "english", "listeners"), "Audio").ready()
