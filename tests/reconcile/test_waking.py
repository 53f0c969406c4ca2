"""Who is looked at again when something changes."""

from collections.abc import Callable

import make
from fakes.cluster import FakeCluster
from harness import NOW, SETTINGS, world
from prometheus_client import CollectorRegistry

from inferfleet.catalog import loader
from inferfleet.fleet.controller import Controller
from inferfleet.kube import kinds
from inferfleet.metrics import Metrics


async def woken(
    cluster: FakeCluster, controller: Controller, kind: kinds.Kind, change: Callable[[make.Obj], None]
) -> int:
    """How many Models wait after the informers have heard of a change, none having waited before."""
    while len(controller._queue):
        controller._queue.done(await controller._queue.get())
    (obj,) = cluster.all(kind)
    controller._written(cluster.edit(kind, "", obj["metadata"]["name"], change))
    return len(controller._queue)


async def test_a_status_of_a_pool_or_class_wakes_no_model_and_a_price_wakes_all() -> None:
    cluster = world(make.node(), make.pool(), make.workload_class(), make.model("a"), make.model("b"))
    controller = Controller(cluster, SETTINGS, loader.load(), Metrics(CollectorRegistry()), lambda: NOW)
    for kind in (kinds.MODEL, kinds.HARDWARE_POOL, kinds.WORKLOAD_CLASS):
        for obj in cluster.all(kind):
            controller._written(obj)
    for kind in (kinds.HARDWARE_POOL, kinds.WORKLOAD_CLASS):
        assert await woken(cluster, controller, kind, lambda o: o.update(status={"observedGeneration": 7})) == 0
    price = {"perAcceleratorHour": "0.06"}
    assert await woken(cluster, controller, kinds.HARDWARE_POOL, lambda o: o["spec"].update(price=price)) == 2
    assert await woken(cluster, controller, kinds.WORKLOAD_CLASS, lambda o: o["spec"].update(objective="Latency")) == 2
