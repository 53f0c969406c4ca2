"""A Model that is created again finds what its predecessor left running, and goes on with it."""

import make
import pytest
from fakes.cluster import FakeCluster
from harness import CHILDREN, Operator, child_writes, condition, deployments, world

from inferfleet.kube import kinds
from inferfleet.kube.kinds import Obj
from inferfleet.names import Reason

LABELS = {"inferfleet.io/managed": "true", "inferfleet.io/model": "demo"}


def orphan(cluster: FakeCluster) -> None:
    """What `kubectl delete model demo --cascade=orphan` does."""
    for kind in CHILDREN:
        for child in cluster.all(kind):
            cluster.edit(kind, "default", child["metadata"]["name"], lambda o: o["metadata"].pop("ownerReferences"))
    cluster.remove(kinds.MODEL, "default", "demo")


def owners(cluster: FakeCluster) -> set[tuple[str, ...]]:
    """Uids of owners, for each child."""
    found = [child for kind in CHILDREN for child in cluster.all(kind)]
    assert found
    return {tuple(owner["uid"] for owner in child["metadata"].get("ownerReferences", ())) for child in found}


def pods(cluster: FakeCluster) -> set[str]:
    return {pod["metadata"]["uid"] for pod in cluster.all(kinds.POD)}


@pytest.fixture
def orphaned(serving: FakeCluster) -> FakeCluster:
    orphan(serving)
    return serving


async def test_a_model_created_again_adopts_what_runs_and_replaces_no_pod(orphaned: FakeCluster) -> None:
    before = pods(orphaned)
    model = orphaned.put(make.model())
    await Operator(orphaned).settle()
    assert pods(orphaned) == before
    assert owners(orphaned) == {(model["metadata"]["uid"],)}
    assert condition(orphaned, "Ready")[:2] == ("True", Reason.AVAILABLE)


async def test_adopting_is_one_write_for_each_child(orphaned: FakeCluster) -> None:
    orphaned.put(make.model())
    before = len(child_writes(orphaned))
    await Operator(orphaned).settle()
    assert sorted(child_writes(orphaned)[before:]) == sorted(f"apply {kind.kind}" for kind in CHILDREN)


async def test_what_an_adopted_model_no_longer_serves_goes(cluster: FakeCluster) -> None:
    cluster.put(make.workload_class("batch"))
    cluster.put(make.model(workloads=[{"class": "chat"}, {"class": "batch"}]))
    await Operator(cluster).settle()
    orphan(cluster)
    cluster.put(make.model(workloads=[{"class": "chat"}]))
    await Operator(cluster).settle()
    assert [name.split("-")[1] for name in deployments(cluster)] == ["chat"]
    assert len(cluster.all(kinds.SERVICE)) == len(cluster.all(kinds.CONFIG_MAP)) == 1


async def test_the_replicas_that_run_are_kept_by_the_model_that_adopts_them(serving: FakeCluster) -> None:
    operator = Operator(serving)
    operator.decide(3)
    await operator.settle()
    orphan(serving)
    serving.put(make.model())
    await Operator(serving).settle()
    assert list(deployments(serving).values()) == [3]


async def test_a_labelled_object_that_another_controller_owns_is_not_taken_over() -> None:
    cluster = world(make.node(), make.pool(), make.workload_class())
    metadata = {"name": "theirs", "namespace": "default"}
    theirs = cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "controller": True}
    owners = [owner | {"uid": theirs["metadata"]["uid"]}]
    service: Obj = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1}], "selector": {"a": "b"}}}
    service["metadata"] = {"name": "demo-chat", "namespace": "default", "labels": LABELS, "ownerReferences": owners}
    cluster.put(service)
    cluster.put(make.model())
    await Operator(cluster).settle()
    assert condition(cluster, "Deployed")[:2] == ("False", Reason.NAME_CONFLICT)
    kept = cluster.peek(kinds.SERVICE, "default", "demo-chat")
    assert kept
    assert kept["spec"]["selector"] == {"a": "b"}


async def test_labels_alone_let_nothing_be_removed(serving: FakeCluster) -> None:
    metadata = {"name": "notes", "namespace": "default", "labels": LABELS}
    serving.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}})
    await Operator(serving).settle()
    assert serving.peek(kinds.CONFIG_MAP, "default", "notes")
