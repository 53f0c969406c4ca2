"""`inferfleet run` as the process that a pod runs: probes, metrics, the Lease, and an orderly end."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from apiserver.control_plane import ControlPlane
from ports import free_port

from inferfleet.kube import kinds
from inferfleet.kube.cluster import KubernetesCluster


@dataclass
class Process:
    """A running operator."""

    popen: "subprocess.Popen[bytes]"
    health: str
    metrics: str


@pytest.fixture
def operator(control_plane: ControlPlane, namespace: str) -> Iterator[Process]:
    """Started with the command line of the chart, with its Lease in the test's namespace."""
    health, metrics = free_port(), free_port()
    argv = [
        sys.executable,
        "-m",
        "inferfleet",
        "run",
        "--runtime-image=x:1",
        f"--namespace={namespace}",
        "--identity=me",
    ]
    env = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig)}
    popen = subprocess.Popen([*argv, f"--health-port={health}", f"--metrics-port={metrics}"], env=env)
    try:
        yield Process(popen, f"http://127.0.0.1:{health}/healthz", f"http://127.0.0.1:{metrics}/metrics")
    finally:
        popen.kill()
        popen.wait()


async def _get(url: str) -> str:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return await response.text() if response.status == 200 else ""
    except aiohttp.ClientError:
        return ""


async def _until(check: Any, seconds: float = 60.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await check()):
            await asyncio.sleep(0.1)
        return found


async def _holder(cluster: KubernetesCluster, namespace: str) -> str:
    lease = await cluster.get(kinds.LEASE, namespace, "inferfleet-operator")
    return str((lease or {}).get("spec", {}).get("holderIdentity") or "")


async def test_it_leads_answers_its_probes_and_gives_the_lease_back_on_sigterm(
    operator: Process, cluster: KubernetesCluster, namespace: str
) -> None:
    holder = await _until(lambda: _holder(cluster, namespace))
    assert holder.startswith("me_")

    async def probed() -> str:
        text = await _get(operator.health)
        return text if "models" in text and "deployments" in text else ""  # each is there once it was heard of

    await _until(probed)
    assert "inferfleet_leader 1.0" in await _get(operator.metrics)
    operator.popen.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(operator.popen.wait, 60) == 0
    assert await _holder(cluster, namespace) == ""


def test_a_missing_image_is_said_by_the_command_line() -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("INFERFLEET_")}
    done = subprocess.run(
        [sys.executable, "-m", "inferfleet", "run"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--runtime-image" in done.stderr


def test_an_api_server_that_cannot_be_found_is_said_in_one_line() -> None:
    env = {k: v for k, v in os.environ.items() if k != "KUBERNETES_SERVICE_HOST"} | {"KUBECONFIG": "/nonexistent"}
    argv = [sys.executable, "-m", "inferfleet", "run", "--runtime-image=x:1", "--metrics-port=0", "--health-port=0"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "cannot load credentials for the API server" in done.stderr
    assert "Traceback" not in done.stderr
