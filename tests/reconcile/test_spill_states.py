"""States that a spilled workload can be in between two reconciles, beyond those of `test_spill`."""

from dataclasses import replace

import make
from fakes.cluster import FakeCluster
from harness import SETTINGS, Operator
from spilling import DEAR, HALF, replicas, spilled

from inferfleet.kube import kinds

THIRD = make.pool("third", price="0.06", nodes={"selector": {"size": "mid"}, "replica": HALF})
MID = make.node("m", cpu="4", memory="16Gi", size="mid")


def say_ready(cluster: FakeCluster, **ready: int) -> None:
    """Pods of the Model that are ready, by pool; of other pools none are."""
    for o in cluster.all(kinds.DEPLOYMENT):
        labels = o["metadata"]["labels"]
        if labels["inferfleet.io/model"] == "demo":
            count = ready.get(labels["inferfleet.io/pool"], 0)
            cluster.put(o | {"status": {"readyReplicas": count} if count else {}})


async def spilled_over_three() -> tuple[FakeCluster, Operator]:
    cluster, operator = await spilled(5)
    for obj in (THIRD, MID):
        cluster.put(obj)
    await operator.settle()
    assert replicas(cluster) == {"cheap": 2, "dear": 3}
    return cluster, operator


async def test_what_spilled_to_a_node_that_is_lost_goes_to_the_next_pool() -> None:
    cluster, operator = await spilled_over_three()
    cluster.put(make.node("l", cpu="4", memory="16Gi", size="large", ready=False))
    say_ready(cluster, cheap=2)
    await operator.once()
    assert replicas(cluster)["third"] == 3
    await Operator(cluster).once()
    assert replicas(cluster)["third"] == 3
    say_ready(cluster, cheap=2, third=3)
    await operator.once()
    assert replicas(cluster) == {"cheap": 2, "third": 3}


async def test_what_is_evicted_where_it_spilled_to_goes_to_the_next_pool() -> None:
    ranked = replace(SETTINGS, priority_classes={1000: "high"})
    cluster, operator = await spilled_over_three()
    dear = make.pool("dear", price="0.05", labels={"tier": "dear"}, nodes=DEAR["spec"]["nodes"])
    urgent = [{"class": "urgent", "replicas": {"min": 8, "max": 8}, "pools": {"matchLabels": {"tier": "dear"}}}]
    class_ = make.workload_class("urgent", priority=1000)
    for obj in (dear, class_, make.model("important", workloads=urgent)):
        cluster.put(obj)
    await Operator(cluster, ranked, key=("default", "important")).once()
    assert replicas(cluster, "important") == {"dear": 8}
    say_ready(cluster, cheap=2)
    await operator.once()
    assert replicas(cluster)["third"] == 3
    say_ready(cluster, cheap=2, third=3)
    await operator.once()
    assert replicas(cluster) == {"cheap": 2, "third": 3}


async def test_a_pin_to_a_pool_that_holds_less_takes_nothing_away_that_was_spilled() -> None:
    cluster, operator = await spilled_over_three()
    cluster.put(make.node("m", cpu="2", memory="16Gi", size="mid"))
    pin = {"mode": "Pinned", "pool": "third", "variant": "q4-0"}
    cluster.edit(kinds.MODEL, "default", "demo", lambda o: o["spec"]["workloads"][0].update(placement=pin))
    await operator.settle()
    assert replicas(cluster) == {"cheap": 2, "dear": 3, "third": 4}
    operator.decide(4)
    await operator.settle()
    assert replicas(cluster) == {"third": 4}


async def test_while_a_spill_goes_back_nobody_counts_its_replicas_twice() -> None:
    """Without a decision, after a restart or while metrics are stale, each reconcile would add them once more."""
    cluster, operator = await spilled(4, replicas={"min": 1, "max": 12})
    cluster.put(make.node("s", cpu="4", memory="16Gi", size="small"))
    await operator.once()
    cluster.settle_deployments(ready=False)
    for _ in range(3):
        await Operator(cluster).once()
        assert replicas(cluster) == {"cheap": 4, "dear": 2}
