"""A snapshot of a cluster: what it holds, and that a plan with it decides as the operator there would."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import harness
import make
import pytest
from fakes.cluster import FakeCluster
from offline_worlds import Fleet, Obj, fleet, small, workload

from inferfleet.cli.snapshot_cluster import collect, demands
from inferfleet.offline import snapshot
from inferfleet.offline.snapshot import Snapshot

__all__ = ["fleet"]
NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def taken(cluster: FakeCluster) -> Snapshot:
    return asyncio.run(collect(cluster, NOW))


def settled(*objects: Obj) -> FakeCluster:
    return asyncio.run(harness.settled(*objects))


def saved(fleet: Fleet, cluster: FakeCluster, name: str = "snapshot.yaml") -> str:
    (fleet.folder / name).write_text(snapshot.dump(taken(cluster), name.rpartition(".")[2]))
    return name


@pytest.mark.parametrize("output", ["yaml", "json"])
def test_what_is_written_is_what_is_read(output: str) -> None:
    before = taken(settled(*small()))
    text = snapshot.dump(before, output)
    after = snapshot.load("s", text)
    assert snapshot.to_json(after) == snapshot.to_json(before)
    assert snapshot.dump(after, output) == text


def test_it_holds_what_decides_and_nothing_that_is_secret_or_volatile() -> None:
    found = snapshot.to_json(taken(settled(*small())))
    kinds = [o["kind"] for o in found["objects"]]
    assert kinds == ["Node", "HardwarePool", "WorkloadClass", "Model", "Deployment"]
    text = json.dumps(found)
    for absent in ("resourceVersion", '"uid"', "runtime.json", "volumeMounts"):
        assert absent not in text


def test_a_plan_with_it_keeps_what_runs(fleet: Fleet) -> None:
    """The pool that the files add is cheaper, but by less than a move must save."""
    name = saved(fleet, settled(*small()))
    near = make.pool("near", "0.047")
    plan = fleet.planned(*small(), near, argv=("--snapshot", name))
    (placement,) = workload(plan)["placements"]
    assert (placement["pool"], workload(plan)["reason"]) == ("cpu", "IncumbentKept")
    assert plan["assumptions"][0].startswith("a snapshot of 2026-11-20T08:00:00Z")


def test_a_plan_with_it_moves_as_the_operator_would_one_placement_at_a_time(fleet: Fleet) -> None:
    name = saved(fleet, settled(*small()))
    plan = fleet.planned(*small(), make.pool("cheap", "0.01"), argv=("--snapshot", name))
    states = {p["pool"]: p["state"] for p in workload(plan)["placements"]}
    assert states == {"cheap": "Starting", "cpu": "Retiring"}
    assert plan["summary"]["usdPerHour"] == "0.005"


def test_a_plan_with_it_has_the_nodes_that_there_are(fleet: Fleet) -> None:
    """A node of four cores holds eight replicas of half a core, whatever the file would like."""
    name = saved(fleet, settled(*small()))
    said = fleet.plan(*small(replicas={"min": 9, "max": 9}), argv=("--snapshot", name, "-o", "json"))
    assert said.status == 3
    assert said.json["pools"][0]["nodes"] == 1


def test_without_files_the_whole_snapshot_is_planned(fleet: Fleet) -> None:
    name = saved(fleet, settled(*small()), "snapshot.json")
    said = fleet.run("plan", "--snapshot", name, "-o", "json")
    assert said.status == 0
    assert workload(said.json)["placements"][0]["state"] == "Serving"


def test_what_other_models_run_takes_their_room(fleet: Fleet) -> None:
    name = saved(fleet, settled(*small(replicas={"min": 3, "max": 3})))
    other = make.model("other", workloads=make.workloads(replicas={"min": 6, "max": 6}))
    said = fleet.plan(other, argv=("--snapshot", name, "-o", "json"))
    assert set(workload(said.json, model="other")["rejectedCounts"]) == {"PoolExhausted"}
    assert "1 other Models of the snapshot keep what they have" in said.json["assumptions"]


def test_a_model_that_a_change_removes_leaves_its_room(fleet: Fleet) -> None:
    old = small(replicas={"min": 3, "max": 3})
    name = saved(fleet, settled(*old))
    fleet.write("old/fleet.yaml", *old)
    other = make.model("other", workloads=make.workloads(replicas={"min": 6, "max": 6}))
    fleet.write("new/fleet.yaml", *old[:2], other)
    said = fleet.run("diff", "old", "new", "--snapshot", name, "-o", "json")
    assert said.status == 2
    assert {c["workload"]: c["change"] for c in said.json["changes"]} == {
        "default/demo:chat": "Removed",
        "default/other:chat": "Added",
    }


def with_demand(tokens_per_second: float) -> str:
    demand = {"namespace": "default", "model": "demo", "class": "chat", "tokensPerSecond": tokens_per_second}
    objects = [make.node(cpu="64", memory="256Gi")]
    body = {"snapshot": "inferfleet/v1", "takenAt": "2026-11-20T08:00:00Z", "demand": [demand], "objects": objects}
    return json.dumps(body)


def test_observed_demand_goes_before_what_is_declared(fleet: Fleet) -> None:
    fleet.write("snapshot.json", with_demand(6400))
    objects = small(demand={"requestsPerSecond": 1}, replicas={"max": 100})
    seen = workload(fleet.planned(*objects, argv=("--snapshot", "snapshot.json")))
    assert seen["demand"]["tokensPerSecond"] == 6400
    assert seen["placements"][0]["replicas"] > workload(fleet.planned(*objects))["placements"][0]["replicas"]


def test_a_guaranteed_demand_is_a_floor_under_what_is_observed(fleet: Fleet) -> None:
    fleet.write("snapshot.json", with_demand(64))
    objects = small(demand={"requestsPerSecond": 100, "guaranteed": True}, replicas={"max": 100})
    seen = workload(fleet.planned(*objects, argv=("--snapshot", "snapshot.json")))
    assert seen["demand"]["tokensPerSecond"] == 6400


def model_with(status: Obj, *classes: str) -> Obj:
    return {**make.model(workloads=[{"class": c} for c in classes]), "status": status}


FRESH = [{"type": "SignalFresh", "status": "True"}]


def test_demand_is_what_was_served_while_the_signal_was_fresh() -> None:
    summary = {"summary": {"tokensPerSecond": 120}}
    (seen,) = demands(model_with({**summary, "conditions": FRESH}, "chat"))
    assert (seen.class_, seen.tokens_per_second) == ("chat", 120)
    assert list(demands(model_with(summary, "chat"))) == []


def test_demand_of_several_workloads_is_shared_out_by_their_ready_capacity() -> None:
    placements = [
        {"classes": ["chat"], "ready": 3, "tokensPerSecond": 10},
        {"classes": ["batch"], "ready": 1, "tokensPerSecond": 10},
    ]
    status = {"summary": {"tokensPerSecond": 120}, "conditions": FRESH, "placements": placements}
    assert {d.class_: d.tokens_per_second for d in demands(model_with(status, "chat", "batch"))} == {
        "chat": 90,
        "batch": 30,
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [\n", "s.yaml:2: not YAML"),
        ('{"a": 1,\n b}', "s.yaml:2: not JSON"),
        ("kind: Node\n", "s.yaml:1: not a snapshot (snapshot: inferfleet/v1 is missing)"),
        ("snapshot: inferfleet/v1\ntakenAt: noon\n", "s.yaml: takenAt: must be a time"),
        ("snapshot: inferfleet/v1\ntakenAt: 2026-11-20T08:00:00Z\nobjects: {}\n", "s.yaml: objects: must be a list"),
        ("snapshot: inferfleet/v1\nobjects: [{kind: Secret, metadata: {name: x}}]\n", "s.yaml: objects[0]: kind must"),
        ("snapshot: inferfleet/v1\nobjects: [1]\n", "s.yaml: objects[0]: must be an object"),
        ("snapshot: inferfleet/v1\ndemand: [{model: x}]\n", "s.yaml: demand[0]: must have namespace, model"),
    ],
)
def test_a_file_that_is_no_snapshot_is_told_with_its_place(text: str, told: str, fleet: Fleet) -> None:
    fleet.write("s.yaml", text)
    said = fleet.plan(*small(), argv=("--snapshot", "s.yaml"))
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(told)


def test_a_date_without_quotes_stays_text() -> None:
    lines = ("snapshot: inferfleet/v1", "takenAt: 2026-11-20T08:00:00Z", "objects:")
    text = "\n".join([*lines, "- {kind: HardwarePool, metadata: {name: x}, spec: {price: {asOf: 2026-01-02}}}"])
    (found,) = snapshot.load("s", text).objects
    assert found["spec"]["price"]["asOf"] == "2026-01-02"


def test_a_cluster_that_cannot_be_reached_is_told_in_one_line(fleet: Fleet, monkeypatch: Any) -> None:
    monkeypatch.setenv("KUBECONFIG", str(fleet.folder / "nowhere"))
    for command in (("snapshot",), ("explain", "demo")):
        said = fleet.run(*command)
        assert said.status != 0
        assert said.err.startswith("error: the cluster cannot be read: ")
        assert said.err.count("\n") == 1
