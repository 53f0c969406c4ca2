"""Model pods as processes of this machine: the real runtime, front and engine, no cluster. Writes below a folder."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READY_WITHIN = 600.0
RUN = (sys.executable, "-m", "inferfleet_runtime")


@dataclass(frozen=True)
class Pod:
    """A pod that serves."""

    name: str
    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        """Base of the API, without `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    def memory_bytes(self) -> int:
        """Resident in the front and all that it started, each at its peak: what a container's limit must hold."""
        return sum(_peak(pid) for pid in family(self.pid))

    def metric(self, name: str) -> float:
        """Sum of a metric's series; 0 where there is none."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as response:
            lines = response.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


def configuration(model: Path, **changes: Any) -> dict[str, Any]:
    """A RuntimeConfig for a GGUF file of this machine."""
    plain = {
        "servedModelName": "bench/model",
        "workloadClass": "chat",
        "engine": "llama-cpp",
        "source": {"uri": f"file://{model.absolute()}"},
        "slots": 16,
        "contextTokens": 512,
        "prefillChunkTokens": 512,
        "threads": os.cpu_count(),
        "admission": {"maxQueuedTokens": 1_000_000},
        "benchmark": {"promptTokens": 16, "outputTokens": 16},
        "drainSeconds": 0,
    }
    return plain | changes


@contextmanager
def serving(
    folder: Path, name: str, config: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Iterator[Pod]:
    """A ready pod that measures nothing itself; ends with the context. RuntimeError with its last words if it fails."""
    root = folder / name
    etc = root / "etc/inferfleet"
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "runtime.json").write_text(json.dumps(config))
    (etc / "capacity.json").write_text(json.dumps({"tokensPerSecond": 100, "slots": config["slots"]}))
    environ = os.environ | dict(environment or {})
    prepare(root, environ)
    port, log = free_port(), root / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen([*RUN, "serve", "--root", root, "--port", str(port)], stderr=stderr, env=environ)
    pod = Pod(name, port, process.pid, log)
    try:
        _wait_until_ready(pod, process)
        yield pod
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()


def prepare(root: Path, environ: Mapping[str, str]) -> None:
    """`fetch` and `quantize`, as a pod's init containers would."""
    for command in ("fetch", "quantize"):
        done = subprocess.run([*RUN, command, "--root", root], capture_output=True, text=True, env=environ, check=False)
        if done.returncode:
            raise RuntimeError(f"{command} of {root.name} failed: {done.stderr.strip()[-500:]}")


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def family(pid: int) -> list[int]:
    """A process and all its descendants that run."""
    found = [pid]
    for known in found:
        with suppress(OSError):
            children = Path(f"/proc/{known}/task/{known}/children").read_text().split()
            found += [int(child) for child in children]
    return found


def _peak(pid: int) -> int:
    with suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return int(found.group(1)) * 1024 if found else 0
    return 0


def _wait_until_ready(pod: Pod, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{pod.name} ended while starting: {pod.log.read_text()[-800:]}")
        with suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{pod.url}/health/ready", timeout=5).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"{pod.name} is not ready after {READY_WITHIN:.0f} s: {pod.log.read_text()[-800:]}")
