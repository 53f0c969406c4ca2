"""`inferfleet snapshot` and `explain` against a real API server, as a user with a kubeconfig runs them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import make
import pytest
from apiserver.control_plane import ControlPlane

from inferfleet.kube import kinds
from inferfleet.kube.cluster import KubernetesCluster

CLASS = make.workload_class("snapshot-chat", slo={"ttft": "30s"})
OURS = {"test": "snapshot"}
"""Other tests have pools on the same server."""
POOL = make.pool(
    "snapshot-cpu", labels=OURS, nodes={"selector": {"snapshot": "yes"}, "replica": {"cpu": 1, "memory": "1Gi"}}
)


def said(control_plane: ControlPlane, *argv: str) -> "subprocess.CompletedProcess[str]":
    env = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig)}
    command = [sys.executable, "-m", "inferfleet", *argv]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
async def model(cluster: KubernetesCluster, namespace: str) -> AsyncIterator[str]:
    """A Model with its class, its pool and a node that holds two replicas."""
    node = make.node("snapshot-node", cpu="2", snapshot="yes")
    created = await cluster.create({**node, "status": {}})
    status = {key: created[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "snapshot-node"}}
    await cluster.apply_status(status | {"status": node["status"]}, "tests")
    for obj in (
        CLASS,
        POOL,
        make.model("demo", namespace, workloads=[{"class": "snapshot-chat", "pools": {"matchLabels": OURS}}]),
    ):
        await cluster.create(obj)
    yield f"{namespace}/demo"
    await cluster.delete(kinds.MODEL, namespace, "demo")
    await cluster.delete(kinds.HARDWARE_POOL, "", "snapshot-cpu")
    await cluster.delete(kinds.WORKLOAD_CLASS, "", "snapshot-chat")
    await cluster.delete(kinds.NODE, "", "snapshot-node")


async def test_a_snapshot_of_a_cluster_is_planned_as_the_cluster_is(
    control_plane: ControlPlane, model: str, tmp_path: Path
) -> None:
    file = tmp_path / "snapshot.yaml"
    saved = await asyncio.to_thread(said, control_plane, "snapshot", "--out", str(file))
    assert (saved.returncode, saved.stdout, saved.stderr) == (0, "", "")
    text = file.read_text()
    assert "resourceVersion" not in text
    assert "kind: Secret" not in text
    explained = await asyncio.to_thread(said, control_plane, "explain", model, "--snapshot", str(file))
    assert (explained.returncode, explained.stderr) == (0, "")
    assert "q4-0 on snapshot-cpu with llama-cpp, 1 replica" in explained.stdout
    asked = await asyncio.to_thread(said, control_plane, "explain", model)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout.splitlines()[:3] == explained.stdout.splitlines()[:3]
