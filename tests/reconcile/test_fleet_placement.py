"""What the fleet's program chooses for several Models, and how they get there: nothing is torn down before."""

from dataclasses import replace

import make
from fakes.cluster import FakeCluster
from harness import Operator, condition, stores, world
from placing import solve
from spilling import CHEAP, contended, replicas

from inferfleet.catalog import loader
from inferfleet.fleet.placer import Placer, Solve
from inferfleet.fleet.types import Told
from inferfleet.kube import kinds
from inferfleet.placing.place import greedy_plan
from inferfleet.placing.types import Plan, Problem, Settings

SMALL = {"nodes": {"selector": {"size": "small"}, "replica": {"cpu": "500m", "memory": "1Gi"}}}
LARGE = {"nodes": {"selector": {"size": "large"}, "replica": {"cpu": "500m", "memory": "1Gi"}}}
ONE = {"min": 1, "max": 1}


def scarce(*models: make.Obj) -> FakeCluster:
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

    async def place(self, **tokens_per_second: float) -> set[str]:
        """One round, with what is observed of Models; those that are to move."""
        observed = {(("default", name), "chat"): found for name, found in tokens_per_second.items()}
        found = await self.placer.round(stores(self.cluster), observed)
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
    fleet = Fleet(scarce(anywhere("first"), only_cheap("second")), "first", "second")
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


async def test_within_a_quota_too_who_can_do_elsewhere_leaves_room_to_who_cannot() -> None:
    cluster = scarce(anywhere("first"), only_cheap("second"))
    cluster.put(make.node("s2", cpu="4", memory="16Gi", size="small"))
    nodes = {"selector": {"size": "small"}, "replica": {"cpu": "1", "memory": "1Gi"}}
    quota = [{"namespace": "default", "accelerators": 1}]
    cluster.put(make.pool("cheap", price="0.01", labels={"tier": "cheap"}, quotas=quota, nodes=nodes))
    fleet = Fleet(cluster, "first", "second")
    await fleet.settle("first")
    await fleet.settle("second")
    assert fleet.pools() == {"first": "cheap"}
    assert await fleet.place(first=1.0) == {"first", "second"}
    await fleet.settle("first")
    await fleet.settle("second")
    assert fleet.pools() == {"first": "dear", "second": "cheap"}


async def test_a_fleet_that_is_placed_well_is_left_alone() -> None:
    fleet = Fleet(scarce(anywhere("first"), anywhere("second")), "first", "second")
    await fleet.settle("first")
    await fleet.settle("second")
    before = fleet.pools()
    assert await fleet.place() == set()
    await fleet.settle("first")
    assert fleet.pools() == before == {"first": "cheap", "second": "dear"}


async def test_a_restart_moves_nothing() -> None:
    fleet = Fleet(scarce(anywhere("first"), anywhere("second")), "first", "second")
    for name in ("second", "first"):
        await fleet.settle(name)
    before, restarted = fleet.pools(), Fleet(fleet.cluster, "first", "second")
    for name in ("first", "second"):
        await restarted.settle(name)
    assert await restarted.place() == set()
    assert restarted.pools() == before


async def test_the_first_round_after_a_restart_waits_for_the_whole_fleet() -> None:
    fleet = Fleet(scarce(anywhere("first"), only_cheap("second")), "first", "second")
    keys = [operator.key for operator in fleet.operators.values()]
    fleet.placer.expect([*keys, ("default", "broken"), ("default", "gone")])
    for name in fleet.operators:
        await fleet.settle(name)
    fleet.placer.heard(("default", "broken"))
    assert await fleet.placer.round(stores(fleet.cluster), {}) is None
    assert fleet.placer.assigned(keys[0]) is None
    fleet.placer.note(("default", "gone"), None)
    assert await fleet.placer.round(stores(fleet.cluster), {})


async def test_a_model_that_is_gone_gives_its_room_back() -> None:
    fleet = Fleet(scarce(only_cheap("first"), anywhere("second")), "first", "second")
    for name in ("first", "second"):
        await fleet.settle(name)
    fleet.placer.note(("default", "first"), None)
    assert await fleet.place() == {"second"}
    told = fleet.placer.assigned(("default", "second"))
    assert told
    assert told["chat"].identity[0] == "cheap"


def large_replicas() -> FakeCluster:
    """A token is cheaper on pool `big`, whose replicas are of eight cores, and an hour of one replica on `little`."""
    large = {"nodes": {"selector": {"size": "large"}, "replica": {"cpu": "8", "memory": "8Gi"}}}
    return world(
        make.node("s", cpu="4", memory="16Gi", size="small"),
        make.node("l", cpu="16", memory="64Gi", size="large"),
        make.pool("little", price="0.05", **SMALL),
        make.pool("big", price="0.02", **large),
        make.workload_class(),
        anywhere("first"),
    )


async def test_a_restart_leaves_what_only_the_fleet_chose_where_it_is() -> None:
    fleet = Fleet(large_replicas(), "first")
    await fleet.settle("first")
    assert await fleet.place(first=1.0) == {"first"}
    await fleet.settle("first")
    assert fleet.pools() == {"first": "little"}
    restarted, before = Fleet(fleet.cluster, "first"), fleet.cluster.snapshot()
    await restarted.settle("first")
    assert fleet.cluster.snapshot() == before


async def without_solver(problem: Problem, settings: Settings) -> Plan:
    return greedy_plan(problem, settings)


async def test_what_runs_stays_while_no_solver_answers() -> None:
    fleet = Fleet(large_replicas(), "first", solve=without_solver)
    await fleet.settle("first")
    assert await fleet.place(first=1.0) == set()
    await fleet.settle("first")
    assert fleet.pools() == {"first": "big"}


async def test_of_what_costs_the_same_for_few_requests_the_fastest_is_chosen() -> None:
    fleet = Fleet(large_replicas(), "first")
    await fleet.settle("first")
    await fleet.place(first=1.0)
    assert fleet.placer.assigned(("default", "first")) == {"chat": Told(("little", "q4-0", "llama-cpp"), 1)}


class Asked:
    """A solver that counts what it is asked."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, problem: Problem, settings: Settings) -> Plan:
        self.times += 1
        return await solve(problem, settings)


async def test_the_program_is_not_asked_again_while_nothing_changes_and_all_the_same_told() -> None:
    asked = Asked()
    fleet = Fleet(large_replicas(), "first", solve=asked)
    await fleet.settle("first")
    assert [await fleet.place(first=1.0), await fleet.place(first=1.02)] == [{"first"}, {"first"}]
    assert asked.times == 1
    await fleet.settle("first")  # what runs is another then
    assert [await fleet.place(first=1.0), await fleet.place(first=1.0)] == [set(), set()]
    assert asked.times == 2
    await fleet.place(first=9.0)
    assert asked.times == 3


async def test_the_program_is_asked_again_until_it_answers() -> None:
    asked = Asked()
    fleet = Fleet(large_replicas(), "first", solve=without_solver)
    await fleet.settle("first")
    found = [await fleet.placer.round(stores(fleet.cluster), {}) for _ in range(2)]
    assert [one.result for one in found if one] == ["unanswered", "unanswered"]
    fleet.placer = Placer(loader.load(), asked)
    await fleet.settle("first")
    found = [await fleet.placer.round(stores(fleet.cluster), {}) for _ in range(2)]
    assert [one.result for one in found if one] == ["solved", "kept"]


async def test_what_serves_is_not_placed_as_if_idle_before_its_traffic_is_known() -> None:
    fleet = Fleet(large_replicas(), "first")
    await fleet.settle("first")
    assert fleet.pools() == {"first": "big"}
    assert await fleet.place() == set()


async def test_a_round_that_fails_leaves_the_choice_to_each_and_comes_again() -> None:
    placer = Placer(loader.load(), solve)
    assert placer.assigned(("default", "first")) is None
    placer.failed()
    assert placer.assigned(("default", "first")) == {}
    await placer.wait()


class Contended:
    """A Model on pool `dear`, of whose six replicas two would fit on `cheap`, and who decides about that."""

    def __init__(self) -> None:
        self.cluster = contended()
        self.fleet, self.seen = Fleet(self.cluster, "demo"), [dict[str, int]()]

    async def begin(self) -> None:
        self.cluster.put(make.pool("cheap", price="1", nodes=CHEAP["spec"]["nodes"]))
        await self.steps(4)
        self.seen.clear()
        await self.fleet.place(demo=2800.0)
        self.cluster.put(CHEAP)

    async def steps(self, count: int) -> None:
        """Reconciles, as every change of a Deployment wakes one."""
        operator = self.fleet.operators["demo"]
        for _ in range(count):
            operator.decide(6)
            operator.scaled = replace(operator.scaled, assigned=self.fleet.placer.assigned(operator.key))
            result = await operator.once()
            assert result
            self.fleet.placer.note(operator.key, result.plan)
            self.cluster.settle_deployments()
            self.seen.append(replicas(self.cluster))


async def test_a_part_that_would_be_cheaper_elsewhere_moves_when_the_program_has_agreed_and_stays() -> None:
    it = Contended()
    await it.begin()
    await it.steps(3)
    assert it.seen == [{"dear": 6}] * 3
    assert await it.fleet.place(demo=2800.0) == {"demo"}
    await it.steps(2)
    assert it.seen[-1] == {"cheap": 2, "dear": 4}
    assert await it.fleet.place(demo=2800.0) == set()
    it.seen.clear()
    await it.steps(3)
    assert it.seen == [{"cheap": 2, "dear": 4}] * 3


async def test_a_part_goes_back_where_another_workload_needs_the_pool_more() -> None:
    it = Contended()
    await it.begin()
    await it.fleet.place(demo=2800.0)
    await it.steps(3)
    await it.fleet.place(demo=2800.0)
    await it.steps(3)
    assert it.seen[-1] == {"cheap": 2, "dear": 4}
    it.cluster.put(make.pool("cheap", price="0.01", labels={"tier": "cheap"}, nodes=CHEAP["spec"]["nodes"]))
    two = {"min": 2, "max": 2}
    it.cluster.put(
        make.model("other", workloads=make.workloads(replicas=two, pools={"matchLabels": {"tier": "cheap"}}))
    )
    it.fleet.operators["other"] = Operator(it.cluster, key=("default", "other"))
    await it.fleet.settle("other")
    assert await it.fleet.place(demo=2800.0) == {"demo", "other"}
    await it.steps(3)
    await it.fleet.settle("other")
    assert (replicas(it.cluster), replicas(it.cluster, "other")) == ({"dear": 6}, {"cheap": 2})
    assert await it.fleet.place(demo=2800.0) == set()
    await it.steps(2)
    assert replicas(it.cluster) == {"dear": 6}
