"""Who is looked at again when something changes."""

import asyncio
from collections.abc import Callable

import make
from harness import NOW, SETTINGS, world
from prometheus_client import CollectorRegistry

from inferfleet.catalog import loader
from inferfleet.fleet.controller import Controller
from inferfleet.kube import kinds
from inferfleet.metrics import Metrics

PATIENCE_SECONDS = 60.0
QUIET_SECONDS = 1.0
"""Longer than statuses of pools are gathered for."""


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not check():
            await asyncio.sleep(0.01)


async def quiet(count: Callable[[], float]) -> float:
    """The count once it has not moved for a while."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            before = count()
            await asyncio.sleep(QUIET_SECONDS)
            if count() == before:
                return before


async def test_a_status_of_a_pool_or_class_wakes_no_model_and_a_price_wakes_all() -> None:
    cluster = world(make.node(), make.pool(), make.workload_class(), make.model("a"), make.model("b"))
    registry = CollectorRegistry()
    controller = Controller(cluster, SETTINGS, loader.load(), Metrics(registry), lambda: NOW)

    def count() -> float:
        return registry.get_sample_value("inferfleet_reconciles_total", {"result": "ok"}) or 0.0

    task = asyncio.create_task(controller.run())
    try:
        await until(lambda: len(cluster.all(kinds.DEPLOYMENT)) == 2)
        before = await quiet(count)
        for kind, name in ((kinds.HARDWARE_POOL, "cpu"), (kinds.WORKLOAD_CLASS, "chat")):
            cluster.edit(kind, "", name, lambda o: o.update(status={"observedGeneration": 7}))
            await until(lambda: _judged(cluster.peek(kind, "", name)))  # noqa: B023  waited for at once
        assert await quiet(count) == before
        cluster.edit(kinds.HARDWARE_POOL, "", "cpu", lambda o: o["spec"]["price"].update(perAcceleratorHour="0.06"))
        await until(lambda: count() >= before + 2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _judged(obj: make.Obj | None) -> bool:
    """Whether the operator has written its status again."""
    return obj is not None and bool(obj["status"].get("conditions"))
