"""What the fake cluster does beyond the API: faults, crashes, other controllers, impossible worlds."""

import pytest
from fakes.cluster import FakeCluster, Fault, Impossible, Stopped, Write
from fakes.objects import config_map, deployment

from inferfleet import errors
from inferfleet.kube.kinds import CONFIG_MAP, DEPLOYMENT, POD, SERVICE


async def test_writes_are_recorded_and_reads_and_others_doings_are_not() -> None:
    cluster = FakeCluster()
    cluster.put(config_map("n", "theirs"))
    await cluster.apply(config_map("n", "ours"), "m")
    await cluster.get(CONFIG_MAP, "n", "ours")
    await cluster.list(CONFIG_MAP)
    await cluster.delete(CONFIG_MAP, "n", "ours")
    assert cluster.writes == [Write("apply", "ConfigMap", "n", "ours"), Write("delete", "ConfigMap", "n", "ours")]


@pytest.mark.parametrize(("after", "there"), [(False, ["a"]), (True, ["a", "b"])])
async def test_an_operator_can_be_stopped_before_or_after_any_write(after: bool, there: list[str]) -> None:
    cluster = FakeCluster()
    (cluster.fail_after if after else cluster.fail_before)(2)
    await cluster.apply(config_map("n", "a"), "m")
    with pytest.raises(Stopped):
        await cluster.apply(config_map("n", "b"), "m")
    with pytest.raises(Stopped):
        await cluster.list(CONFIG_MAP)
    assert [obj["metadata"]["name"] for obj in cluster.all(CONFIG_MAP)] == there
    cluster.restart()
    await cluster.apply(config_map("n", "b"), "m")
    assert len(cluster.all(CONFIG_MAP)) == 2


async def test_stopping_is_nothing_that_a_handler_survives() -> None:
    assert not issubclass(Stopped, Exception)


async def test_errors_hit_the_calls_they_are_meant_for() -> None:
    cluster = FakeCluster()
    cluster.errors.append(Fault(errors.Transient("busy"), verb="apply", kind=SERVICE, times=2))
    await cluster.apply(config_map("n"), "m")
    await cluster.get(SERVICE, "n", "s")
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "n", "name": "s"}}
    for _ in range(2):
        with pytest.raises(errors.Transient):
            await cluster.apply(service, "m")
    await cluster.apply(service, "m")


async def test_a_lost_answer_leaves_the_write_done() -> None:
    cluster = FakeCluster()
    cluster.errors.append(Fault(errors.Transient("reset"), after=True))
    with pytest.raises(errors.Transient):
        await cluster.apply(config_map("n"), "m")
    assert cluster.peek(CONFIG_MAP, "n", "c") is not None


async def test_a_child_of_an_owner_that_is_not_there_is_impossible() -> None:
    cluster = FakeCluster()
    child = config_map("n")
    child["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Service", "name": "s", "uid": "no-such"}]
    with pytest.raises(Impossible, match="no such owner"):
        await cluster.apply(child, "m")


async def test_a_child_in_another_namespace_than_its_owner_is_impossible() -> None:
    cluster = FakeCluster()
    owner = cluster.put(config_map("other", "owner"))
    child = config_map("n")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    child["metadata"]["ownerReferences"] = [reference]
    with pytest.raises(Impossible, match="another namespace"):
        await cluster.apply(child, "m")


@pytest.mark.parametrize("namespace", ["", None])
async def test_a_namespaced_object_needs_its_namespace(namespace: str | None) -> None:
    obj = config_map("n")
    obj["metadata"] = {"name": "c"} | ({} if namespace is None else {"namespace": namespace})
    with pytest.raises(ValueError, match="no namespace was given"):
        await FakeCluster().apply(obj, "m")


async def test_an_object_without_a_name_is_rejected() -> None:
    obj = config_map("n", "")
    with pytest.raises(errors.Rejected, match="name"):
        await FakeCluster().apply(obj, "m")


async def test_annotations_over_256_kib_are_rejected() -> None:
    obj = config_map("n")
    obj["metadata"]["annotations"] = {"a": "x" * 2**18}
    with pytest.raises(errors.Rejected, match="Too long"):
        await FakeCluster().apply(obj, "m")


async def test_settling_makes_ready_pods_and_settling_again_changes_nothing() -> None:
    cluster = FakeCluster()
    await cluster.apply(deployment("n", replicas=2), "m")
    cluster.settle_deployments()
    pods = cluster.all(POD)
    assert len({pod["status"]["podIP"] for pod in pods}) == 2
    assert all(pod["metadata"]["labels"]["app"] == "d" for pod in pods)
    (settled,) = cluster.all(DEPLOYMENT)
    assert settled["status"]["readyReplicas"] == 2
    assert settled["status"]["observedGeneration"] == settled["metadata"]["generation"]
    version = cluster.version
    cluster.settle_deployments()
    assert cluster.version == version


async def test_settling_follows_scale_and_template_and_the_operators_apply_keeps_the_status() -> None:
    cluster = FakeCluster()
    await cluster.apply(deployment("n", replicas=2), "m")
    cluster.settle_deployments()
    before = {pod["metadata"]["name"] for pod in cluster.all(POD)}
    await cluster.apply(deployment("n", replicas=1, env={"A": "1"}), "m")
    assert cluster.all(DEPLOYMENT)[0]["status"]["readyReplicas"] == 2
    cluster.settle_deployments(ready=False)
    after = cluster.all(POD)
    assert len(after) == 1
    assert after[0]["metadata"]["name"] not in before
    assert after[0]["status"]["conditions"][0]["status"] == "False"
    assert "readyReplicas" not in cluster.all(DEPLOYMENT)[0]["status"]


async def test_pods_go_with_their_deployment() -> None:
    cluster = FakeCluster()
    await cluster.apply(deployment("n", replicas=2), "m")
    cluster.settle_deployments()
    await cluster.delete(DEPLOYMENT, "n", "d")
    assert cluster.all(POD) == ()


async def test_two_worlds_that_mean_the_same_have_the_same_snapshot() -> None:
    first, second = FakeCluster(), FakeCluster()
    second.put(config_map("n", "other"))
    second.remove(CONFIG_MAP, "n", "other")
    for cluster in (first, second):
        await cluster.apply(deployment("n", replicas=1), "m")
        cluster.settle_deployments()
    assert first.all(DEPLOYMENT) != second.all(DEPLOYMENT)
    assert first.snapshot() == second.snapshot()
    await second.apply(deployment("n", replicas=2), "m")
    assert first.snapshot() != second.snapshot()


async def test_what_is_returned_is_a_copy() -> None:
    cluster = FakeCluster()
    live = await cluster.apply(config_map("n", a="1"), "m")
    live["data"]["a"] = "changed"
    listing = await cluster.list(CONFIG_MAP)
    listing.items[0]["data"]["a"] = "changed"
    found = await cluster.get(CONFIG_MAP, "n", "c")
    assert found is not None
    assert found["data"] == {"a": "1"}
