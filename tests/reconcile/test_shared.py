"""Classes that one placement serves for less: together, apart again, and never without what serves them."""

import asyncio
from dataclasses import replace
from typing import Any

import make
from fakes.cluster import FakeCluster
from harness import Operator, condition, status, stores, world
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from placing import solve

from inferfleet import names
from inferfleet.catalog import loader
from inferfleet.fleet.placer import Placer
from inferfleet.fleet.types import Told
from inferfleet.kube import kinds

TOGETHER = "assist_chat"


def both(**changes: Any) -> list[make.Obj]:
    one = {"replicas": {"min": 1, "max": 3}}
    return [{"class": name, **one, **changes} for name in ("chat", "assist")]


def there(*more: make.Obj, **changes: Any) -> FakeCluster:
    return world(
        make.node(cpu="8"),
        make.pool(),
        make.workload_class(),
        make.workload_class("assist"),
        make.model(workloads=both(**changes)),
        *more,
    )


class Fleet:
    """One Model and what places it."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster, self.operator = cluster, Operator(cluster)
        self.placer = Placer(loader.load(), solve)
        labels = ("chat", "assist", TOGETHER)
        self.demand = {(self.operator.key, label): 20.0 for label in labels}

    async def once(self) -> None:
        """A reconcile, with what was chosen last."""
        self.operator.scaled = replace(self.operator.scaled, assigned=self.placer.assigned(self.operator.key))
        result = await self.operator.once()
        assert result
        self.placer.note(self.operator.key, result.plan)

    async def settle(self) -> None:
        """Until the program and the reconciles agree and nothing is left to do."""
        for _ in range(12):
            before = self.cluster.version
            await self.once()
            version = self.cluster.version
            self.cluster.settle_deployments(ready=True)
            moved = await self.placer.round(stores(self.cluster), self.demand)
            assert moved
            if not moved.moved and self.cluster.version == version == before:
                return
        raise AssertionError(f"not settled: {self.cluster.writes[-4:]}")

    def pods(self) -> dict[str, int]:
        """Replicas by class label."""
        found = self.cluster.all(kinds.DEPLOYMENT)
        return {o["metadata"]["labels"][names.LABEL_CLASS]: o["spec"]["replicas"] for o in found}

    def selected(self) -> dict[str, str]:
        """By class, the class label that its Service selects."""
        found = self.cluster.all(kinds.SERVICE)
        return {o["metadata"]["labels"][names.LABEL_CLASS]: o["spec"]["selector"][names.LABEL_CLASS] for o in found}


async def test_two_classes_that_one_replica_can_carry_share_it() -> None:
    fleet = Fleet(there())
    await fleet.settle()
    assert fleet.pods() == {TOGETHER: 1}
    assert fleet.selected() == {"chat": TOGETHER, "assist": TOGETHER}
    (placement,) = status(fleet.cluster).placements
    assert placement.classes == ["assist", "chat"]
    assert [e.class_ for e in status(fleet.cluster).endpoints] == ["assist", "chat"]
    assert condition(fleet.cluster, "Ready")[0] == "True"
    assert condition(fleet.cluster, "Planned")[2].startswith("assist and chat: q4-0 on cpu")


async def test_requests_stay_where_they_are_served_until_what_is_shared_is_ready() -> None:
    fleet = Fleet(there())
    await fleet.once()
    fleet.cluster.settle_deployments(ready=True)
    assert fleet.pods() == {"chat": 1, "assist": 1}
    await fleet.placer.round(stores(fleet.cluster), fleet.demand)
    await fleet.once()
    assert fleet.pods() == {"chat": 1, "assist": 1, TOGETHER: 1}
    assert fleet.selected() == {"chat": "chat", "assist": "assist"}
    await fleet.once()
    assert fleet.pods() == {"chat": 1, "assist": 1, TOGETHER: 1}
    fleet.cluster.settle_deployments(ready=True)
    await fleet.once()
    assert fleet.pods() == {TOGETHER: 1}
    assert fleet.selected() == {"chat": TOGETHER, "assist": TOGETHER}


async def test_what_never_served_holds_no_place_for_what_is_shared() -> None:
    fleet = Fleet(there())
    await fleet.once()
    fleet.cluster.settle_deployments(ready=False)
    await fleet.placer.round(stores(fleet.cluster), fleet.demand)
    await fleet.once()
    assert fleet.pods() == {TOGETHER: 1}
    assert fleet.selected() == {"chat": TOGETHER, "assist": TOGETHER}


async def test_without_room_for_what_is_shared_each_goes_on_by_itself() -> None:
    fleet = Fleet(there())
    await fleet.once()
    fleet.cluster.settle_deployments(ready=True)
    await fleet.placer.round(stores(fleet.cluster), fleet.demand)
    fleet.cluster.put(make.node(cpu="1"))
    await fleet.once()
    assert fleet.pods() == {"chat": 1, "assist": 1}
    assert condition(fleet.cluster, "Planned")[0] == "True"


async def test_what_the_pods_of_a_mix_are_told_does_not_move_with_the_traffic() -> None:
    """Nor do the classes part and join again with every guess of who asked."""
    fleet = Fleet(there())
    short = {"inputTokens": {"p50": 120, "p95": 400}, "outputTokens": {"p50": 10, "p95": 20}}
    fleet.cluster.put(make.workload_class("assist", traffic=short))
    await fleet.settle()
    assert fleet.pods() == {TOGETHER: 1}
    (before,) = fleet.cluster.all(kinds.CONFIG_MAP)
    for tokens in (1.0, 100.0, 300.0):
        fleet.demand = dict.fromkeys(fleet.demand, tokens)
        found = await fleet.placer.round(stores(fleet.cluster), fleet.demand)
        assert found
        assert not found.moved
        await fleet.once()
    (after,) = fleet.cluster.all(kinds.CONFIG_MAP)
    assert after["data"] == before["data"]


async def test_a_restart_changes_nothing() -> None:
    fleet = Fleet(there())
    await fleet.settle()
    before, again = fleet.cluster.snapshot(), Fleet(fleet.cluster)
    await again.placer.round(stores(fleet.cluster), fleet.demand)
    await again.settle()
    assert again.cluster.snapshot() == before


async def test_classes_part_when_they_do_not_go_together_any_more() -> None:
    fleet = Fleet(there())
    await fleet.settle()
    fleet.cluster.put(make.workload_class("assist", priority=1000))
    await fleet.once()
    await fleet.placer.round(stores(fleet.cluster), fleet.demand)
    await fleet.once()
    assert fleet.pods() == {TOGETHER: 1, "chat": 1, "assist": 1}
    assert fleet.selected() == {"chat": TOGETHER, "assist": TOGETHER}
    await fleet.settle()
    assert fleet.pods() == {"chat": 1, "assist": 1}
    assert fleet.selected() == {"chat": "chat", "assist": "assist"}


def apart(fleet: Fleet) -> dict[str, Told]:
    """As the program says it that weighs what runs in the end, and not how to get there."""
    (live,) = fleet.cluster.all(kinds.DEPLOYMENT)
    labels = live["metadata"]["labels"]
    identity = (labels[names.LABEL_POOL], labels[names.LABEL_VARIANT], labels[names.LABEL_ENGINE])
    return {class_: Told(identity, 1) for class_ in ("chat", "assist")}


async def test_classes_that_have_no_room_to_part_stay_together() -> None:
    fleet = Fleet(there())
    await fleet.settle()
    fleet.operator.scaled = replace(fleet.operator.scaled, assigned=apart(fleet))
    fleet.cluster.put(make.node(cpu="1"))
    for _ in range(3):
        await fleet.operator.once()
        assert fleet.pods() == {TOGETHER: 1}
        assert condition(fleet.cluster, "Planned")[0] == "True"
    fleet.cluster.put(make.node(cpu="1500m"))
    await fleet.operator.once()
    assert fleet.pods() == {TOGETHER: 1, "chat": 1, "assist": 1}


async def test_classes_that_do_not_go_together_and_have_no_room_to_part_are_served_as_they_are() -> None:
    fleet = Fleet(there())
    await fleet.settle()
    fleet.operator.scaled = replace(fleet.operator.scaled, assigned=apart(fleet))
    fleet.cluster.put(make.node(cpu="500m"))
    fleet.cluster.put(make.workload_class("assist", priority=1000))
    await fleet.operator.once()
    assert fleet.pods() == {TOGETHER: 1}
    assert condition(fleet.cluster, "Planned")[1] == "NoCandidate"
    assert condition(fleet.cluster, "Ready")[0] == "True"


async def test_what_is_shared_serves_on_when_one_of_its_classes_vanishes() -> None:
    fleet = Fleet(there())
    await fleet.settle()
    fleet.cluster.remove(kinds.WORKLOAD_CLASS, "", "assist")
    await fleet.once()
    assert fleet.pods()[TOGETHER] == 1
    assert fleet.selected()["assist"] == TOGETHER
    assert condition(fleet.cluster, "Ready")[0] == "True"


async def test_who_does_not_want_to_share_does_not() -> None:
    fleet = Fleet(there(placement={"share": False}))
    await fleet.settle()
    assert fleet.pods() == {"chat": 1, "assist": 1}


async def test_what_is_shared_serves_on_when_its_pool_vanishes() -> None:
    fleet = Fleet(there())
    await fleet.settle()
    fleet.cluster.remove(kinds.HARDWARE_POOL, "", "cpu")
    await fleet.once()
    assert fleet.pods() == {TOGETHER: 1}
    assert {p.state for p in status(fleet.cluster).placements} == {"Frozen"}


async def test_a_class_that_leaves_the_model_leaves_what_was_shared() -> None:
    fleet = Fleet(there())
    await fleet.settle()
    fleet.cluster.edit(kinds.MODEL, "default", "demo", lambda o: o["spec"].update(workloads=both()[:1]))
    await fleet.once()
    assert fleet.pods() == {TOGETHER: 1, "chat": 1}
    assert fleet.selected() == {"chat": TOGETHER}
    await fleet.settle()
    assert fleet.pods() == {"chat": 1}
    assert fleet.selected() == {"chat": "chat"}


STEPS = st.sampled_from(["round", "apart", "alike", "ready", "unready", "restart", "scale", "quiet"])


async def act(fleet: Fleet, step: str) -> Fleet:
    if step == "round":
        await fleet.placer.round(stores(fleet.cluster), fleet.demand)
    elif step in ("apart", "alike"):
        fleet.cluster.put(make.workload_class("assist", priority=1000 if step == "apart" else 0))
    elif step in ("ready", "unready"):
        fleet.cluster.settle_deployments(ready=step == "ready")
    elif step == "restart":
        return Fleet(fleet.cluster)
    else:
        fleet.demand = dict.fromkeys(fleet.demand, 2000.0 if step == "scale" else 20.0)
    return fleet


def serving(fleet: Fleet) -> dict[str, int]:
    """Ready replicas by class label; what was told to go is not there any more."""
    found = dict[str, int]()
    for o in fleet.cluster.all(kinds.DEPLOYMENT):
        label = o["metadata"]["labels"][names.LABEL_CLASS]
        ready = min(o["spec"]["replicas"], o.get("status", {}).get("readyReplicas", 0))
        found[label] = found.get(label, 0) + ready
    return found


@given(st.lists(STEPS, min_size=4, max_size=20))
@hypothesis_settings(max_examples=40, deadline=None)
def test_whatever_happens_requests_go_where_something_serves(steps: list[str]) -> None:
    async def live() -> None:
        fleet = Fleet(there())
        await fleet.settle()
        for step in steps:
            fleet = await act(fleet, step)
            before, selected = serving(fleet), fleet.selected()
            await fleet.once()
            for class_, label in fleet.selected().items():
                if before.get(selected[class_], 0):
                    assert min(before.get(label, 0), serving(fleet).get(label, 0)) > 0, (step, class_, label)

    asyncio.run(live())
