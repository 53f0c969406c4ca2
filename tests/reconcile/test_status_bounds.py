"""A status holds so many items and no more: what matters most of them is kept, and nothing is raised."""

import copy
from collections import Counter

import make
import pytest
from fakes.cluster import FakeCluster
from harness import Operator, condition, status, world

from inferfleet.kube import kinds
from inferfleet.names import Reason

CLASSES = [f"c{i:02}" for i in range(16)]


async def crowded(old: int) -> tuple[FakeCluster, Operator]:
    """A Model of 16 workloads with so many placements each that are older than the one that was chosen."""
    model = make.model(workloads=[{"class": name} for name in CLASSES])
    cluster = world(make.node(cpu="200", memory="800Gi"), make.pool(), *map(make.workload_class, CLASSES), model)
    operator = Operator(cluster)
    await operator.once()
    for obj in cluster.all(kinds.DEPLOYMENT):
        for number in range(old):
            _leave(cluster, obj, number)
    return cluster, operator


def _leave(cluster: FakeCluster, obj: make.Obj, number: int) -> None:
    left = copy.deepcopy(obj)
    labels = obj["metadata"]["labels"] | {"inferfleet.io/variant": f"old{number}"}
    name = f"{obj['metadata']['name'][:-8]}{str(number) * 8}"
    left["metadata"] = {
        "name": name,
        "namespace": "default",
        "labels": labels,
        "ownerReferences": obj["metadata"]["ownerReferences"],
    }
    cluster.put(left)


async def test_of_too_many_placements_those_that_shall_serve_are_shown() -> None:
    cluster, operator = await crowded(old=4)
    await operator.once()
    states = Counter(p.state for p in status(cluster).placements)
    assert states["Starting"] == len(CLASSES)
    assert states.total() == 64
    assert status(cluster).summary.workloads == len(CLASSES)


async def test_what_serves_of_a_model_that_cannot_be_read_is_shown_as_far_as_it_goes() -> None:
    cluster, operator = await crowded(old=4)
    extra = cluster.all(kinds.DEPLOYMENT)[0]
    for number in range(4):
        other = copy.deepcopy(extra)
        labels = other["metadata"]["labels"] | {"inferfleet.io/class": f"x{number}", "inferfleet.io/pool": "p" * 63}
        other["metadata"] = {
            "name": f"{'long' * 20}-{number}",
            "namespace": "default",
            "labels": labels,
            "ownerReferences": other["metadata"]["ownerReferences"],
        }
        cluster.put(other)
    cluster.edit(kinds.MODEL, "default", "demo", lambda o: o["spec"].update(architecture={"layers": 8}))
    await operator.once()
    found = status(cluster)
    assert (len(found.placements), len(found.endpoints)) == (64, 16)
    assert condition(cluster, "Planned")[1] == Reason.INVALID_SPEC


async def test_every_workload_has_a_share_of_the_rejected_candidates() -> None:
    three = CLASSES[:3]
    pools = [make.pool(f"p{i:02}") for i in range(43)]
    model = make.model(workloads=[{"class": name} for name in three])
    cluster = world(make.node(cpu="64"), *pools, *map(make.workload_class, three), model)
    await Operator(cluster).once()
    found = status(cluster)
    assert [r.class_ for r in found.rejected] == sorted(r.class_ for r in found.rejected)
    assert sorted(Counter(r.class_ for r in found.rejected).values()) == [42, 43, 43]
    assert found.rejected_counts
    assert sum(found.rejected_counts.values()) == 3 * (3 * 43 - 1)


async def test_a_share_that_one_workload_does_not_need_is_for_the_others() -> None:
    pools = [make.pool(f"p{i:02}", labels={"few": str(i < 3)}) for i in range(43)]
    few = {"class": "c00", "pools": {"matchLabels": {"few": "True"}}}
    model = make.model(workloads=[few, {"class": "c01"}])
    cluster = world(make.node(cpu="64"), *pools, *map(make.workload_class, CLASSES[:2]), model)
    await Operator(cluster).once()
    assert Counter(r.class_ for r in status(cluster).rejected) == {"c00": 8, "c01": 120}


async def test_many_pools_are_listed_by_whole_names_as_far_as_they_go() -> None:
    model = make.model(workloads=[{"class": name, "pools": {"matchLabels": {"for": name}}} for name in CLASSES])
    pools = [make.pool(f"{name}-{'p' * 58}"[:63], labels={"for": name}) for name in CLASSES]
    more = [make.pool(f"{'q' * 60}-{i}", labels={"for": "c00"}) for i in range(2)]
    cluster = world(make.node(cpu="200"), *pools, *more, *map(make.workload_class, CLASSES), model)
    operator = Operator(cluster)
    await operator.once()
    for obj in cluster.all(kinds.DEPLOYMENT)[:2]:
        for i in range(2):
            left = copy.deepcopy(obj)
            labels = obj["metadata"]["labels"] | {"inferfleet.io/pool": f"{'q' * 60}-{i}"}
            left["metadata"] = obj["metadata"] | {"name": f"old-{obj['metadata']['name'][-8:]}-{i}", "labels": labels}
            for key in ("uid", "resourceVersion", "managedFields"):
                del left["metadata"][key]
            cluster.put(left)
    await operator.once()
    text = status(cluster).summary.pools
    assert len(text) <= 1024
    assert text.endswith(",...")
    assert {len(name) for name in text.split(",")[:-1]} <= {62, 63}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"replicas": {"min": 1, "max": 3, "mode": "External"}}, Reason.SCALED_ELSEWHERE),
        ({"placement": {"mode": "Recommend"}}, Reason.RECOMMEND_ONLY),
    ],
    ids=["External", "Recommend"],
)
async def test_the_last_decision_about_replicas_ends_with_the_scaling(change: make.Obj, reason: str) -> None:
    pinned: make.Obj = {"placement": {"mode": "Pinned", "pool": "cpu", "variant": "q8-0"}}
    model = make.model(workloads=[{"class": "chat", **pinned}])
    cluster = world(make.node(), make.pool(), make.workload_class(), model)
    operator = Operator(cluster)
    operator.decide(1, Reason.MAX_REPLICAS)
    await operator.settle()
    assert [s.reason for s in status(cluster).scaling] == [Reason.MAX_REPLICAS]
    cluster.edit(
        kinds.MODEL, "default", "demo", lambda o: o["spec"].update(workloads=[{"class": "chat", **pinned, **change}])
    )
    await Operator(cluster, now=operator.now).settle()
    assert [s.reason for s in status(cluster).scaling] == [reason]
