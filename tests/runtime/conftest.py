"""Real `inferfleet-runtime serve` processes on tiny models. Writes below pytest's temporary folder."""

from contextlib import ExitStack

import pytest
from fakes.configs import configuration
from pods import prepare, serving

from e2e.models import tiny

WAIT = 60.0
"""Seconds; generous, since a slow machine is no failure."""


def tiny_pod(model, **changes):
    small = {
        "servedModelName": "team/tiny",
        "source": {"uri": model.as_uri()},
        "quantize": {"type": "Q4_0"},
        "contextTokens": 2048,
        "prefillChunkTokens": 128,
        "benchmark": {"promptTokens": 32, "outputTokens": 32, "maxSeconds": 0.2},
    }
    return configuration(**small | changes)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="session")
def start(tmp_path_factory, model):
    """Start pods with changes to the configuration; all end with the tests."""
    with ExitStack() as pods:

        def starts(files=None, **changes):
            root = tmp_path_factory.mktemp("pod")
            prepare(root, tiny_pod(model, **changes), "fetch", "quantize")
            for path, text in (files or {}).items():
                (root / path).write_text(text)
            return pods.enter_context(serving(root, WAIT))

        yield starts


@pytest.fixture(scope="session")
def pod(start):
    """A ready Q4_0 pod with two slots, shared by the tests that leave it as it was."""
    return start().ready()


@pytest.fixture
def client(pod):
    with pod.client() as client:
        yield client
