"""Real `inferfleet-runtime serve` processes, as the operator's pods run them. Writes below the folders it is given."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families

COMMAND = (sys.executable, "-m", "inferfleet_runtime")
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1"}


@dataclass
class Pod:
    """One serving process."""

    process: subprocess.Popen[str]
    port: int
    root: Path
    wait: float
    """Seconds for anything; generous, since a slow machine is no failure."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self):
        return self.root / "log"

    def get(self, path):
        """Status and text; status 0 while nothing listens."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=self.wait) as response:
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
        deadline = time.monotonic() + self.wait
        while not condition():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"{what} never came:\n{self.log.read_text()}"
            time.sleep(0.01)

    def lines(self):
        """The log, every line of which must be JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def events(self):
        """The log's messages."""
        return [line["msg"] for line in self.lines()]

    def outcomes(self):
        """How each request that has ended did, in the log's order."""
        return [line["outcome"] for line in self.lines() if "outcome" in line]

    def ready(self):
        self.until(lambda: self.get("/health/ready")[0] == 200, "readiness")
        return self

    def client(self, **options):
        """The official client, to be closed after use; it never tries again by itself."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=self.wait, **options)

    def idle(self):
        """Whether no request runs or waits."""
        values = self.metrics()
        return values["vllm:num_requests_running"] == values["vllm:num_requests_waiting"] == 0

    def engine(self):
        """Id of the engine's process, which is a child of the server; None while there is none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next((int(pid) for pid in children if "inferfleet_runtime.hosts." in command_line(pid)), None)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self):
        return self.process.wait(self.wait)


def command_line(pid):
    """Of a process; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def prepare(root, values, *commands):
    """Configure, and run commands as the init containers do."""
    file = root / "etc/inferfleet/runtime.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))
    for command in commands:
        argv = [*COMMAND, command, "--root", root]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, env=ENVIRONMENT)
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}"


@contextmanager
def serving(root, wait):
    """A pod on what `prepare` has left; killed in the end if it still runs."""
    argv = [*COMMAND, "serve", "--root", root, "--port", str(port := free_port())]
    with (root / "log").open("w") as log:
        process = subprocess.Popen(argv, stderr=log, text=True, env=ENVIRONMENT)
    try:
        yield Pod(process, port, root, wait)
    finally:
        process.kill()
        process.wait()
