"""What the fleet's program chooses for several Models, and how they get there: nothing is torn down before."""

from collections.abc import Mapping

import make
from fakes.cluster import FakeCluster
from harness import Operator, condition, stores, world

from inferfleet.catalog import loader
from inferfleet.fleet.assign import Owner
from inferfleet.fleet.placer import Placer, Solve
from inferfleet.kube import kinds
from inferfleet.placing.place import greedy_plan, place
from inferfleet.placing.types import Plan, Problem, Settings

SMALL = {"nodes": {"selector": {"size": "small"}, "replica": {"cpu": "500m", "memory": "1Gi"}}}
LARGE = {"nodes": {"selector": {"size": "large"}, "replica": {"cpu": "500m", "memory": "1Gi"}}}
ONE = {"min": 1, "max": 1}


async def solve(problem: Problem, settings: Settings) -> Plan:
    return place(problem, settings)


def contended(*models: make.Obj) -> FakeCluster:
    """A cheap pool with room for one replica, a dear one with room for several."""
    return world(
        make.node("s", cpu="500m", memory="1Gi", size="small"),
        make.node("l", cpu="4", memory="16Gi", size="large"),
        make.pool("cheap", price="0.01", labels={"tier": "cheap"}, **SMALL),
        make.pool("dear", price="0.05", **LARGE),
        make.workload_class(),
        *models,
    )


class Fleet:
    """Several Models and what places them together."""

    def __init__(self, cluster: FakeCluster, *names: str, solve: Solve = solve) -> None:
        self.cluster = cluster
        self.placer = Placer(loader.load(), solve)
        self.operators = {name: Operator(cluster, key=("default", name)) for name in names}

    async def settle(self, name: str) -> None:
        operator = self.operators[name]
        operator.scaled = operator.scaled.__class__(assigned=self.placer.assigned(operator.key))
        await operator.settle()
        result = await operator.once()
        assert result
        self.placer.note(operator.key, result.plan)

    async def place(self, demand: Mapping[Owner, float] | None = None) -> set[str]:
        """One round; the Models that are to move."""
        found = await self.placer.round(stores(self.cluster), demand or {})
        assert found
        return {name for _, name in found.moved}

    def pools(self) -> dict[str, str]:
        """Of every Deployment that has replicas, by Model."""
        return {
            o["metadata"]["labels"]["inferfleet.io/model"]: o["metadata"]["labels"]["inferfleet.io/pool"]
            for o in self.cluster.all(kinds.DEPLOYMENT)
        }


def anywhere(name: str) -> make.Obj:
    return make.model(name, workloads=make.workloads(replicas=ONE))


def only_cheap(name: str) -> make.Obj:
    return make.model(name, workloads=make.workloads(replicas=ONE, pools={"matchLabels": {"tier": "cheap"}}))


async def test_who_can_do_elsewhere_leaves_a_scarce_pool_to_who_cannot() -> None:
    fleet = Fleet(contended(anywhere("first"), only_cheap("second")), "first", "second")
    await fleet.settle("first")
    await fleet.settle("second")
    assert fleet.pools() == {"first": "cheap"}
    assert await fleet.place() == {"first", "second"}
    await fleet.settle("first")
    await fleet.settle("second")
    assert fleet.pools() == {"first": "dear", "second": "cheap"}
    _, _, message = condition(fleet.cluster, "Planned", "first")
    assert "other workloads need pool cheap more" in message
    (event,) = [o for o in fleet.cluster.all(kinds.EVENT) if o["reason"] == "Moving"]
    assert "on cheap (0." in event["message"]
    assert "on dear (0." in event["message"]


async def test_a_fleet_that_is_placed_well_is_left_alone() -> None:
    fleet = Fleet(contended(anywhere("first"), anywhere("second")), "first", "second")
    await fleet.settle("first")
    await fleet.settle("second")
    before = fleet.pools()
    assert await fleet.place() == set()
    await fleet.settle("first")
    assert fleet.pools() == before == {"first": "cheap", "second": "dear"}


async def test_a_restart_moves_nothing() -> None:
    fleet = Fleet(contended(anywhere("first"), anywhere("second")), "first", "second")
    for name in ("second", "first"):
        await fleet.settle(name)
    before, restarted = fleet.pools(), Fleet(fleet.cluster, "first", "second")
    for name in ("first", "second"):
        await restarted.settle(name)
    assert await restarted.place() == set()
    assert restarted.pools() == before


def one_small_and_one_large() -> FakeCluster:
    """The large is cheaper by the token, and dearer for a demand that does not fill it."""
    few, many = {"cpu": "1", "memory": "2Gi"}, {"cpu": "4", "memory": "8Gi"}
    return world(
        make.node("s", cpu="4", memory="16Gi", size="small"),
        make.node("l", cpu="16", memory="64Gi", size="large"),
        make.pool("small", price="0.05", nodes={"selector": {"size": "small"}, "replica": few}),
        make.pool("large", price="0.02", nodes={"selector": {"size": "large"}, "replica": many}),
        make.workload_class(),
        anywhere("first"),
    )


async def test_a_restart_takes_back_nothing_that_was_chosen_for_the_fleet() -> None:
    fleet, little = Fleet(one_small_and_one_large(), "first"), {(("default", "first"), "chat"): 30.0}
    await fleet.settle("first")
    assert fleet.pools() == {"first": "large"}
    assert await fleet.place(little) == {"first"}
    await fleet.settle("first")
    assert fleet.pools() == {"first": "small"}
    restarted = Fleet(fleet.cluster, "first")
    before = fleet.cluster.snapshot()
    await restarted.settle("first")
    assert fleet.cluster.snapshot() == before
    assert await restarted.place(little) == set()


async def without_solver(problem: Problem, settings: Settings) -> Plan:
    return greedy_plan(problem, settings)


async def test_what_runs_stays_while_no_solver_answers() -> None:
    fleet = Fleet(one_small_and_one_large(), "first", solve=without_solver)
    await fleet.settle("first")
    assert await fleet.place({(("default", "first"), "chat"): 30.0}) == set()
    await fleet.settle("first")
    assert fleet.pools() == {"first": "large"}


async def test_a_model_that_is_gone_gives_its_room_back() -> None:
    fleet = Fleet(contended(only_cheap("first"), anywhere("second")), "first", "second")
    for name in ("first", "second"):
        await fleet.settle(name)
    fleet.placer.note(("default", "first"), None)
    assert await fleet.place() == {"second"}
    told = fleet.placer.assigned(("default", "second"))
    assert told
    assert told["chat"][0] == "cheap"
