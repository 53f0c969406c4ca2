"""What this operator relies on in an API server, as checks that run against the fake and against a real one.

Each check takes a `Cluster` and the name of an empty namespace.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from fakes.objects import config_map, deployment

from inferfleet import errors
from inferfleet.kube.cluster import Cluster
from inferfleet.kube.kinds import CONFIG_MAP, DEPLOYMENT, SERVICE, Obj

OURS = "inferfleet"
THEIRS = "somebody-else"
PATIENCE_SECONDS = 60.0

Check = Callable[[Cluster, str], Awaitable[None]]


def env_of(obj: Obj) -> dict[str, str]:
    container = obj["spec"]["template"]["spec"]["containers"][0]
    return {e["name"]: e["value"] for e in container.get("env", ())}


def version(obj: Obj) -> str:
    return str(obj["metadata"]["resourceVersion"])


async def current(cluster: Cluster, obj: Obj) -> Obj:
    kinds = {k.kind: k for k in (CONFIG_MAP, DEPLOYMENT, SERVICE)}
    meta = obj["metadata"]
    live = await cluster.get(kinds[obj["kind"]], meta["namespace"], meta["name"])
    assert live is not None
    return live


async def applying_the_same_twice_makes_no_new_version(cluster: Cluster, namespace: str) -> None:
    first = await cluster.apply(config_map(namespace, a="1"), OURS)
    assert version(await cluster.apply(config_map(namespace, a="1"), OURS)) == version(first)
    await cluster.apply(deployment(namespace, env={"A": "1"}), OURS)
    second = await cluster.apply(deployment(namespace, env={"A": "1"}), OURS)
    # Not its version: the deployment controller writes its status meanwhile.
    assert second["metadata"]["generation"] == 1


async def a_change_of_the_spec_counts_a_generation_and_one_of_labels_does_not(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(deployment(namespace), OURS)
    changed = await cluster.apply(deployment(namespace, minReadySeconds=3), OURS)
    assert changed["metadata"]["generation"] == 2
    labelled = deployment(namespace, minReadySeconds=3)
    labelled["metadata"]["labels"] = {"tier": "gold"}
    assert (await cluster.apply(labelled, OURS))["metadata"]["generation"] == 2


async def a_field_left_out_is_removed_from_map_and_keyed_list(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(config_map(namespace, a="1", b="2"), OURS)
    assert (await cluster.apply(config_map(namespace, a="1"), OURS))["data"] == {"a": "1"}
    await cluster.apply(deployment(namespace, env={"A": "1", "B": "2"}), OURS)
    assert env_of(await cluster.apply(deployment(namespace, env={"B": "2"}), OURS)) == {"B": "2"}


async def a_field_that_another_manager_owns_too_stays(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(config_map(namespace, shared="1", ours="1"), OURS)
    await cluster.apply(config_map(namespace, shared="1", theirs="1"), THEIRS)
    left = await cluster.apply(config_map(namespace, x="1"), OURS)
    assert left["data"] == {"shared": "1", "theirs": "1", "x": "1"}


async def applying_takes_a_field_by_force_and_the_loser_no_longer_removes_it(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(config_map(namespace, a="theirs", b="2"), THEIRS)
    assert (await cluster.apply(config_map(namespace, a="ours"), OURS))["data"]["a"] == "ours"
    assert (await cluster.apply(config_map(namespace, b="2"), THEIRS))["data"] == {"a": "ours", "b": "2"}


async def what_others_add_stays_and_what_they_change_is_repaired(cluster: Cluster, namespace: str) -> None:
    desired = deployment(namespace, env={"A": "1"})
    edited = await cluster.apply(desired, OURS)
    edited["spec"]["replicas"] = 3
    edited["metadata"]["labels"] = {"added": "by-hand"}
    edited["spec"]["template"]["spec"]["containers"][0]["env"] += [{"name": "B", "value": "by-hand"}]
    for _ in range(5):  # the deployment controller writes its status meanwhile
        try:
            await cluster.replace(edited)
            break
        except errors.Conflict:
            edited["metadata"]["resourceVersion"] = version(await current(cluster, edited))
    repaired = await cluster.apply(desired, OURS)
    assert repaired["spec"]["replicas"] == 0
    assert repaired["metadata"]["labels"] == {"added": "by-hand"}
    assert env_of(repaired) == {"A": "1", "B": "by-hand"}


async def a_field_that_somebody_removed_comes_back(cluster: Cluster, namespace: str) -> None:
    edited = await cluster.apply(config_map(namespace, a="1", b="2"), OURS)
    del edited["data"]["a"]
    await cluster.replace(edited)
    assert (await cluster.apply(config_map(namespace, a="1", b="2"), OURS))["data"] == {"a": "1", "b": "2"}


async def lists_without_keys_are_replaced_as_a_whole(cluster: Cluster, namespace: str) -> None:
    obj = deployment(namespace)
    container = obj["spec"]["template"]["spec"]["containers"][0]
    container["args"] = ["a", "b"]
    await cluster.apply(obj, OURS)
    container["args"] = ["c"]
    changed = await cluster.apply(obj, OURS)
    assert changed["spec"]["template"]["spec"]["containers"][0]["args"] == ["c"]


async def a_container_left_out_is_removed_with_what_the_server_filled_in(cluster: Cluster, namespace: str) -> None:
    obj = deployment(namespace)
    pod = obj["spec"]["template"]["spec"]
    pod["containers"] = [pod["containers"][0], {"name": "sidecar", "image": "registry.k8s.io/pause:3.10"}]
    await cluster.apply(obj, OURS)
    changed = await cluster.apply(deployment(namespace), OURS)
    assert [c["name"] for c in changed["spec"]["template"]["spec"]["containers"]] == ["serve"]


async def the_server_fills_in_more_than_was_asked_for(cluster: Cluster, namespace: str) -> None:
    live = await cluster.apply(deployment(namespace), OURS)
    assert live["spec"]["progressDeadlineSeconds"] == 600
    assert live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


async def status_and_the_rest_are_written_apart(cluster: Cluster, namespace: str) -> None:
    desired = deployment(namespace)
    await cluster.apply(desired | {"status": {"replicas": 7}}, OURS)
    assert (await current(cluster, desired)).get("status", {}).get("replicas", 0) == 0
    condition = {"type": "Seen", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    with_status = deployment(namespace, replicas=9) | {"status": {"conditions": [condition]}}
    live = await cluster.apply_status(with_status, "inferfleet-status")
    assert "Seen" in [c["type"] for c in live["status"]["conditions"]]
    assert live["spec"]["replicas"] == 0
    assert live["metadata"]["generation"] == 1


async def the_status_of_an_absent_object_is_not_found(cluster: Cluster, namespace: str) -> None:
    obj = deployment(namespace)
    del obj["spec"]
    with pytest.raises(errors.NotFound):
        await cluster.apply_status(obj | {"status": {"replicas": 1}}, OURS)


async def creating_a_name_that_is_taken_conflicts(cluster: Cluster, namespace: str) -> None:
    await cluster.create(config_map(namespace, a="1"))
    with pytest.raises(errors.Conflict) as refusal:
        await cluster.create(config_map(namespace, a="2"))
    assert refusal.value.reason == "AlreadyExists"


async def replacing_a_stale_version_conflicts(cluster: Cluster, namespace: str) -> None:
    old = await cluster.create(config_map(namespace, a="1"))
    await cluster.replace(old | {"data": {"a": "2"}})
    with pytest.raises(errors.Conflict):
        await cluster.replace(old | {"data": {"a": "3"}})


async def replacing_what_is_absent_is_not_found(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(errors.NotFound):
        await cluster.replace(config_map(namespace, a="1"))


async def deleting_another_uid_conflicts_and_absence_is_fine(cluster: Cluster, namespace: str) -> None:
    obj = await cluster.create(config_map(namespace, a="1"))
    with pytest.raises(errors.Conflict):
        await cluster.delete(CONFIG_MAP, namespace, "c", uid="00000000-0000-4000-8000-00000000dead")
    await cluster.delete(CONFIG_MAP, namespace, "c", uid=obj["metadata"]["uid"])
    await cluster.delete(CONFIG_MAP, namespace, "c")
    assert await cluster.get(CONFIG_MAP, namespace, "c") is None


async def a_finalizer_holds_an_object_until_it_is_removed(cluster: Cluster, namespace: str) -> None:
    obj = config_map(namespace, a="1")
    obj["metadata"]["finalizers"] = ["inferfleet.io/test"]
    await cluster.create(obj)
    await cluster.delete(CONFIG_MAP, namespace, "c")
    held = await current(cluster, obj)
    assert held["metadata"]["deletionTimestamp"]
    held["metadata"]["finalizers"] = []
    await cluster.replace(held)
    assert await cluster.get(CONFIG_MAP, namespace, "c") is None


async def children_go_with_their_owner(cluster: Cluster, namespace: str) -> None:
    owner = await cluster.create(config_map(namespace, "owner"))
    child = config_map(namespace, "child", a="1")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    child["metadata"]["ownerReferences"] = [reference]
    await cluster.apply(child, OURS)
    await cluster.delete(CONFIG_MAP, namespace, "owner")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await cluster.get(CONFIG_MAP, namespace, "child") is not None:
            await asyncio.sleep(0.05)


async def a_label_value_over_63_bytes_is_rejected(cluster: Cluster, namespace: str) -> None:
    obj = config_map(namespace, a="1")
    obj["metadata"]["labels"] = {"key": "x" * 64}
    with pytest.raises(errors.Rejected, match="63 bytes"):
        await cluster.apply(obj, OURS)


async def a_selector_that_misses_its_template_is_rejected(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(errors.Rejected, match="selector"):
        await cluster.apply(deployment(namespace, selector={"matchLabels": {"app": "other"}}), OURS)


async def a_selector_cannot_change(cluster: Cluster, namespace: str) -> None:
    obj = deployment(namespace)
    obj["spec"]["template"]["metadata"]["labels"]["more"] = "1"
    await cluster.apply(obj, OURS)
    obj["spec"]["selector"] = {"matchLabels": {"app": "d", "more": "1"}}
    with pytest.raises(errors.Rejected, match="immutable"):
        await cluster.apply(obj, OURS)


async def a_bad_name_is_rejected(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(errors.Rejected, match="RFC 1123"):
        await cluster.apply(config_map(namespace, "Not_A_Name"), OURS)


async def a_selector_narrows_a_list(cluster: Cluster, namespace: str) -> None:
    for name, labels in (("a", {"x": "1"}), ("b", {"x": "2"}), ("c", {})):
        obj = config_map(namespace, name)
        await cluster.apply(obj | {"metadata": obj["metadata"] | {"labels": labels}}, OURS)
    for selector, names in (("x=1", ["a"]), ("x in (1,2)", ["a", "b"]), ("x!=1,x", ["b"]), ("!x", ["c"])):
        listing = await cluster.list(CONFIG_MAP, namespace=namespace, selector=selector)
        found = [item["metadata"]["name"] for item in listing.items]
        assert [name for name in found if name != "kube-root-ca.crt"] == names, selector
        assert all(item["kind"] == "ConfigMap" and item["apiVersion"] == "v1" for item in listing.items)


async def a_watch_tells_of_all_after_the_list_and_of_objects_that_stop_matching(
    cluster: Cluster, namespace: str
) -> None:
    listing = await cluster.list(CONFIG_MAP, namespace=namespace, selector="x=1")
    obj = config_map(namespace, a="1")
    for labels in ({"x": "1"}, {"x": "1", "y": "1"}, {}):
        obj["metadata"]["labels"] = labels
        last = await cluster.apply(obj, OURS)
    events = []
    watch = cluster.watch(CONFIG_MAP, listing.resource_version, namespace=namespace, selector="x=1")
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(watch):
        async for event in watch:
            events.append(event)
            if event.type == "DELETED":
                break
    assert [e.type for e in events if e.type != "BOOKMARK"] == ["ADDED", "MODIFIED", "DELETED"]
    assert version(events[-1].object) == version(last)


async def a_service_keeps_what_others_may_not_take(cluster: Cluster, namespace: str) -> None:
    ports = [{"name": "http", "port": 80, "targetPort": 8000}]
    meta = {"namespace": namespace, "name": "s"}
    obj: Obj = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"selector": {"a": "b"}, "ports": ports},
    }
    first = await cluster.apply(obj, OURS)
    assert first["spec"]["type"] == "ClusterIP"
    assert first["spec"]["ports"][0]["protocol"] == "TCP"
    assert version(await cluster.apply(obj, OURS)) == version(first)
    obj["spec"]["ports"] = [{"name": "http", "port": 81, "targetPort": 8000}]
    changed = await cluster.apply(obj, OURS)
    assert [p["port"] for p in changed["spec"]["ports"]] == [81]


CHECKS: tuple[Check, ...] = (
    applying_the_same_twice_makes_no_new_version,
    a_change_of_the_spec_counts_a_generation_and_one_of_labels_does_not,
    a_field_left_out_is_removed_from_map_and_keyed_list,
    a_field_that_another_manager_owns_too_stays,
    applying_takes_a_field_by_force_and_the_loser_no_longer_removes_it,
    what_others_add_stays_and_what_they_change_is_repaired,
    a_field_that_somebody_removed_comes_back,
    lists_without_keys_are_replaced_as_a_whole,
    a_container_left_out_is_removed_with_what_the_server_filled_in,
    the_server_fills_in_more_than_was_asked_for,
    status_and_the_rest_are_written_apart,
    the_status_of_an_absent_object_is_not_found,
    creating_a_name_that_is_taken_conflicts,
    replacing_a_stale_version_conflicts,
    replacing_what_is_absent_is_not_found,
    deleting_another_uid_conflicts_and_absence_is_fine,
    a_finalizer_holds_an_object_until_it_is_removed,
    children_go_with_their_owner,
    a_label_value_over_63_bytes_is_rejected,
    a_selector_that_misses_its_template_is_rejected,
    a_selector_cannot_change,
    a_bad_name_is_rejected,
    a_selector_narrows_a_list,
    a_watch_tells_of_all_after_the_list_and_of_objects_that_stop_matching,
    a_service_keeps_what_others_may_not_take,
)
