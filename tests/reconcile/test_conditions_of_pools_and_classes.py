"""What no rule of a CRD can see becomes a condition of the pool or class itself, in words that say what to do."""

from collections.abc import Mapping
from dataclasses import replace

import make
import pytest
from fakes.cluster import FakeCluster
from harness import NOW, stores, world

from inferfleet.catalog import loader
from inferfleet.fleet.accepting import Accepting
from inferfleet.kube import kinds
from inferfleet.kube.kinds import Kind, Obj
from inferfleet.names import Cond, Reason


async def judged(cluster: FakeCluster, kind: Kind, name: str, type_: str) -> tuple[str, str, str]:
    """Status, reason and message of a condition of a pool or class."""
    await Accepting(cluster, loader.load(), lambda obj: None, lambda: NOW).judge(stores(cluster))
    found = cluster.peek(kind, "", name)
    assert found
    (told,) = [c for c in found["status"]["conditions"] if c["type"] == type_]
    return told["status"], told["reason"], told["message"]


POOLS: Mapping[str, tuple[Obj, str, str, str]] = {
    "an accelerator that the catalog does not have": (
        make.pool(accelerator="cpu-x86-avx3"),
        "False",
        Reason.ACCELERATOR_UNKNOWN,
        "spec.accelerator: the catalog has no cpu-x86-avx3; did you mean cpu-x86-avx2",
    ),
    "an engine that does not exist": (
        make.pool(engines=["llama-ccp"]),
        "False",
        Reason.ENGINE_UNKNOWN,
        "spec.engines: the catalog has no llama-ccp; did you mean llama-cpp",
    ),
    "cores that are not cut into replicas": (
        make.pool(nodes={}),
        "False",
        Reason.REPLICA_NOT_DECLARED,
        "set spec.nodes.replica (cpu and memory)",
    ),
    "no price": (make.pool(price=None), "False", Reason.NO_PRICE, "without spec.price nothing can be placed here"),
    "no node": (
        make.pool(nodes={"selector": {"gpu": "l40s"}, "replica": {"cpu": "1", "memory": "1Gi"}}),
        "True",
        Reason.NODES_NOT_FOUND,
        "no usable node matches",
    ),
    "a spec that was stored before a rule": (
        make.pool(price={"perAcceleratorHour": 0.05}),
        "False",
        Reason.POOL_INVALID,
        "HardwarePool cpu: spec.price.perAcceleratorHour",
    ),
    "an architecture of a provider that the catalog does not have": (
        {
            "apiVersion": make.API,
            "kind": "HardwarePool",
            "metadata": {"name": "cpu"},
            "spec": {
                "external": {
                    "endpoint": "https://api.example.com/v1",
                    "credentialsKey": "provider",
                    "models": [
                        {
                            "name": "m",
                            "architecture": "llama-3.1-9b",
                            "price": {"inputPer1MTokens": "1", "outputPer1MTokens": "1"},
                        }
                    ],
                }
            },
        },
        "False",
        Reason.ARCHITECTURE_UNKNOWN,
        "spec.external.models[m].architecture: the catalog has no llama-3.1-9b; did you mean llama-3.1-8b",
    ),
}


@pytest.mark.parametrize(("pool", "accepted", "reason", "words"), POOLS.values(), ids=POOLS)
async def test_a_pool_is_told_why_it_cannot_be_used(pool: Obj, accepted: str, reason: str, words: str) -> None:
    told = await judged(world(make.node(), pool), kinds.HARDWARE_POOL, "cpu", Cond.ACCEPTED)
    assert told[:2] == (accepted, reason)
    assert words in told[2]


async def test_pools_that_share_nodes_are_both_told() -> None:
    cluster = world(make.node(), make.pool("one"), make.pool("two"))
    for name, other in (("one", "two"), ("two", "one")):
        told = await judged(cluster, kinds.HARDWARE_POOL, name, Cond.NODES_EXCLUSIVE)
        assert told[:2] == ("False", Reason.NODES_SHARED)
        assert f"pool {other} has nodes node-1 too" in told[2]
        assert "give each pool labels of its own" in told[2]


CLASSES: Mapping[str, tuple[Obj, str, str, str]] = {
    "targets that contradict each other": (
        make.workload_class(slo={"ttft": "1s", "tpot": "100ms", "endToEnd": "2s"}),
        Cond.SLO_CONSISTENT,
        Reason.SLO_INCONSISTENT,
        "above endToEnd of 2000 ms",
    ),
    "targets beyond all measure": (
        make.workload_class(slo={"ttft": "1s", "tpot": "99999h", "endToEnd": "2s"}),
        Cond.SLO_CONSISTENT,
        Reason.SLO_INCONSISTENT,
        "above endToEnd of 2000 ms",
    ),
    "a quantization that the catalog does not have": (
        make.workload_class(quantization={"allow": ["INT4-AQW"]}),
        Cond.ACCEPTED,
        Reason.QUANTIZATION_UNKNOWN,
        "spec.quantization.allow: the catalog has no INT4-AQW; did you mean INT4-AWQ",
    ),
    "a spec that was stored before a rule": (
        make.workload_class(slo={"ttft": 3}),
        Cond.ACCEPTED,
        Reason.CLASS_INVALID,
        "WorkloadClass chat: spec.slo.ttft",
    ),
}


@pytest.mark.parametrize(("class_", "type_", "reason", "words"), CLASSES.values(), ids=CLASSES)
async def test_a_class_is_told_why_it_cannot_be_used(class_: Obj, type_: str, reason: str, words: str) -> None:
    told = await judged(world(class_), kinds.WORKLOAD_CLASS, "chat", type_)
    assert told[:2] == ("False", reason)
    assert words in told[2]


async def test_a_pool_that_goes_while_statuses_are_written_stops_no_other() -> None:
    cluster = world(make.node(), make.pool("a"), make.pool("b"), make.workload_class())
    held = stores(cluster)
    there = dict(held.pools)
    accepting = Accepting(cluster, loader.load(), lambda obj: there.pop(("", "b"), None) and None, lambda: NOW)
    assert await accepting.judge(replace(held, pools=there)) == 2
    assert [(w.kind, w.name) for w in cluster.writes] == [("HardwarePool", "a"), ("WorkloadClass", "chat")]
