"""What pods measured, written down by an operator on a real API server and taken up by the next one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from apiserver.control_plane import ControlPlane
from apiserver.test_operator import eventually, model, running, world
from prometheus_client import CollectorRegistry

from inferfleet import names
from inferfleet.kube import kinds
from inferfleet.kube.cluster import KubernetesCluster
from inferfleet_runtime.contract import METRICS_PATH, PORT, Metric

__all__ = ["world"]
ADDRESS = "127.77.0.1"
"""Of the pod: this machine answers at it, and no other test does."""


@asynccontextmanager
async def serving(speed: float) -> AsyncIterator[None]:
    """A pod's page at its address: idle, and as fast as it measured."""
    values = dict.fromkeys(
        (
            Metric.ARRIVAL_REQUESTS,
            Metric.GENERATION_TOKENS,
            Metric.REQUESTS_RUNNING,
            Metric.REQUESTS_WAITING,
            Metric.PROMPT_TOKENS,
            Metric.ARRIVAL_PROMPT_TOKENS,
            f"{Metric.REQUEST_GENERATION_TOKENS}_sum",
            f"{Metric.REQUEST_GENERATION_TOKENS}_count",
        ),
        0.0,
    )
    page = "".join(f"{name} {n}\n" for name, n in {**values, Metric.SLOTS: 4, Metric.CAPACITY: speed}.items())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=page)

    app = web.Application()
    app.router.add_get(METRICS_PATH, metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, PORT).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def start(cluster: KubernetesCluster, namespace: str, deployment: Any) -> None:
    """A pod of the Deployment, ready."""
    template = deployment["spec"]["template"]
    head = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod-1", "namespace": namespace}}
    labels = {"labels": template["metadata"]["labels"], "annotations": template["metadata"]["annotations"]}
    await cluster.apply(head | {"metadata": head["metadata"] | labels, "spec": template["spec"]}, "test")
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z"}
    address = {"podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}], "conditions": [ready]}
    await cluster.apply_status(head | {"status": address}, "test")


async def test_a_benchmark_is_kept_with_its_confidence_and_its_end_and_not_written_again(
    control_plane: ControlPlane, cluster: KubernetesCluster, world: str
) -> None:
    await cluster.apply(model(world), "test")

    async def deployed() -> Any:
        return next(iter((await cluster.list(kinds.DEPLOYMENT, namespace=world)).items), None)

    async with serving(123.0), running(control_plane, scale_interval=0.2):
        deployment = await eventually(deployed)
        profile = deployment["metadata"]["annotations"][names.ANNOTATION_PROFILE]
        await start(cluster, world, deployment)

        async def measured() -> Any:
            found = await cluster.get(kinds.CAPACITY_PROFILE, "", profile)
            return found if found and found.get("status") else None

        found = await eventually(measured)
    status = found["status"]
    assert (status["tokensPerSecond"], status["source"]) == (120, "Benchmarked")
    assert (status["confidence"], status["errorPercent"], status["observations"]) == ("Medium", 10, 1)
    assert status["expiresAt"] > status["measuredAt"]
    assert found["spec"]["engineVersion"]

    registry = CollectorRegistry()
    async with serving(123.0), running(control_plane, registry, scale_interval=0.2) as writes:

        async def heard() -> bool:
            return (registry.get_sample_value("inferfleet_pod_scrapes_total", {"result": "ok"}) or 0) > 3

        await eventually(heard)
    assert not [write for write in writes if "CapacityProfile" in write]
    again = await cluster.get(kinds.CAPACITY_PROFILE, "", profile)
    assert again
    assert again["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
    for kind, namespace, name in (
        (kinds.CAPACITY_PROFILE, "", profile),
        (kinds.MODEL, world, "demo"),
        (kinds.POD, world, "pod-1"),
    ):
        await cluster.delete(kind, namespace, name)
