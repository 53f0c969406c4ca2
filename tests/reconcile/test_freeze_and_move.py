"""What serves is stopped by no mistake, and moves only when it pays and its successor is ready."""

from dataclasses import replace

import make
import pytest
from fakes.cluster import FakeCluster
from harness import Operator, child_writes, condition, deployments, status, world

from inferfleet.kube import kinds
from inferfleet.names import Reason


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        (kinds.WORKLOAD_CLASS, "chat", Reason.CLASS_NOT_FOUND),
        (kinds.HARDWARE_POOL, "cpu", Reason.POOL_NOT_FOUND),
        (kinds.NODE, "node-1", Reason.NODES_NOT_FOUND),
    ],
)
async def test_an_input_that_vanishes_freezes_what_serves(
    serving: FakeCluster, kind: kinds.Kind, name: str, reason: str
) -> None:
    before, children = deployments(serving), len(child_writes(serving))
    serving.remove(kind, "", name)
    operator = Operator(serving)
    operator.decide(3)
    await operator.settle()
    assert deployments(serving) == before
    assert len(child_writes(serving)) == children
    assert condition(serving, "Ready")[:2] == ("True", Reason.FROZEN)
    planned, why, message = condition(serving, "Planned")
    assert (planned, why) == ("False", reason)
    assert "keeps serving as it is" in message
    assert status(serving).placements[0].state == "Frozen"


async def test_it_thaws_when_the_input_is_back(serving: FakeCluster) -> None:
    serving.remove(kinds.WORKLOAD_CLASS, "", "chat")
    await Operator(serving).settle()
    serving.put(make.workload_class())
    await Operator(serving).settle()
    assert condition(serving, "Ready")[:2] == ("True", Reason.AVAILABLE)
    assert status(serving).placements[0].state == "Serving"


async def test_a_class_that_became_unreadable_freezes_too(serving: FakeCluster) -> None:
    serving.edit(kinds.WORKLOAD_CLASS, "", "chat", lambda o: o["spec"]["scaling"].update(drain="soon"))
    await Operator(serving).settle()
    assert condition(serving, "Planned")[:2] == ("False", Reason.CLASS_INVALID)
    assert "scaling.drain" in condition(serving, "Planned")[2]
    assert len(deployments(serving)) == 1


async def test_a_spec_that_cannot_be_read_removes_nothing(serving: FakeCluster) -> None:
    serving.edit(kinds.MODEL, "default", "demo", lambda o: o["spec"].update(variants=[]))
    await Operator(serving).settle()
    assert len(deployments(serving)) == 1
    assert condition(serving, "Planned")[:2] == ("False", Reason.INVALID_SPEC)


async def test_a_much_cheaper_pool_takes_over_only_when_it_is_ready(serving: FakeCluster) -> None:
    (old,) = deployments(serving)
    serving.put(make.pool("cheap", price="0.01"))
    operator = Operator(serving)
    await operator.once()
    serving.settle_deployments(ready=True)
    starting = {p.pool: p.state for p in status(serving).placements}
    assert starting == {"cheap": "Starting", "cpu": "Retiring"}
    assert old in deployments(serving)
    await operator.settle()
    assert {p.pool: p.state for p in status(serving).placements} == {"cheap": "Serving"}
    assert old not in deployments(serving)
    assert len(serving.all(kinds.CONFIG_MAP)) == 1


async def test_a_successor_that_never_gets_ready_costs_nothing_that_serves(serving: FakeCluster) -> None:
    (old,) = deployments(serving)
    serving.put(make.pool("cheap", price="0.01"))
    operator = Operator(serving)
    for _ in range(5):
        await operator.once()
    assert old in deployments(serving)
    assert condition(serving, "Ready")[0] == "True"


async def test_a_price_typo_moves_nothing_while_moves_are_paused(serving: FakeCluster) -> None:
    operator = Operator(serving)
    operator.settings = replace(operator.settings, pause_moves=True)
    before = deployments(serving)
    serving.put(make.pool("cheap", price="0.0001"))
    await operator.settle()
    assert deployments(serving) == before


def pause(cluster: FakeCluster) -> Operator:
    operator = Operator(cluster)
    operator.settings = replace(operator.settings, pause_moves=True)
    return operator


def pin(cluster: FakeCluster, pool: str) -> None:
    placement = {"mode": "Pinned", "pool": pool, "variant": "q4-0"}
    workload = {"class": "chat", "replicas": {"min": 1, "max": 3}, "placement": placement}
    cluster.edit(kinds.MODEL, "default", "demo", lambda o: o["spec"].update(workloads=[workload]))


async def test_a_rule_that_rejects_what_serves_moves_nothing_while_moves_are_paused(serving: FakeCluster) -> None:
    before, children = deployments(serving), len(child_writes(serving))
    serving.put(make.pool("other", price="0.9"))
    serving.edit(kinds.HARDWARE_POOL, "", "cpu", lambda o: o["spec"].pop("price"))
    await pause(serving).settle()
    assert deployments(serving) == before
    assert len(child_writes(serving)) == children
    planned, reason, message = condition(serving, "Planned")
    assert (planned, reason) == ("False", Reason.MOVES_PAUSED)
    assert "moves are paused, and q4-0 on other" in message
    assert "NoPrice, pool cpu has no spec.price" in message
    assert "keeps serving as it is" in message
    assert condition(serving, "Ready")[:2] == ("True", Reason.FROZEN)
    await Operator(serving).settle()
    assert [p.pool for p in status(serving).placements] == ["other"]


async def test_a_pin_that_the_user_changed_is_followed_while_moves_are_paused(serving: FakeCluster) -> None:
    serving.put(make.pool("other", price="0.9"))
    pin(serving, "other")
    await pause(serving).settle()
    assert [(p.pool, p.state) for p in status(serving).placements] == [("other", "Serving")]


async def test_a_pin_that_holds_is_no_leave_to_move_while_moves_are_paused(serving: FakeCluster) -> None:
    pin(serving, "cpu")
    await Operator(serving).settle()
    serving.edit(kinds.HARDWARE_POOL, "", "cpu", lambda o: o["spec"].pop("price"))
    before = deployments(serving)
    await pause(serving).settle()
    assert deployments(serving) == before


async def test_pausing_gives_up_a_move_whose_successor_does_not_serve_yet(serving: FakeCluster) -> None:
    before = deployments(serving)
    serving.put(make.pool("cheap", price="0.001"))
    await Operator(serving).once()
    assert len(deployments(serving)) == 2
    operator = pause(serving)
    operator.decide(2)
    await operator.settle()
    assert deployments(serving) == dict.fromkeys(before, 2)  # it goes on being scaled
    assert condition(serving, "Planned")[0] == "True"


async def test_a_move_does_not_restart_what_serves_under_a_patched_image() -> None:
    patch = {"spec": {"containers": [{"name": "serve", "image": "example.com/patched:1"}]}}
    cluster = world(make.node(), make.pool(podTemplatePatch=patch), make.workload_class(), make.model())
    await Operator(cluster).settle()
    (before,) = cluster.all(kinds.DEPLOYMENT)
    cluster.put(make.pool("cheap", price="0.001"))
    await Operator(cluster).once()
    (after,) = [d for d in cluster.all(kinds.DEPLOYMENT) if d["metadata"]["uid"] == before["metadata"]["uid"]]
    assert len(cluster.all(kinds.DEPLOYMENT)) == 2
    assert after["spec"]["template"] == before["spec"]["template"]


async def test_a_successor_that_never_gets_ready_does_not_stop_the_scaling_of_what_serves(serving: FakeCluster) -> None:
    (old,) = deployments(serving)
    serving.put(make.pool("cheap", price="0.01"))
    operator = Operator(serving)
    operator.decide(3)
    await operator.once()
    assert deployments(serving)[old] == 3


async def test_deleting_the_pool_of_a_failed_move_does_not_freeze_what_serves(serving: FakeCluster) -> None:
    (old,) = deployments(serving)
    serving.put(make.pool("cheap", price="0.01"))
    operator = Operator(serving)
    await operator.once()
    serving.remove(kinds.HARDWARE_POOL, "", "cheap")
    await operator.once()
    assert list(deployments(serving)) == [old]
    assert condition(serving, "Planned")[0] == "True"


async def test_what_serves_is_not_called_starting_while_it_scales_out(serving: FakeCluster) -> None:
    operator = Operator(serving)
    operator.decide(3)
    await operator.once()
    assert [(p.state, p.ready, p.replicas) for p in status(serving).placements] == [("Serving", 1, 3)]


async def test_a_pause_in_the_middle_of_a_move_lets_it_end(serving: FakeCluster) -> None:
    operator = Operator(serving)
    operator.decide(3)
    await operator.settle()
    serving.put(make.pool("cheap", price="0.001"))
    await operator.once()
    serving.settle_deployments(ready=True)
    operator.settings = replace(operator.settings, pause_moves=True)
    await operator.settle()
    assert condition(serving, "Planned")[0] == "True"
    assert len(deployments(serving)) == 1
