"""Real `inferfleet-runtime serve` processes on tiny models. Writes below pytest's temporary folder."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from e2e.models import tiny

WAIT = 60.0
"""Seconds; generous, since a slow machine is no failure."""
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1"}


def configuration(model, **changes):
    return {
        "servedModelName": "team/tiny",
        "workloadClass": "chat",
        "engine": "llama-cpp",
        "source": {"uri": model.as_uri()},
        "quantize": {"type": "Q4_0"},
        "slots": 2,
        "contextTokens": 2048,
        "prefillChunkTokens": 128,
        "threads": 1,
        "admission": {"maxQueuedTokens": 8000},
        "benchmark": {"promptTokens": 32, "outputTokens": 32, "maxSeconds": 0.2},
        "drainSeconds": 30,
        **changes,
    }


@dataclass
class Pod:
    """One serving process."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path):
        """Status and text; status 0 while nothing listens."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=WAIT) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return 0, ""

    def metrics(self):
        """Sum of each series over its labels."""
        values = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                values[sample.name] = values.get(sample.name, 0.0) + sample.value
        return values

    def until(self, condition, what):
        """Poll; fails with the log when the process ends or time is up."""
        deadline = time.monotonic() + WAIT
        while not condition():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"{what} never came:\n{self.log.read_text()}"
            time.sleep(0.01)

    def events(self):
        """The log's messages; every line must be JSON."""
        return [json.loads(line)["msg"] for line in self.log.read_text().splitlines()]

    def outcomes(self):
        """How each request that has ended did, in the log's order."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines())
        return [line["outcome"] for line in lines if "outcome" in line]

    def ready(self):
        self.until(lambda: self.get("/health/ready")[0] == 200, "readiness")
        return self

    def client(self):
        """The official client, to be closed after use; it never tries again by itself."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=60)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self):
        return self.process.wait(WAIT)


def prepare(root, values):
    """Run `fetch` and `quantize` as the init containers do."""
    file = root / "etc/inferfleet/runtime.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))
    for command in ("fetch", "quantize"):
        argv = [sys.executable, "-m", "inferfleet_runtime", command, "--root", root]
        subprocess.run(argv, check=True, capture_output=True, env=ENVIRONMENT)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="session")
def start(tmp_path_factory, model):
    """Start pods with changes to the configuration; all end with the tests."""
    pods = []

    def starts(files=None, **changes):
        root = tmp_path_factory.mktemp("pod")
        prepare(root, configuration(model, **changes))
        for path, text in (files or {}).items():
            (root / path).write_text(text)
        argv = [sys.executable, "-m", "inferfleet_runtime", "serve", "--root", root, "--port", str(port := free_port())]
        with (root / "log").open("w") as log:
            process = subprocess.Popen(argv, stderr=log, text=True, env=ENVIRONMENT)
        pods.append(Pod(process, port, root / "log"))
        return pods[-1]

    yield starts
    for pod in pods:
        pod.process.kill()
        pod.process.wait()


@pytest.fixture(scope="session")
def pod(start):
    """A ready Q4_0 pod with two slots, shared by the tests that leave it as it was."""
    return start().ready()


@pytest.fixture
def client(pod):
    with pod.client() as client:
        yield client
