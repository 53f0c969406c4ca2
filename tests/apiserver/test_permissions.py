"""The chart's permissions are exactly what the operator uses: it runs with no others, and leaves none unused."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import make
import pytest
from apiserver.control_plane import ControlPlane
from apiserver.test_operator import CHILDREN, children, eventually, furnish
from chart.helm import one, render
from chart.test_rbac import Needs, granted
from harness import SETTINGS
from prometheus_client import CollectorRegistry

from e2e.cluster.binaries import ensure
from inferfleet.catalog import loader
from inferfleet.cli.process import Process
from inferfleet.kube import kinds
from inferfleet.kube.cluster import KubernetesCluster
from inferfleet.metrics import Metrics

SYSTEM = "inferfleet-system"
VERBS = {
    "apply": ("create", "patch"),  # of what is absent it is a create
    "apply_status": ("patch",),
    "replace": ("update",),
    "list": ("list", "watch"),  # only informers list; their watches are counted when they end
}
"""What a call of ours is to the API server, where that is not its name."""
MEASURED = {
    ("inferfleet.io", "capacityprofiles", "create"),
    ("inferfleet.io", "capacityprofiles", "patch"),
    ("inferfleet.io", "capacityprofiles/status", "patch"),
}
"""Used once a pod has measured itself; here no pod runs."""


@pytest.fixture
async def kubeconfig(control_plane: ControlPlane, cluster: KubernetesCluster, tmp_path: Path) -> str:
    """Of the chart's ServiceAccount, with the chart's roles and no others."""
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}, "test")
    roles = [o for o in render() if o["apiVersion"].startswith("rbac.authorization.k8s.io/")]
    kubectl = [str(ensure(["kubectl"])["kubectl"]), f"--kubeconfig={control_plane.kubeconfig}"]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": roles})
    subprocess.run([*kubectl, "apply", "-f", "-"], input=manifest, text=True, check=True, capture_output=True)
    return str(control_plane.user(tmp_path, f"system:serviceaccount:{SYSTEM}:inferfleet-operator"))


@asynccontextmanager
async def leading(kubeconfig: str) -> AsyncIterator[Metrics]:
    """The operator's engine with leader election; yields its metrics."""
    metrics = Metrics(CollectorRegistry())
    chosen = replace(SETTINGS, kubeconfig=kubeconfig, namespace=SYSTEM)
    task = asyncio.create_task(Process(chosen, loader.load(), metrics).engine())
    try:
        yield metrics
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def used(metrics: Metrics) -> tuple[Needs, list[str]]:
    """(group, resource, verb) of every call, and what was forbidden."""
    known = {kind.kind: kind for kind in kinds.KINDS.values()}
    found: Needs = set()
    forbidden = []
    for sample in (s for metric in metrics.calls.collect() for s in metric.samples if s.name.endswith("_total")):
        kind, verb = known[sample.labels["kind"]], sample.labels["verb"]
        group = kind.api_version.rpartition("/")[0]
        resource = f"{kind.plural}/status" if verb == "apply_status" else kind.plural
        found |= {(group, resource, name) for name in VERBS.get(verb, (verb,))}
        if sample.labels["code"] == "403":
            forbidden.append(f"{verb} {kind.kind}")
    return found, forbidden


async def test_the_operator_uses_every_permission_of_the_chart_and_needs_no_other(
    cluster: KubernetesCluster, namespace: str, kubeconfig: str
) -> None:
    await furnish(cluster, namespace)
    workload = {"class": namespace, "pools": {"matchLabels": {"test": namespace}}}
    model = make.model(namespace=namespace, workloads=[workload])

    async def there(count: int) -> bool:
        return len(await children(cluster, namespace)) == count

    async with leading(kubeconfig) as metrics:
        await cluster.apply(model, "test")
        await eventually(lambda: there(len(CHILDREN)))
        # another class takes the place of the first: everything of the first is removed
        await cluster.apply(make.workload_class(f"{namespace}-b"), "test")
        model["spec"]["workloads"] = [workload | {"class": f"{namespace}-b"}]
        await cluster.apply(model, "test")

        async def replaced() -> bool:
            found = await children(cluster, namespace)
            return len(found) == len(CHILDREN) and all(
                o["metadata"]["labels"]["inferfleet.io/class"] == f"{namespace}-b" for o in found
            )

        await eventually(replaced)

        async def renewed() -> bool:
            return ("coordination.k8s.io", "leases", "update") in used(metrics)[0]

        await eventually(renewed)
        needed, forbidden = used(metrics)
    # namespaces of other tests are being removed: what is new there is forbidden to everybody
    assert set(forbidden) <= {"create Event"}
    objects = render()
    may = granted(one(objects, "ClusterRole", "inferfleet-operator")) | granted(one(objects, "Role"))
    assert needed | MEASURED == may
