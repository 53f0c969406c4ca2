"""The whole operator against a real API server: informers, queue, reconcile, garbage collection."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import make
import pytest
from apiserver.control_plane import ControlPlane
from harness import CHILDREN, SETTINGS
from prometheus_client import CollectorRegistry

from inferfleet.catalog import loader
from inferfleet.fleet.controller import Controller
from inferfleet.kube import kinds
from inferfleet.kube.cluster import KubernetesCluster
from inferfleet.kube.connect import connect
from inferfleet.kube.kinds import Kind, Obj
from inferfleet.metrics import Metrics

READS = ("get", "list", "watch")


@asynccontextmanager
async def running(
    plane: ControlPlane, registry: CollectorRegistry | None = None, **settings: Any
) -> AsyncIterator["Counter[str]"]:
    """An operator; yields its writes as `verb Kind`."""
    writes: Counter[str] = Counter()

    def count(verb: str, kind: Kind, status: int) -> None:
        if verb not in READS:
            writes[f"{verb} {kind.kind}"] += 1

    client = await connect(str(plane.kubeconfig), on_call=count)
    chosen = replace(SETTINGS, **settings)
    metrics = Metrics(registry or CollectorRegistry())
    task = asyncio.create_task(Controller(client, chosen, loader.load(), metrics).run())
    try:
        yield writes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()


async def eventually(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Poll an async check."""
    async with asyncio.timeout(seconds):
        while not (found := await check()):
            await asyncio.sleep(0.05)
        return found


async def furnish(cluster: KubernetesCluster, name: str) -> None:
    """A node, a pool and a class of this name; the first two have it as their label `test`."""
    label = {"test": name}
    node = make.node(name, **label)
    pool = make.pool(name, labels=label)
    pool["spec"]["nodes"]["selector"] = label
    await cluster.apply({k: v for k, v in node.items() if k != "status"}, "test")
    await cluster.apply_status(node, "test")
    await cluster.apply(pool, "test")
    await cluster.apply(make.workload_class(name), "test")


@pytest.fixture
async def world(cluster: KubernetesCluster, namespace: str) -> AsyncIterator[str]:
    """A node, a pool and a class of this test alone; yields the namespace, which is their name, too."""
    await furnish(cluster, namespace)
    yield namespace
    for kind in (kinds.NODE, kinds.HARDWARE_POOL, kinds.WORKLOAD_CLASS):
        await cluster.delete(kind, "", namespace)


def model(namespace: str) -> Obj:
    workload = {"class": namespace, "replicas": {"min": 1, "max": 3}, "pools": {"matchLabels": {"test": namespace}}}
    return make.model(namespace=namespace, workloads=[workload])


async def children(cluster: KubernetesCluster, namespace: str) -> list[Obj]:
    selector = "inferfleet.io/managed=true"
    return [o for kind in CHILDREN for o in (await cluster.list(kind, namespace=namespace, selector=selector)).items]


async def test_a_model_gets_its_children_and_a_restart_writes_nothing(
    control_plane: ControlPlane, cluster: KubernetesCluster, world: str
) -> None:
    await cluster.apply(model(world), "user")

    async def settled() -> bool:
        found = await cluster.get(kinds.MODEL, world, "demo")
        return len(await children(cluster, world)) == len(CHILDREN) and bool(found and found.get("status"))

    async with running(control_plane) as writes:
        await eventually(settled)
        await asyncio.sleep(3)  # a scaling round and its status
        assert {w: n for w, n in writes.items() if w.startswith("apply ")} == {f"apply {k.kind}": 1 for k in CHILDREN}
    before = {o["metadata"]["uid"]: o["metadata"]["resourceVersion"] for o in await children(cluster, world)}
    async with running(control_plane) as writes:
        await asyncio.sleep(4)
    assert not writes
    assert {o["metadata"]["uid"]: o["metadata"]["resourceVersion"] for o in await children(cluster, world)} == before


async def test_a_child_deleted_or_edited_by_hand_is_put_right(
    control_plane: ControlPlane, cluster: KubernetesCluster, world: str
) -> None:
    async with running(control_plane):
        await cluster.apply(model(world), "user")
        (deployment,) = [o for o in await eventually(lambda: _all(cluster, world)) if o["kind"] == "Deployment"]
        name, uid = deployment["metadata"]["name"], deployment["metadata"]["uid"]
        await cluster.delete(kinds.DEPLOYMENT, world, name)

        async def back() -> Obj | None:
            found = await cluster.get(kinds.DEPLOYMENT, world, name)
            return found if found and found["metadata"]["uid"] != uid else None

        found = await eventually(back)
        found["spec"]["template"]["spec"]["containers"][0]["image"] = "evil"
        found["metadata"] = {"name": name, "namespace": world}
        await cluster.apply(found, "somebody")

        async def mended() -> bool:
            now = await cluster.get(kinds.DEPLOYMENT, world, name)
            return bool(now and now["spec"]["template"]["spec"]["containers"][0]["image"] == SETTINGS.runtime_image)

        await eventually(mended)


async def _all(cluster: KubernetesCluster, namespace: str) -> list[Obj]:
    found = await children(cluster, namespace)
    return found if len(found) == len(CHILDREN) else []


async def test_deleting_a_model_leaves_nothing(
    control_plane: ControlPlane, cluster: KubernetesCluster, world: str
) -> None:
    async with running(control_plane):
        await cluster.apply(model(world), "user")
        await eventually(lambda: _all(cluster, world))
        await cluster.delete(kinds.MODEL, world, "demo")

        async def empty() -> bool:
            return not await children(cluster, world)

        await eventually(empty)


async def test_the_real_server_keeps_children_as_they_were_applied(
    control_plane: ControlPlane, cluster: KubernetesCluster, world: str
) -> None:
    """Defaults and normalised values must not look like drift: then every reconcile would write."""
    async with running(control_plane) as writes:
        await cluster.apply(model(world), "user")
        await eventually(lambda: _all(cluster, world))
        for _ in range(3):  # each change of the class wakes every Model
            change = make.workload_class(world)
            change["metadata"]["annotations"] = {"touched": str(_)}
            await cluster.apply(change, "test")
            await asyncio.sleep(0.5)
        assert {w: n for w, n in writes.items() if w.startswith("apply ")} == {f"apply {k.kind}": 1 for k in CHILDREN}


async def test_pools_and_classes_tell_what_is_made_of_them(
    control_plane: ControlPlane, cluster: KubernetesCluster, world: str
) -> None:
    async def conditions(kind: Kind) -> dict[str, str]:
        found = await cluster.get(kind, "", world)
        assert found
        return {c["type"]: c["status"] for c in found.get("status", {}).get("conditions", ())}

    async with running(control_plane) as writes:
        await eventually(lambda: conditions(kinds.WORKLOAD_CLASS))
        assert await eventually(lambda: conditions(kinds.HARDWARE_POOL)) == {
            "Accepted": "True",
            "FieldsObeyed": "True",
            "NodesExclusive": "True",
        }
        broken = make.pool(world, labels={"test": world}, accelerator="abacus")
        await cluster.apply(broken, "test")

        async def refused() -> bool:
            return (await conditions(kinds.HARDWARE_POOL))["Accepted"] == "False"

        await eventually(refused)
        seen = writes["apply_status HardwarePool"]
    async with running(control_plane) as again:
        await eventually(lambda: conditions(kinds.HARDWARE_POOL))
        await asyncio.sleep(1)  # longer than it takes to judge
        judged = [w for w in again if w.endswith(("HardwarePool", "WorkloadClass"))]
        assert not judged, "a restart judges the same"
    assert seen >= 2


async def test_in_the_namespaced_mode_models_elsewhere_are_left_alone(
    control_plane: ControlPlane, cluster: KubernetesCluster, world: str
) -> None:
    other = f"{world}-other"
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    mine, theirs = model(world), model(world) | {"metadata": {"name": "demo", "namespace": other}}
    await cluster.apply(theirs, "test")
    await cluster.apply(mine, "test")
    async with running(control_plane, watch_namespaces=(world, "not-there-yet")):
        await eventually(lambda: children(cluster, world))
        assert not await children(cluster, other)
        found = await cluster.get(kinds.MODEL, other, "demo")
        assert found
        assert found["status"] == {"observedGeneration": -1}, "the CRD's default"
    await cluster.delete(kinds.NAMESPACE, "", other)


async def test_what_a_pod_holds_is_booked_from_when_it_is_bound_to_a_node(
    control_plane: ControlPlane, cluster: KubernetesCluster, world: str
) -> None:
    registry = CollectorRegistry()
    where = {"namespace": world, "model": "demo", "workload_class": world, "pool": world}

    def booked() -> float:
        return registry.get_sample_value("inferfleet_cost_usd_total", where) or 0.0

    async def grows() -> bool:
        return booked() > 0

    async with running(control_plane, registry, scale_interval=0.1):
        await cluster.apply(model(world), "user")
        (deployment,) = [o for o in await eventually(lambda: _all(cluster, world)) if o["kind"] == "Deployment"]
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "namespace": world}}
        spec = {"nodeName": world, "containers": [{"name": "serve", "image": "none"}]}
        await cluster.create(pod | {"metadata": pod["metadata"] | {"labels": labels}, "spec": spec})
        await asyncio.sleep(1)  # ten rounds
        assert booked() == 0
        status = {"conditions": [{"type": "PodScheduled", "status": "True"}]}
        await cluster.apply_status(pod | {"status": status}, "kubelet")
        await eventually(grows)
