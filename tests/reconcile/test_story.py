"""What a user does with a Model, and what comes of it, over the strict cluster in memory."""

from dataclasses import replace

import make
import pytest
from fakes.cluster import FakeCluster
from fakes.faults import Fault
from harness import SETTINGS, Operator, child_writes, condition, deployments, runtime_config, status, world

from inferfleet.errors import NotFound, Rejected, Transient
from inferfleet.kube import kinds
from inferfleet.kube.kinds import Obj
from inferfleet.names import Reason


async def test_a_model_gets_its_children_and_becomes_ready(cluster: FakeCluster) -> None:
    await Operator(cluster).settle()
    kinds_written = ["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"]
    assert sorted(child_writes(cluster)) == [f"apply {kind}" for kind in kinds_written]
    assert condition(cluster, "Ready")[:2] == ("True", Reason.AVAILABLE)
    (placement,) = status(cluster).placements
    assert (placement.variant, placement.pool, placement.state, placement.ready) == ("q4-0", "cpu", "Serving", 1)
    assert {r.reason for r in status(cluster).rejected} == {Reason.COST_ABOVE_BEST}
    assert status(cluster).endpoints[0].url == "http://demo-chat.default.svc/v1"


async def test_the_runtime_is_told_to_quantize_and_how_to_batch(serving: FakeCluster) -> None:
    config = runtime_config(serving)
    assert '"type": "Q4_0"' in config
    assert '"contextTokens": 448' in config
    (pod,) = serving.all(kinds.POD)
    assert [c["name"] for c in pod["spec"]["initContainers"]] == ["fetch", "quantize"]


async def test_a_settled_world_writes_nothing(serving: FakeCluster) -> None:
    before = len(serving.writes)
    restarted = Operator(serving)
    await restarted.once()
    await restarted.once()
    assert serving.writes[before:] == []


async def test_a_change_of_the_spec_is_one_child_write_and_one_status(serving: FakeCluster) -> None:
    before = len(serving.writes)
    serving.edit(kinds.MODEL, "default", "demo", lambda o: o["spec"]["workloads"][0]["replicas"].update(min=2))
    await Operator(serving).once()
    kinds_written = [w.kind for w in serving.writes[before:] if w.kind != "Event"]
    assert kinds_written == ["Deployment", "Model"]
    assert list(deployments(serving).values()) == [2]


@pytest.mark.parametrize("kind", [kinds.DEPLOYMENT, kinds.SERVICE, kinds.CONFIG_MAP])
async def test_a_child_deleted_by_hand_comes_back(serving: FakeCluster, kind: kinds.Kind) -> None:
    (victim,) = serving.all(kind)
    serving.remove(kind, "default", victim["metadata"]["name"])
    await Operator(serving).once()
    assert [o["metadata"]["name"] for o in serving.all(kind)] == [victim["metadata"]["name"]]


async def test_a_child_edited_by_hand_is_put_right(serving: FakeCluster) -> None:
    (deployment,) = serving.all(kinds.DEPLOYMENT)
    name = deployment["metadata"]["name"]

    def meddle(obj: Obj) -> None:
        obj["spec"]["replicas"] = 7
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = "evil"

    serving.edit(kinds.DEPLOYMENT, "default", name, meddle)
    await Operator(serving).once()
    (mended,) = serving.all(kinds.DEPLOYMENT)
    assert mended["spec"]["replicas"] <= 3
    assert mended["spec"]["template"]["spec"]["containers"][0]["image"] == "inferfleet.local/runtime:1"


async def test_what_others_add_to_a_child_is_left_alone(serving: FakeCluster) -> None:
    (service,) = serving.all(kinds.SERVICE)
    serving.edit(
        kinds.SERVICE, "default", service["metadata"]["name"], lambda o: o["metadata"]["annotations"].update(theirs="x")
    )
    before = len(serving.writes)
    await Operator(serving).once()
    assert serving.writes[before:] == []


async def test_deleting_a_model_leaves_nothing(serving: FakeCluster) -> None:
    serving.remove(kinds.MODEL, "default", "demo")
    await Operator(serving).once()
    assert [serving.all(k) for k in (kinds.DEPLOYMENT, kinds.SERVICE, kinds.CONFIG_MAP, kinds.POD)] == [()] * 4


async def test_removing_a_workload_removes_what_served_it_and_nothing_else(cluster: FakeCluster) -> None:
    workloads = [{"class": "chat"}, {"class": "batch"}]
    cluster.put(make.workload_class("batch"))
    cluster.put(make.model(workloads=workloads))
    await Operator(cluster).settle()
    assert len(deployments(cluster)) == 2
    cluster.edit(kinds.MODEL, "default", "demo", lambda o: o["spec"].update(workloads=workloads[:1]))
    await Operator(cluster).settle()
    assert [name.split("-")[1] for name in deployments(cluster)] == ["chat"]
    assert len(cluster.all(kinds.SERVICE)) == len(cluster.all(kinds.CONFIG_MAP)) == 1


async def test_a_missing_class_is_said_in_words(cluster: FakeCluster) -> None:
    cluster.remove(kinds.WORKLOAD_CLASS, "", "chat")
    await Operator(cluster).settle()
    ready, reason, message = condition(cluster, "Ready")
    assert (ready, reason) == ("False", Reason.CLASS_NOT_FOUND)
    assert "WorkloadClass chat does not exist" in message
    assert deployments(cluster) == {}


async def test_a_model_that_fits_nowhere_lists_every_candidate_with_why(cluster: FakeCluster) -> None:
    cluster.put(make.pool("gpu", accelerator="nvidia-l4"))
    cluster.put(make.model(architecture={"preset": "llama-3.1-8b"}))
    await Operator(cluster).settle()
    found = {(r.pool, r.variant): r.reason for r in status(cluster).rejected}
    assert found == {
        **{("cpu", v): Reason.MEMORY_DOES_NOT_FIT for v in ("f16", "q8-0", "q4-0")},
        **{("gpu", v): Reason.ENGINE_UNSUPPORTED for v in ("f16", "q8-0", "q4-0")},
    }
    assert condition(cluster, "Planned")[:2] == ("False", Reason.NO_CANDIDATE)


async def test_the_scaling_decision_becomes_replicas_and_an_event(serving: FakeCluster) -> None:
    operator = Operator(serving)
    operator.decide(3)
    await operator.settle()
    assert list(deployments(serving).values()) == [3]
    assert any("1 to 3 replicas" in e["message"] for e in serving.all(kinds.EVENT))


async def test_a_restart_keeps_the_replicas_that_run(serving: FakeCluster) -> None:
    operator = Operator(serving)
    operator.decide(3)
    await operator.settle()
    before = len(serving.writes)
    await Operator(serving).once()
    assert list(deployments(serving).values()) == [3]
    assert serving.writes[before:] == []


async def test_a_restart_is_no_news_until_there_is_a_signal_again(serving: FakeCluster) -> None:
    operator = Operator(serving)
    operator.decide(1, Reason.STEADY)
    await operator.settle()
    before = len(serving.writes)
    restarted = Operator(serving)
    restarted.decide(1, Reason.NO_SIGNAL_YET)
    await restarted.once()
    restarted.decide(1, Reason.STEADY, message="the same in other words")
    await restarted.once()
    assert serving.writes[before:] == []


async def test_a_stale_signal_is_a_condition(serving: FakeCluster) -> None:
    operator = Operator(serving)
    operator.decide(1, Reason.SIGNAL_STALE, fresh=False)
    await operator.settle()
    assert condition(serving, "SignalFresh")[:2] == ("False", Reason.SIGNAL_STALE)


async def test_declared_demand_sets_the_first_replicas() -> None:
    workloads = [{"class": "chat", "demand": {"requestsPerSecond": 1000}, "replicas": {"min": 1, "max": 5}}]
    cluster = world(make.node(), make.pool(), make.workload_class(), make.model(workloads=workloads))
    await Operator(cluster).once()
    assert list(deployments(cluster).values()) == [5]


async def test_a_pool_that_others_fill_is_exhausted(serving: FakeCluster) -> None:
    serving.edit(kinds.NODE, "", "node-1", lambda o: o["status"]["allocatable"].update(cpu="500m"))
    serving.put(make.model("second"))
    operator = Operator(serving, key=("default", "second"))
    await operator.settle()
    assert {r.reason for r in status(serving, "second").rejected} == {Reason.POOL_EXHAUSTED}


async def test_an_object_of_somebody_else_is_not_taken_over(cluster: FakeCluster) -> None:
    foreign = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "demo-chat", "namespace": "default"}}
    cluster.put(foreign | {"spec": {"ports": [{"port": 1}], "selector": {"a": "b"}}})
    await Operator(cluster).settle()
    deployed, reason, message = condition(cluster, "Deployed")
    assert (deployed, reason) == ("False", Reason.NAME_CONFLICT)
    assert "Service demo-chat exists" in message
    kept = cluster.peek(kinds.SERVICE, "default", "demo-chat")
    assert kept
    assert kept["spec"]["selector"] == {"a": "b"}


async def test_a_pod_that_cannot_start_says_why_on_the_model(cluster: FakeCluster) -> None:
    await Operator(cluster).settle(ready=False)
    (pod,) = cluster.all(kinds.POD)
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}

    def stuck(obj: Obj) -> None:
        obj["status"]["containerStatuses"][0]["state"] = {"waiting": waiting}

    cluster.edit(kinds.POD, "default", pod["metadata"]["name"], stuck)
    await Operator(cluster).once()
    deployed, reason, message = condition(cluster, "Deployed")
    assert (deployed, reason) == ("False", Reason.PODS_FAILING)
    assert "ImagePullBackOff" in message
    assert "no such image" in message


async def test_a_refused_child_is_a_condition_and_no_exception(cluster: FakeCluster) -> None:

    refusal = Rejected("exceeded quota: pods=1", status=403)
    cluster.errors.append(Fault(refusal, "apply", kinds.DEPLOYMENT))
    await Operator(cluster).once()
    assert condition(cluster, "Deployed")[:2] == ("False", Reason.APPLY_REJECTED)
    assert "exceeded quota" in condition(cluster, "Deployed")[2]


async def test_a_replica_that_cannot_start_does_not_make_what_serves_unready(serving: FakeCluster) -> None:
    operator = Operator(serving)
    operator.decide(2)
    await operator.settle()
    pod = sorted(serving.all(kinds.POD), key=lambda p: str(p["metadata"]["name"]))[-1]

    def pending(obj: Obj) -> None:
        message = "0/1 nodes are available: 1 Insufficient cpu."
        obj["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": message}]

    serving.edit(kinds.POD, "default", pod["metadata"]["name"], pending)
    await operator.once()
    assert condition(serving, "Deployed")[:2] == ("False", Reason.PODS_FAILING)
    ready, reason, message = condition(serving, "Ready")
    assert (ready, reason) == ("True", Reason.DEGRADED)
    assert "Insufficient cpu" in message


async def test_a_model_deleted_during_its_reconcile_is_no_error(cluster: FakeCluster) -> None:

    cluster.errors.append(Fault(NotFound("gone", status=404), "apply_status", kinds.MODEL))
    result = await Operator(cluster).once()
    assert result
    assert not result.status_written


async def test_a_webhook_that_fails_is_told_and_tried_again(cluster: FakeCluster) -> None:
    trouble = Transient("failed calling webhook", status=500)
    cluster.errors.append(Fault(trouble, "apply", kinds.DEPLOYMENT))
    with pytest.raises(Transient):
        await Operator(cluster).once()
    assert condition(cluster, "Deployed")[:2] == ("False", Reason.APPLY_FAILING)
    await Operator(cluster).settle()
    assert condition(cluster, "Ready")[0] == "True"


async def test_a_refused_child_of_one_workload_stops_no_other(cluster: FakeCluster) -> None:
    cluster.put(make.workload_class("batch"))
    cluster.put(make.model(workloads=[{"class": "batch"}, {"class": "chat"}]))
    cluster.errors.append(Fault(Rejected("denied by policy", status=403), "apply", kinds.DEPLOYMENT))
    await Operator(cluster).once()
    assert [name.split("-")[1] for name in deployments(cluster)] == ["chat"]
    assert "denied by policy" in condition(cluster, "Deployed")[2]


async def test_a_bug_in_deciding_is_a_condition_and_removes_nothing(serving: FakeCluster) -> None:
    """Made with settings that decisions cannot use."""
    broken = Operator(serving, settings=replace(SETTINGS, move_saving="much"))  # type: ignore[arg-type]
    serving.put(make.pool("cheap", price="0.01"))
    await broken.once()
    assert condition(serving, "Planned")[:2] == ("False", Reason.INTERNAL_ERROR)
    assert condition(serving, "Ready")[0] == "True"
    assert len(deployments(serving)) == 1
