"""Pods that measure themselves to be slower than their class asks for: they serve on, and it is said."""

from typing import Any

import make
from fakes.cluster import FakeCluster
from harness import NOW, SETTINGS, Operator, child_writes, condition, deployments, status, stores, world

from inferfleet.api.base import timestamp
from inferfleet.catalog import loader
from inferfleet.fleet.observe import observe
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.targets import targets
from inferfleet.fleet.validate import validate
from inferfleet.kube import kinds
from inferfleet.names import Reason
from inferfleet.planning.evaluate.memo import Memo

KEY = ("default", "demo")
CLASS = make.workload_class(slo={"tpot": "20ms"})


async def serving(*more: Any) -> FakeCluster:
    """A Model on one pool, and others."""
    cluster = world(make.node(), make.pool(), *more, CLASS, make.model())
    await Operator(cluster).settle()
    assert condition(cluster, "Ready")[:2] == ("True", Reason.AVAILABLE)
    return cluster


def planned(cluster: FakeCluster) -> Any:
    seen = observe(KEY, stores(cluster), NOW, SETTINGS.capacity_max_age)
    assert seen
    return make_plan(seen, validate(seen, loader.load(), SETTINGS), {}, memo=Memo())


def measure(cluster: FakeCluster, slower: float) -> None:
    """What its pods reach, as the scaling loop writes it down."""
    (workload,) = planned(cluster).workloads
    found, spec = workload.placements[0].evaluated, workload.valid.spec
    status = {
        "tokensPerSecond": max(1, round(found.prediction.tokens_per_second / slower)),
        "source": "Benchmarked",
        "measuredAt": timestamp(NOW),
    }
    candidate = found.candidate
    profile = {
        "architecture": workload.valid.question.architecture_key,
        "quantization": candidate.variant.quantization,
        "engine": candidate.engine,
        "accelerator": candidate.pool.accelerator_name,
        "accelerators": str(candidate.accelerators),
        "slots": found.prediction.slots,
        "inputTokens": spec.traffic.input_tokens.p50,
        "outputTokens": spec.traffic.output.p50,
    }
    head = {"apiVersion": make.API, "kind": "CapacityProfile", "metadata": {"name": found.profile}}
    cluster.put(head | {"spec": profile, "status": status})


async def test_pods_that_are_too_slow_for_their_class_serve_and_scale_on_and_their_condition_says_it() -> None:
    cluster = await serving()
    before, children = deployments(cluster), len(child_writes(cluster))
    measure(cluster, slower=200.0)
    operator = Operator(cluster)
    await operator.settle()
    assert deployments(cluster) == before
    written = {write.split()[1] for write in child_writes(cluster)[children:]}
    assert written == {"ConfigMap"}, "the capacity that is known now, which starts no pod anew"
    is_planned, reason, message = condition(cluster, "Planned")
    assert (is_planned, reason) == ("False", Reason.SLO_VIOLATED)
    assert "tpot of" in message
    assert "by what was measured, 20 ms allowed" in message
    assert condition(cluster, "Ready")[:2] == ("True", Reason.DEGRADED)
    (placement,) = status(cluster).placements
    assert (placement.state, placement.reason) == ("Serving", Reason.SLO_VIOLATED)
    operator.decide(3)
    await operator.settle()
    assert list(deployments(cluster).values()) == [3]


async def test_the_scaling_loop_goes_on_with_pods_that_are_too_slow() -> None:
    cluster = await serving()
    measure(cluster, slower=200.0)
    (target,) = targets(planned(cluster)).values()
    assert target.planned_capacity > 0
    assert target.step


async def test_a_faster_pool_takes_over_what_is_too_slow_and_nothing_is_unserved_meanwhile() -> None:
    dear = make.pool("fast", price="0.5", accelerator="cpu-x86-avx512")
    cluster = await serving(dear)
    (first,) = deployments(cluster)
    measure(cluster, slower=200.0)
    operator = Operator(cluster)
    await operator.once()
    assert first in deployments(cluster)
    await operator.settle()
    assert [p.pool for p in status(cluster).placements] == ["fast"]
    assert condition(cluster, "Planned")[0] == "True"
    measure(cluster, slower=300.0)
    await Operator(cluster).settle()
    assert [p.pool for p in status(cluster).placements] == ["fast"], "it does not go back to what is as slow"
    assert condition(cluster, "Planned")[:2] == ("False", Reason.SLO_VIOLATED)


async def test_pods_that_become_fast_enough_are_planned_as_before() -> None:
    cluster = await serving()
    measure(cluster, slower=200.0)
    await Operator(cluster).settle()
    (profile,) = cluster.all(kinds.CAPACITY_PROFILE)
    cluster.edit(kinds.CAPACITY_PROFILE, "", profile["metadata"]["name"], _fast)
    await Operator(cluster).settle()
    assert condition(cluster, "Planned")[:2] == ("True", Reason.PLANNED)
    assert condition(cluster, "Ready")[:2] == ("True", Reason.AVAILABLE)


def _fast(profile: Any) -> None:
    profile["status"]["tokensPerSecond"] *= 150
