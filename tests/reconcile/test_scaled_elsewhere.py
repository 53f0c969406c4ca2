"""What is said of workloads whose replicas are not this operator's."""

from typing import Any

import make
import pytest
from fakes.cluster import FakeCluster
from harness import Operator, condition, deployments, settled, world
from make import PIN, workloads

from inferfleet.kube import kinds
from inferfleet.names import Reason


async def scaled_by_another(cluster: FakeCluster, replicas: int) -> None:
    (name,) = deployments(cluster)
    other = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"}}
    await cluster.apply(other | {"spec": {"replicas": replicas}}, "keda")
    await Operator(cluster).settle()


async def test_what_another_autoscaler_scaled_to_nothing_is_as_it_shall_be() -> None:
    model = make.model(workloads=workloads(placement=PIN, replicas={"min": 0, "max": 3, "mode": "External"}))
    cluster = await settled(make.pool(), make.workload_class(), model)
    await scaled_by_another(cluster, 0)
    assert list(deployments(cluster).values()) == [0]
    assert condition(cluster, "Ready")[:2] == ("True", Reason.AVAILABLE)


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (
            {"placement": PIN, "replicas": {"min": 1, "max": 3, "mode": "External"}},
            Reason.SCALED_ELSEWHERE,
            "another autoscaler writes the replicas",
        ),
        ({"placement": {"mode": "Recommend"}}, Reason.RECOMMEND_ONLY, "replicas stay as they are"),
    ],
    ids=["External", "Recommend"],
)
async def test_conditions_of_scaling_end_with_the_scaling(change: Any, reason: str, words: str) -> None:
    cluster = await settled(make.pool(), make.workload_class(), make.model(workloads=workloads(placement=PIN)))
    operator = Operator(cluster)
    operator.decide(3, Reason.MAX_REPLICAS)
    await operator.settle()
    assert condition(cluster, "WithinLimits")[:2] == ("False", Reason.MAX_REPLICAS)
    operator.decide(3, Reason.SIGNAL_STALE, fresh=False)
    await operator.settle()
    assert condition(cluster, "SignalFresh")[0] == "False"
    cluster.edit(kinds.MODEL, "default", "demo", lambda o: o["spec"].update(workloads=workloads(**change)))
    operator = Operator(cluster, now=operator.now)
    await operator.settle()
    for type_ in ("WithinLimits", "SignalFresh"):
        assert condition(cluster, type_)[:2] == ("Unknown", reason)
        assert words in condition(cluster, type_)[2]
    cluster.edit(kinds.MODEL, "default", "demo", lambda o: o["spec"].update(workloads=workloads(placement=PIN)))
    await Operator(cluster, now=operator.now).settle()
    assert condition(cluster, "WithinLimits")[:2] == ("True", Reason.WITHIN_LIMITS)
    assert condition(cluster, "SignalFresh")[:2] == ("Unknown", Reason.NO_SIGNAL_YET)


async def test_advice_for_one_workload_does_not_hide_that_another_is_starting() -> None:
    model = make.model(workloads=[{"class": "chat"}, {"class": "batch", "placement": {"mode": "Recommend"}}])
    cluster = world(make.node(), make.pool(), make.workload_class(), make.workload_class("batch"), model)
    operator = Operator(cluster)
    await operator.once()
    cluster.settle_deployments(ready=False)
    await operator.once()
    deployed, reason, message = condition(cluster, "Deployed")
    assert (deployed, reason) == ("False", Reason.PODS_STARTING)
    assert "chat: 0 of at least 1 replicas ready" in message
    await operator.settle(ready=True)
    assert condition(cluster, "Deployed")[1] == Reason.RECOMMEND_ONLY
