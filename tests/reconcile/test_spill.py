"""A pool that is full, too small or lost: what it has no room for runs on the next best, and comes back."""

import asyncio
from dataclasses import replace
from typing import Any

import make
import pytest
from fakes.cluster import FakeCluster
from harness import SETTINGS, Operator, condition, status
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from spilling import CHEAP, SMALL, contended, replicas, spilled

from inferfleet.fleet.targets import targets
from inferfleet.kube import kinds
from inferfleet.names import Reason


async def test_what_a_full_pool_has_no_room_for_goes_to_the_next_best() -> None:
    cluster, _ = await spilled()
    assert replicas(cluster) == {"cheap": 2, "dear": 3}
    limits, reason, message = condition(cluster, "WithinLimits")
    assert (limits, reason) == ("True", Reason.SPILLED)
    assert "3 replicas of q4-0 on dear" in message
    assert "pool cheap has room for 2 of 5" in message
    assert {(p.pool, p.state, p.reason) for p in status(cluster).placements} == {
        ("cheap", "Serving", Reason.CHEAPEST_WITHIN_SLO),
        ("dear", "Serving", Reason.SPILLED),
    }


async def test_a_spill_is_told_as_a_spill_and_not_as_a_move() -> None:
    cluster, _ = await spilled()
    reasons = {o["reason"] for o in cluster.all(kinds.EVENT)}
    assert Reason.SPILLED in reasons
    assert "Moving" not in reasons


async def test_it_comes_back_when_the_pool_suffices() -> None:
    cluster, operator = await spilled()
    operator.decide(2)
    await operator.settle()
    assert replicas(cluster) == {"cheap": 2}
    assert condition(cluster, "WithinLimits")[:2] == ("True", Reason.WITHIN_LIMITS)


async def test_it_comes_back_when_the_pool_has_grown() -> None:
    cluster, operator = await spilled()
    cluster.put(make.node("s", cpu="4", memory="16Gi", size="small"))
    await operator.settle()
    assert replicas(cluster) == {"cheap": 5}


async def test_what_was_spilled_serves_until_the_pool_that_has_grown_does() -> None:
    cluster, operator = await spilled()
    cluster.put(make.node("s", cpu="4", memory="16Gi", size="small"))
    await operator.once()
    cluster.settle_deployments(ready=False)
    await operator.once()
    assert replicas(cluster) == {"cheap": 5, "dear": 3}


async def test_what_was_spilled_gives_up_nothing_before_the_others_are_there() -> None:
    cluster, operator = await spilled()
    cluster.put(make.node("s", cpu="1500m", memory="16Gi", size="small"))
    await operator.once()
    assert replicas(cluster) == {"cheap": 3, "dear": 3}
    cluster.settle_deployments(ready=True)
    await operator.settle()
    assert replicas(cluster) == {"cheap": 3, "dear": 2}


async def test_a_successor_that_is_given_up_becomes_the_spill() -> None:
    cluster, operator = await spilled(3)
    cluster.put(make.pool("cheap", price="1", nodes=CHEAP["spec"]["nodes"]))
    await operator.once()
    assert replicas(cluster) == {"cheap": 2, "dear": 3}
    cluster.settle_deployments(ready=False)
    cluster.put(CHEAP)
    await operator.settle()
    assert replicas(cluster) == {"cheap": 2, "dear": 1}
    assert {p.pool: p.reason for p in status(cluster).placements}["dear"] == Reason.SPILLED


async def test_a_restart_changes_nothing() -> None:
    cluster, _ = await spilled()
    before = cluster.snapshot()
    await Operator(cluster).settle()
    assert replicas(cluster) == {"cheap": 2, "dear": 3}
    assert cluster.snapshot() == before


async def test_what_no_pool_has_room_for_is_said_of_all() -> None:
    cluster = contended(replicas={"min": 1, "max": 20})
    operator = Operator(cluster)
    await operator.settle()
    operator.decide(15)
    await operator.settle()
    assert replicas(cluster) == {"cheap": 2, "dear": 8}
    limits, reason, message = condition(cluster, "WithinLimits")
    assert (limits, reason) == ("False", Reason.POOL_EXHAUSTED)
    assert "15 replicas are needed" in message
    assert "the nodes of pool cheap have room for 2, the nodes of pool dear have room for 8" in message


async def test_the_maximum_holds_over_all_pools() -> None:
    cluster, _ = await spilled(9)
    assert replicas(cluster) == {"cheap": 2, "dear": 4}


async def test_a_pinned_workload_spills_nowhere() -> None:
    pin = {"mode": "Pinned", "pool": "cheap", "variant": "q4-0"}
    cluster, _ = await spilled(placement=pin)
    assert replicas(cluster) == {"cheap": 2}
    assert condition(cluster, "WithinLimits")[:2] == ("False", Reason.POOL_EXHAUSTED)


async def test_a_minimum_that_no_pool_holds_alone_is_spread() -> None:
    cluster = contended(replicas={"min": 10, "max": 10})
    await Operator(cluster).settle()
    assert condition(cluster, "Planned")[0] == "True"
    assert replicas(cluster) == {"cheap": 2, "dear": 8}
    assert condition(cluster, "Ready")[0] == "True"


async def test_a_minimum_that_all_pools_together_do_not_hold_names_each() -> None:
    cluster = contended(replicas={"min": 11, "max": 11})
    await Operator(cluster).settle()
    assert replicas(cluster) == {}
    planned, reason, message = condition(cluster, "Planned")
    assert (planned, reason) == ("False", Reason.NO_CANDIDATE)
    assert "q4-0 on cheap: PoolExhausted" in message
    assert "q4-0 on dear: PoolExhausted" in message


def lose_node(cluster: FakeCluster) -> None:
    """With what ran on it: one of two replicas."""
    cluster.put(make.node("s", cpu="500m", memory="2Gi", size="small"))
    (deployment,) = [
        o for o in cluster.all(kinds.DEPLOYMENT) if o["metadata"]["labels"]["inferfleet.io/pool"] == "cheap"
    ]
    cluster.put(deployment | {"status": {**deployment["status"], "readyReplicas": 1}})


async def test_what_ran_on_a_lost_node_runs_elsewhere_in_one_reconcile_and_keeps_its_place() -> None:
    cluster, operator = await spilled(2)
    assert replicas(cluster) == {"cheap": 2}
    lose_node(cluster)
    await operator.once()
    assert replicas(cluster) == {"cheap": 2, "dear": 1}
    assert "pool cheap has room for 1 of 2" in condition(cluster, "WithinLimits")[2]
    cluster.put(SMALL)
    await operator.settle()
    assert replicas(cluster) == {"cheap": 2}


async def test_a_restart_after_a_lost_node_adds_nothing() -> None:
    cluster, operator = await spilled(2)
    lose_node(cluster)
    await operator.once()
    await Operator(cluster).once()
    assert replicas(cluster) == {"cheap": 2, "dear": 1}


async def test_the_scaling_loop_sees_all_pools_as_one() -> None:
    _, operator = await spilled()
    result = await operator.once()
    assert result
    target = targets(result.plan)["chat"]
    assert (target.replicas, target.room) == (5, 6)  # bounded by the maximum


STEPS = st.one_of(
    st.tuples(st.just("demand"), st.integers(1, 6)),
    st.tuples(st.just("cores"), st.sampled_from(["500m", "1", "2", "4"])),
    st.tuples(st.just("price"), st.sampled_from(["0.01", "0.04", "0.2"])),
    st.tuples(st.just("ready"), st.booleans()),
    st.tuples(st.just("restart"), st.none()),
)


def act(operator: Operator, what: str, value: Any) -> Operator:
    cluster = operator.cluster
    if what == "demand":
        operator.decide(value)
    elif what == "cores":
        cluster.put(make.node("s", cpu=value, memory="4Gi", size="small"))
    elif what == "price":
        cluster.put(make.pool("cheap", price=value, nodes=CHEAP["spec"]["nodes"]))
    elif what == "restart":
        return Operator(cluster)
    else:
        cluster.settle_deployments(ready=value)
    return operator


def ready(cluster: FakeCluster) -> dict[str, int]:
    """What was told to go before is not there any more, though no controller has said so yet."""
    return {
        o["metadata"]["name"]: min(o["spec"]["replicas"], o.get("status", {}).get("readyReplicas", 0))
        for o in cluster.all(kinds.DEPLOYMENT)
    }


GIVEN_UP_HALFWAY = [("price", "0.2"), ("demand", 3), ("cores", "4"), ("price", "0.04")]
"""The pool that was spilled to takes all, and is given up again when the first has room but not yet the replicas."""


@given(st.lists(STEPS, min_size=3, max_size=14))
@example(GIVEN_UP_HALFWAY)
@hypothesis_settings(max_examples=30, deadline=None)
def test_whatever_happens_no_replica_goes_that_the_demand_needs(steps: list[tuple[str, Any]]) -> None:
    """And in the end there are as many as it needs, or no room for more."""

    async def live() -> None:
        cluster, operator = await spilled(4)
        wanted = 4
        for what, value in [*steps, ("demand", 5)]:
            operator = act(operator, what, value)
            wanted = value if what == "demand" else wanted
            before = ready(cluster)
            await operator.once()
            after = {o["metadata"]["name"]: o["spec"]["replicas"] for o in cluster.all(kinds.DEPLOYMENT)}
            kept = sum(min(count, after.get(name, 0)) for name, count in before.items())
            assert kept >= min(sum(before.values()), wanted), (what, value)
        await operator.settle()
        assert sum(replicas(cluster).values()) == 5

    asyncio.run(live())


RANKED = {"priority_classes": {1000: "high"}}


def important(name: str = "important", **changes: Any) -> list[make.Obj]:
    class_ = make.workload_class("urgent", priority=1000)
    only = {"pools": {"matchLabels": {"tier": "cheap"}}} if changes.pop("only_cheap", False) else {}
    workload = [{"class": "urgent", "replicas": {"min": 1, "max": 6}, **only, **changes}]
    return [class_, make.model(name, workloads=workload)]


@pytest.mark.parametrize(("ranks", "expected"), [(RANKED, {"cheap": 1}), ({}, {})])
async def test_what_is_less_important_is_evicted_only_by_a_higher_priority_class(
    ranks: dict[str, Any],
    expected: dict[str, int],
) -> None:
    cheap = make.pool("cheap", price="0.01", labels={"tier": "cheap"}, nodes=CHEAP["spec"]["nodes"])
    cluster, _ = await spilled(2)
    for obj in (cheap, *important(only_cheap=True)):
        cluster.put(obj)
    await Operator(cluster, replace(SETTINGS, **ranks), key=("default", "important")).settle()
    assert replicas(cluster, "important") == expected


async def test_nobody_is_evicted_while_another_pool_has_room() -> None:
    cluster, _ = await spilled(2)
    for obj in important():
        cluster.put(obj)
    await Operator(cluster, replace(SETTINGS, **RANKED), key=("default", "important")).settle()
    assert replicas(cluster, "important") == {"dear": 1}


async def test_the_same_replicas_are_not_evicted_twice() -> None:
    cheap = make.pool("cheap", price="0.01", labels={"tier": "cheap"}, nodes=CHEAP["spec"]["nodes"])
    cluster, _ = await spilled(2)
    least = {"min": 2, "max": 2}
    for obj in (cheap, *important("one", only_cheap=True, replicas=least), important("two", only_cheap=True)[1]):
        cluster.put(obj)
    for name in ("one", "two"):
        await Operator(cluster, replace(SETTINGS, **RANKED), key=("default", name)).settle()
    assert (replicas(cluster, "one"), replicas(cluster, "two")) == ({"cheap": 2}, {})
    assert condition(cluster, "Planned", "two")[:2] == ("False", Reason.NO_CANDIDATE)
