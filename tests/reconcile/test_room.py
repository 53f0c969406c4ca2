"""Nodes and quotas bound every replica that is added, and nothing that runs is taken away for lack of room."""

from dataclasses import replace
from typing import Any

import make
import pytest
from fakes.cluster import FakeCluster
from harness import Operator, condition, deployments, status, world

from inferfleet.fleet.targets import targets
from inferfleet.fleet.types import Plan
from inferfleet.kube import kinds
from inferfleet.names import Reason
from inferfleet.scaling.demand import Demand
from inferfleet.scaling.law import Decision, ScaleInput, decide

ONE_CORE = [{"namespace": "default", "accelerators": 1}]
"""Two replicas of half a core."""
QUOTA_OF_ONE_CORE = "the quota of namespace default (spec.quotas of pool cpu) leaves room for 2"
LARGE = make.node(cpu="64", memory="256Gi")
SMALL = make.node(cpu="1", memory="4Gi")
"""Two replicas of half a core."""


def workload(**changes: Any) -> list[make.Obj]:
    return make.workloads(**{"replicas": {"min": 1, "max": 10}} | changes)


async def settled(*objects: make.Obj, model: str = "demo") -> FakeCluster:
    cluster = world(make.workload_class(), *objects)
    await Operator(cluster, key=("default", model)).settle()
    return cluster


async def serving_six() -> tuple[FakeCluster, Operator]:
    """A node full of what the pool `cpu` serves, and the operator that knows why there are so many."""
    cluster = await settled(make.node(cpu="8"), make.pool(), make.model(workloads=workload()))
    operator = Operator(cluster)
    operator.decide(6)
    await operator.settle()
    return cluster, operator


def declare(cluster: FakeCluster, **changes: Any) -> None:
    cluster.edit(kinds.MODEL, "default", "demo", lambda o: o["spec"].update(workloads=workload(**changes)))


@pytest.mark.parametrize(
    ("node", "pool", "words"),
    [
        (LARGE, make.pool(quotas=ONE_CORE), QUOTA_OF_ONE_CORE),
        (SMALL, make.pool(), "the nodes of pool cpu have room for 2"),
    ],
    ids=["quota", "nodes"],
)
async def test_a_declared_demand_gets_as_many_replicas_as_fit_and_is_told_so(
    node: make.Obj, pool: make.Obj, words: str
) -> None:
    model = make.model(workloads=workload(demand={"requestsPerSecond": 100}))
    cluster = await settled(node, pool, model)
    assert list(deployments(cluster).values()) == [2]
    limits, reason, message = condition(cluster, "WithinLimits")
    assert (limits, reason) == ("False", Reason.POOL_EXHAUSTED)
    assert words in message
    assert "10 replicas are needed" in message


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": {"min": 10, "max": 10}},
        {"demand": {"requestsPerSecond": 100, "guaranteed": True}},
    ],
    ids=["min", "guaranteed demand"],
)
async def test_a_floor_that_is_raised_under_a_running_placement_stops_at_the_quota(change: Any) -> None:
    cluster = await settled(LARGE, make.pool(quotas=ONE_CORE), make.model())
    declare(cluster, **change)
    await Operator(cluster).settle()
    assert list(deployments(cluster).values()) == [2]
    assert condition(cluster, "WithinLimits")[:2] == ("False", Reason.POOL_EXHAUSTED)
    assert QUOTA_OF_ONE_CORE in condition(cluster, "WithinLimits")[2]
    assert condition(cluster, "Planned")[0] == "True"


async def test_two_models_share_one_quota() -> None:
    many = workload(demand={"requestsPerSecond": 100}, replicas={"min": 1, "max": 6})
    pool = make.pool(quotas=[{"namespace": "default", "accelerators": 2}])
    cluster = await settled(LARGE, pool, make.model("a", workloads=many), make.model("b", workloads=many), model="a")
    assert list(deployments(cluster).values()) == [4]
    await Operator(cluster, key=("default", "b")).settle()
    assert list(deployments(cluster).values()) == [4]
    assert condition(cluster, "Planned", "b")[:2] == ("False", Reason.NO_CANDIDATE)
    assert "leaves room for 0" in condition(cluster, "Planned", "b")[2]


async def test_what_the_scaling_loop_asks_for_beyond_the_room_is_cut_and_told() -> None:
    cluster = await settled(SMALL, make.pool(), make.model())
    operator = Operator(cluster)
    operator.decide(7, Reason.POOL_EXHAUSTED)
    await operator.settle()
    assert list(deployments(cluster).values()) == [2]
    assert "the nodes of pool cpu have room for 2" in condition(cluster, "WithinLimits")[2]


async def test_a_pool_that_shrinks_takes_no_replica_away_and_gives_none() -> None:
    cluster = await settled(make.node(cpu="4"), make.pool(), make.model(workloads=workload()))
    operator = Operator(cluster)
    operator.decide(6)
    await operator.settle()
    cluster.put(make.pool(quotas=ONE_CORE))
    operator.decide(8)
    await operator.settle()
    assert list(deployments(cluster).values()) == [6]
    operator.decide(5)
    await operator.settle()
    assert list(deployments(cluster).values()) == [5]


async def test_a_quota_is_not_reported_as_full_nodes() -> None:
    none = [{"namespace": "default", "accelerators": 0}]
    cluster = await settled(LARGE, make.pool(quotas=none), make.model())
    message = condition(cluster, "Planned")[2]
    assert (
        "1 replicas are needed and the quota of namespace default (spec.quotas of pool cpu) leaves room for 0"
        in message
    )
    assert {r.binding_constraint for r in status(cluster).rejected} == {"quota"}


async def test_a_quota_that_nodes_undercut_is_not_blamed() -> None:
    wide = [{"namespace": "default", "accelerators": 60}]
    model = make.model(workloads=workload(replicas={"min": 5, "max": 5}))
    cluster = await settled(SMALL, make.pool(quotas=wide), model)
    assert "5 replicas are needed and 2 more fit on 1 node of the pool" in condition(cluster, "Planned")[2]


async def test_a_new_placement_needs_room_for_its_guaranteed_demand() -> None:
    model = make.model(workloads=workload(demand={"requestsPerSecond": 100, "guaranteed": True}))
    cluster = await settled(SMALL, make.pool(), model)
    assert deployments(cluster) == {}
    assert "10 replicas are needed and 2 more fit" in condition(cluster, "Planned")[2]


async def test_a_guaranteed_demand_goes_where_there_is_room_for_it_though_it_is_dearer() -> None:
    roomy = make.pool(
        "roomy", price="0.5", nodes={"selector": {"size": "large"}, "replica": {"cpu": "500m", "memory": "1Gi"}}
    )
    large = make.node("large", cpu="64", memory="256Gi", size="large")
    demand = {"requestsPerSecond": 100, "guaranteed": True}
    small = make.node(cpu="1", memory="4Gi", size="small")
    cheap = make.pool(nodes={"selector": {"size": "small"}, "replica": {"cpu": "500m", "memory": "1Gi"}})
    cluster = await settled(small, large, cheap, roomy, make.model(workloads=workload(demand=demand)))
    assert [(p.pool, p.replicas) for p in status(cluster).placements] == [("roomy", 10)]


async def test_a_guaranteed_demand_above_the_maximum_is_not_cut_in_silence() -> None:
    model = make.model(workloads=[{"class": "chat", "demand": {"requestsPerSecond": 50, "guaranteed": True}}])
    cluster = await settled(LARGE, make.pool(), model)
    operator = Operator(cluster)
    operator.decide(1, Reason.STEADY)
    await operator.settle()
    limits, reason, message = condition(cluster, "WithinLimits")
    assert (limits, reason) == ("False", Reason.MAX_REPLICAS)
    assert "the guaranteed demand needs " in message
    assert "replicas.max is 1" in message
    assert list(deployments(cluster).values()) == [1]


async def test_a_cheaper_pool_without_room_for_all_that_runs_takes_over_a_part() -> None:
    cluster, operator = await serving_six()
    cluster.put(make.pool("cheap", price="0.001", quotas=ONE_CORE))
    await operator.settle()
    assert {p.pool: (p.replicas, p.state) for p in status(cluster).placements} == {
        "cheap": (2, "Serving"),
        "cpu": (4, "Serving"),
    }


async def test_a_part_that_saves_too_little_stays_where_it_is() -> None:
    """Two of six replicas for a fifth less save 7 %."""
    cluster, operator = await serving_six()
    cluster.put(make.pool("cheap", price="0.04", quotas=ONE_CORE))
    await operator.settle()
    assert [(p.pool, p.replicas, p.state) for p in status(cluster).placements] == [("cpu", 6, "Serving")]
    (rejected,) = {r.message for r in status(cluster).rejected if (r.pool, r.variant) == ("cheap", "q4-0")}
    assert "6 replicas are needed and the quota of namespace default" in rejected


async def test_what_serves_stays_beside_a_successor_that_cannot_carry_its_load() -> None:
    """The successor was chosen because what runs may not be there any more; that is no reason to serve less."""
    cluster, operator = await serving_six()
    cluster.put(make.pool(price=None))
    cluster.put(make.pool("other", quotas=ONE_CORE))
    await operator.settle()
    found = {p.pool: (p.replicas, p.ready, p.state) for p in status(cluster).placements}
    assert found == {"cpu": (6, 6, "Retiring"), "other": (2, 2, "Starting")}
    cluster.put(make.pool("other"))
    await operator.settle()
    assert [(p.pool, p.replicas, p.state) for p in status(cluster).placements] == [("other", 6, "Serving")]


async def test_a_restart_amid_such_a_move_takes_nothing_away() -> None:
    cluster, _ = await serving_six()
    cluster.put(make.pool(price=None))
    cluster.put(make.pool("other", quotas=ONE_CORE))
    await Operator(cluster).settle()  # it knows of no decision
    found = {p.pool: (p.replicas, p.ready, p.state) for p in status(cluster).placements}
    assert found == {"cpu": (6, 6, "Retiring"), "other": (2, 2, "Starting")}


def law(operator: Operator, plan: Plan, tokens_per_second: float) -> None:
    """The scaling loop's decision on a plan, by the law itself."""
    target = targets(plan)["chat"]
    demand = Demand(tokens_per_second, 0.0, 0.0, 0.0, target.request_tokens)
    found = decide(
        ScaleInput(
            now=1000.0,
            replicas=target.replicas,
            ready_pods=1,
            stale_pods=(),
            minimum=target.minimum,
            maximum=target.maximum,
            room=target.room,
            demand=demand,
            capacity=target.planned_capacity,
            utilization=target.utilization,
            boot=1.0,
            delay=target.delay,
            history=(),
        )
    )
    operator.scaled = replace(operator.scaled, decisions={"chat": found}, served={"chat": 0.0})


async def test_the_law_takes_nothing_away_for_a_successor_without_room() -> None:
    cluster, operator = await serving_six()
    cluster.put(make.pool(price=None))
    cluster.put(make.pool("other", quotas=ONE_CORE))
    for _ in range(4):
        result = await operator.once()
        assert result
        cluster.settle_deployments(ready=True)
        law(operator, result.plan, tokens_per_second=2500)
    found = {p.pool: (p.replicas, p.state) for p in status(cluster).placements}
    assert found == {"cpu": (6, "Retiring"), "other": (2, "Starting")}


@pytest.mark.parametrize(
    ("reason", "replicas", "wanted", "asked"),
    [
        (Reason.POOL_EXHAUSTED, 2, 6, 6),
        (Reason.DEMAND, 3, 3, 3),
        (Reason.SCALE_IN_DELAY, 3, 1, 3),
        (Reason.SIGNAL_STALE, 2, 2, None),
    ],
)
def test_a_plan_aims_at_the_demand_that_a_full_pool_cannot_serve(
    reason: str, replicas: int, wanted: int, asked: int | None
) -> None:
    assert Decision(replicas, wanted, reason, "", True, ()).asked == asked


async def test_two_workloads_of_a_model_share_one_quota() -> None:
    many = [{"class": name, "demand": {"requestsPerSecond": 100}, "replicas": {"max": 9}} for name in ("chat", "batch")]
    pool = make.pool(quotas=ONE_CORE)
    cluster = world(
        make.node(cpu="8"), pool, make.workload_class(), make.workload_class("batch"), make.model(workloads=many)
    )
    await Operator(cluster).settle()
    assert sum(deployments(cluster).values()) == 2


async def test_a_retiring_placement_is_not_bound_by_the_room_of_its_successor() -> None:
    cluster = await settled(make.node(cpu="8"), make.pool(), make.model(workloads=workload()))
    (old,) = deployments(cluster)
    cluster.put(make.pool("cheap", price="0.001", quotas=ONE_CORE))
    operator = Operator(cluster)
    await operator.once()
    operator.decide(5)
    await operator.once()
    assert deployments(cluster)[old] == 5
    assert sorted(deployments(cluster).values()) == [2, 5]


async def test_a_pool_whose_nodes_are_still_to_come_is_no_pool_whose_nodes_vanished() -> None:
    nodes = {
        "selector": {"kubernetes.io/os": "windows"},
        "replica": {"cpu": "500m", "memory": "1Gi"},
        "acceleratorsPerNode": 4,
        "maxNodes": 2,
    }
    cluster = world(make.workload_class(), make.pool(nodes=nodes), make.model())
    operator = Operator(cluster)
    await operator.once()
    cluster.settle_deployments(ready=False)
    await operator.once()
    assert condition(cluster, "Planned")[:2] == ("True", Reason.PLANNED)
    assert [p.state for p in status(cluster).placements] == ["Starting"]
