"""Stopping before or after any write and starting again ends in the same world."""

from collections.abc import Callable

import make
import pytest
from fakes.cluster import FakeCluster
from fakes.faults import Stopped
from harness import Operator, world

from inferfleet.kube import kinds


def created() -> FakeCluster:
    """A Model appears."""
    return world(make.node(), make.pool(), make.workload_class(), make.model())


async def _serving() -> FakeCluster:
    cluster = created()
    await Operator(cluster).settle()
    return cluster


async def moved() -> FakeCluster:
    """A much cheaper pool appears."""
    cluster = await _serving()
    cluster.put(make.pool("cheap", price="0.01"))
    return cluster


async def changed() -> FakeCluster:
    """The spec changes what the pods are told."""
    cluster = await _serving()
    cluster.put(
        make.workload_class(traffic={"inputTokens": {"p50": 9, "p95": 9}, "outputTokens": {"p50": 9, "p95": 900}})
    )
    return cluster


async def shrunk() -> FakeCluster:
    """A workload goes."""
    cluster = created()
    cluster.put(make.workload_class("batch"))
    cluster.put(make.model(workloads=[{"class": "chat"}, {"class": "batch"}]))
    await Operator(cluster).settle()
    cluster.put(make.model(workloads=[{"class": "chat"}]))
    return cluster


async def frozen() -> FakeCluster:
    """The class goes."""
    cluster = await _serving()
    cluster.remove(kinds.WORKLOAD_CLASS, "", "chat")
    return cluster


async def just_created() -> FakeCluster:
    return created()


SCENES = [just_created, changed, moved, shrunk, frozen]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.__name__)
async def test_a_crash_at_any_write_ends_in_the_same_world(scene: Callable[[], object], after: bool) -> None:
    reference = await scene()  # type: ignore[misc]
    before = len(reference.writes)
    await Operator(reference).settle()
    writes = len(reference.writes) - before
    assert writes > 0
    for n in range(1, writes + 1):
        cluster = await scene()  # type: ignore[misc]
        (cluster.fail_after if after else cluster.fail_before)(n)
        with pytest.raises(Stopped):
            await Operator(cluster).settle()
        cluster.restart()
        await Operator(cluster).settle()
        assert _comparable(cluster) == _comparable(reference), f"crash at write {n} of {writes}"


def _comparable(cluster: FakeCluster) -> dict[str, object]:
    """Without Events, which tell of the way, and Pods, whose addresses the cluster makes up."""
    return {key: obj for key, obj in cluster.snapshot().items() if obj["kind"] not in ("Event", "Pod")}
