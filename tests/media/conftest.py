"""Real `inferfleet-runtime serve` processes on tiny pipelines. Writes below pytest's temporary folder."""

import importlib.util
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

collect_ignore_glob = [] if importlib.util.find_spec("diffusers") else ["test_*.py"]
"""`make test-media` has the extra `media`; without it there is nothing here to collect."""
WAIT = 600.0
"""Seconds; PyTorch alone takes a minute to import on a very busy machine."""
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1"}
MAKER = "import sys, pathlib, pipelines; getattr(pipelines, sys.argv[1])(pathlib.Path(sys.argv[2]))"


def configuration(model, modality, **changes):
    media = {"width": 64, "height": 64, "steps": 3}
    if modality == "Video":
        media |= {"frames": 9, "framesPerSecond": 8}
    return {
        "servedModelName": "team/tiny",
        "workloadClass": "pictures",
        "engine": "diffusers",
        "modality": modality,
        "media": media,
        "source": {"uri": model.as_uri()},
        "slots": 1,
        "contextTokens": 256,
        "threads": 1,
        "admission": {"maxQueuedTokens": 200},
        "benchmark": {"promptTokens": 1, "outputTokens": 1},
        "drainSeconds": 60,
        **changes,
    }


@dataclass
class Pod:
    """One serving process."""

    process: subprocess.Popen[str]
    port: int
    log: Path
    root: Path

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
            time.sleep(0.02)

    def lines(self):
        """The log; every line but the last of a failed command must be JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def ready(self):
        self.until(lambda: self.get("/health/ready")[0] == 200, "readiness")
        return self

    def client(self, **options):
        """The official client, to be closed after use; it never tries again by itself."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=WAIT, **options)

    def engine_pid(self):
        """Of the process with the pipeline, a child of the server."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def made(tmp_path_factory, kind):
    """In a process of its own, so that the tests do not carry PyTorch."""
    folder = tmp_path_factory.mktemp("model") / kind
    argv = [sys.executable, "-c", MAKER, kind, str(folder)]
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
    pods = []

    def starts(folder, modality, **changes):
        root = tmp_path_factory.mktemp("pod")
        file = root / "etc/inferfleet/runtime.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(configuration(folder, modality, **changes)))
        command = [sys.executable, "-m", "inferfleet_runtime"]
        subprocess.run([*command, "fetch", "--root", root], check=True, capture_output=True, env=ENVIRONMENT)
        argv = [*command, "serve", "--root", root, "--port", str(port := free_port())]
        with (root / "log").open("w") as log:
            process = subprocess.Popen(argv, stderr=log, text=True, env=ENVIRONMENT)
        pods.append(Pod(process, port, root / "log", root))
        return pods[-1]

    yield starts
    for pod in pods:
        pod.process.kill()
        pod.process.wait()


@pytest.fixture(scope="session")
def image_pod(start, pictures):
    """Ready, shared by the tests that leave it as it was."""
    return start(pictures, "Image").ready()


@pytest.fixture(scope="session")
def video_pod(start, videos):
    """The same for videos."""
    return start(videos, "Video").ready()
