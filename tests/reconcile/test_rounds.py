"""The controller's scaling rounds over pods that answer, and what reconciles find of the fleet."""

import asyncio
from collections.abc import Mapping

import make
from fakes.cluster import FakeCluster
from harness import NOW, SETTINGS, settled
from prometheus_client import CollectorRegistry

from inferfleet import names
from inferfleet.catalog import loader
from inferfleet.fleet.controller import Controller
from inferfleet.kube import kinds
from inferfleet.metrics import Metrics
from inferfleet_runtime.contract import Metric

KEY = ("default", "demo")
PAGE = "".join(
    f"{name} {value}\n"
    for name, value in {
        Metric.ARRIVAL_REQUESTS: 5,
        Metric.GENERATION_TOKENS: 100,
        f"{Metric.REQUEST_GENERATION_TOKENS}_sum": 100,
        f"{Metric.REQUEST_GENERATION_TOKENS}_count": 5,
        Metric.REQUESTS_RUNNING: 1,
        Metric.REQUESTS_WAITING: 0,
        Metric.SLOTS: 4,
        Metric.PROMPT_TOKENS: 50,
        Metric.ARRIVAL_PROMPT_TOKENS: 50,
        Metric.CAPACITY: 100,
    }.items()
).encode()


class Answers:
    """Pods that answer by address; those that are not named here do not."""

    def __init__(self, by_address: Mapping[str, bytes]) -> None:
        self._by_address = by_address

    async def scrape(self, urls: Mapping[str, str]) -> dict[str, bytes]:
        hosts = {uid: url.removeprefix("http://").partition(":")[0] for uid, url in urls.items()}
        return {uid: self._by_address[host] for uid, host in hosts.items() if host in self._by_address}


class Fleet:
    """A controller whose informers hold a settled world, with pods of the demo."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.registry = CollectorRegistry()
        self.controller = Controller(cluster, SETTINGS, loader.load(), Metrics(self.registry), lambda: NOW)
        for kind in kinds.KINDS.values():
            for obj in cluster.all(kind):
                self.controller._written(obj)
        (self._deployment,) = cluster.all(kinds.DEPLOYMENT)

    def pod(self, number: int, model: str = "demo") -> None:
        """One that is ready, with the labels of the demo's placement."""
        conditions = [
            {"type": type_, "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z"}
            for type_ in ("PodScheduled", "Ready")
        ]
        metadata = {
            "name": f"pod-{number}",
            "namespace": "default",
            "uid": f"uid-{number}",
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": self._deployment["metadata"]["labels"] | {names.LABEL_MODEL: model},
        }
        status = {"podIP": f"10.0.0.{number}", "conditions": conditions}
        self.controller._written({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})

    async def round(self, answers: Mapping[str, bytes]) -> None:
        await self.controller._round(Answers(answers))  # type: ignore[arg-type]  # all that a round asks of it

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


async def fleet() -> Fleet:
    found = Fleet(await settled(make.pool(), make.workload_class(), make.model()))
    found.pod(1)
    found.pod(2)
    await found.controller._reconcile(KEY)
    while len(found.controller._queue):
        found.controller._queue.done(await found.controller._queue.get())
    return found


async def test_a_round_hears_who_answers_decides_books_and_wakes_whose_decision_is_new() -> None:
    found = await fleet()
    await found.round({"10.0.0.1": PAGE, "10.0.0.2": b"<html>"})
    assert found.metric("inferfleet_pod_scrapes_total", result="ok") == 1
    assert found.metric("inferfleet_pod_scrapes_total", result="failed") == 2, (
        "one answers garbage, and one that was there before nothing"
    )
    assert set(found.controller._scaler.decisions(KEY)) == {"chat"}
    assert await asyncio.wait_for(found.controller._queue.get(), 1) == KEY
    account = {"namespace": "default", "model": "demo", "workload_class": "chat", "pool": "cpu"}
    assert found.metric("inferfleet_cost_usd_total", **account) == 0.0, "another leader may have booked the first"
    await found.round({"10.0.0.1": PAGE})
    assert (found.metric("inferfleet_accelerator_seconds_total", **account) or 0.0) > 0.0


async def test_a_model_that_is_deleted_while_a_round_goes_on_stops_nobody() -> None:
    found = await fleet()

    class Deleting(Answers):
        async def scrape(self, urls: Mapping[str, str]) -> dict[str, bytes]:
            found.controller._scaler.plan(KEY, None, {})
            found.controller._costs.plan(KEY, None)
            return await super().scrape(urls)

    await found.controller._round(Deleting({"10.0.0.1": PAGE}))  # type: ignore[arg-type]
    assert found.controller._scaler.decisions(KEY) == {}
    assert found.metric("inferfleet_pod_scrapes_total", result="ok") == 1


async def test_a_reconcile_finds_the_models_own_objects_and_writes_nothing_in_a_settled_world() -> None:
    found = await fleet()
    cluster = found.controller._cluster
    assert isinstance(cluster, FakeCluster)
    before = len(cluster.writes)
    await found.controller._reconcile(KEY)
    assert [w for w in cluster.writes[before:] if w.kind != "Model"] == []
    found.pod(3, model="other")
    seen = found.controller._index.stores(KEY, found.controller._stores(), NOW)
    assert {"pod-1", "pod-2"} < {name for _, name in seen.pods}
    assert "pod-3" not in {name for _, name in seen.pods}
    assert len(seen.services) == 1
