"""`inferfleet cost` against a real API server, as a user with a kubeconfig runs it."""

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import make
import pytest
from apiserver.control_plane import ControlPlane

from inferfleet import names
from inferfleet.api.model_status import CostStatus, ModelStatus, Summary
from inferfleet.fleet.status import to_json
from inferfleet.kube import kinds
from inferfleet.kube.cluster import KubernetesCluster

POOL = make.pool("cost-cpu", labels={"topology.kubernetes.io/region": "eu-west-1"})


def said(control_plane: ControlPlane, *argv: str) -> "subprocess.CompletedProcess[str]":
    env = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig)}
    command = [sys.executable, "-m", "inferfleet", "cost", *argv]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
async def model(cluster: KubernetesCluster, namespace: str) -> AsyncIterator[make.Obj]:
    """A Model, and a pool with a region."""
    await cluster.create(POOL)
    yield await cluster.create(make.model("demo", namespace, podMetadata={"labels": {"example.com/team": "search"}}))
    await cluster.delete(kinds.MODEL, namespace, "demo")
    await cluster.delete(kinds.HARDWARE_POOL, "", "cost-cpu")


async def test_costs_that_the_operator_writes_are_stored_whole_and_printed(
    control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, model: make.Obj
) -> None:
    cost = CostStatus.model_validate(
        {
            "class": "chat",
            "pool": "cost-cpu",
            "accelerators": "1.5",
            "pricePerAcceleratorHour": "0.05",
            "costPerHour": "0.075",
            "costPerMonth": "55",
            "costPer1MTokens": "0.21",
            "joulesPerToken": "0.3",
            "watts": 30,
            "tokensPerSecond": 100,
            "utilizationPercent": 40,
        }
    )
    status = to_json(ModelStatus(costs=[cost], summary=Summary(cost_per_hour="0.075", cost_per_month="55")))
    body = {key: model[key] for key in ("apiVersion", "kind")} | {"status": status}
    stored = await cluster.apply_status(
        body | {"metadata": {"name": "demo", "namespace": namespace}}, names.STATUS_MANAGER
    )
    assert stored["status"]["costs"] == status["costs"]
    assert stored["status"]["summary"]["costPerMonth"] == "55"

    done = await asyncio.to_thread(said, control_plane, "-n", namespace, "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["usdPerMonth"], row["idleUsdPerMonth"], row["usdPer1MTokens"]) == (55, 33, 0.21)

    done = await asyncio.to_thread(said, control_plane, "-n", namespace, "-o", "focus")
    (line,) = csv.DictReader(io.StringIO(done.stdout))
    assert (line["BilledCost"], line["RegionId"]) == ("0.075", "eu-west-1")
    assert json.loads(line["Tags"])["example.com/team"] == "search"
