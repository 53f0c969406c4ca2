"""Argo CD's health checks, run by Lua 5.1 over statuses that the operator itself wrote."""

from pathlib import Path

import make
import pytest
import yaml
from fakes.cluster import FakeCluster
from harness import NOW, Operator, stores, world
from lupa import lua51

from inferfleet.api.crdgen import RESOURCES
from inferfleet.catalog import loader
from inferfleet.fleet.acceptance import class_verdicts, pool_verdicts, stamped
from inferfleet.fleet.observe import node, read_classes, read_pools
from inferfleet.kube import kinds
from inferfleet.kube.kinds import Obj
from inferfleet.names import Reason

CONFIG = Path(__file__).parents[2] / "examples/gitops/argocd/health.yaml"
PREFIX = "resource.customizations.health.inferfleet.io_"
SANDBOX = """
function(source, obj)
  local check = assert(loadstring(source))
  setfenv(check, {obj = obj, ipairs = ipairs})
  local found = check()
  return found.status, found.message
end
"""
"""As Argo CD runs a check: `obj` is a global, a table is returned. Of Lua's library only what the checks use."""


def health(obj: Obj) -> tuple[str, str]:
    """Status and message of an object, as Argo CD would show them."""
    source = yaml.safe_load(CONFIG.read_text())["data"][f"{PREFIX}{obj['kind']}"]
    lua = lua51.LuaRuntime()
    status, message = lua.eval(SANDBOX)(source, lua.table_from(obj, recursive=True))
    return str(status), str(message)


def model(cluster: FakeCluster) -> Obj:
    """The Model as a client reads it."""
    found = cluster.peek(kinds.MODEL, "default", "demo")
    assert found
    return found


def test_a_new_model_is_awaited(cluster: FakeCluster) -> None:
    assert health(model(cluster)) == ("Progressing", "the operator has not looked at this version yet")


async def test_a_model_whose_pods_start_is_awaited(cluster: FakeCluster) -> None:
    await Operator(cluster).settle(ready=False)
    status, message = health(model(cluster))
    assert status == "Progressing"
    assert message.startswith(f"{Reason.PODS_STARTING}: chat: 0 of at least 1 replicas ready")


async def test_a_model_that_serves_is_healthy(serving: FakeCluster) -> None:
    assert health(model(serving)) == ("Healthy", f"{Reason.AVAILABLE}: every workload has its replicas")


async def test_a_change_that_the_operator_has_not_seen_is_awaited(serving: FakeCluster) -> None:
    serving.edit(kinds.MODEL, "default", "demo", lambda o: o["spec"]["workloads"][0]["replicas"].update(max=2))
    assert health(model(serving))[0] == "Progressing"


async def test_a_frozen_model_waits_for_a_person_and_says_for_what(serving: FakeCluster) -> None:
    serving.remove(kinds.WORKLOAD_CLASS, "", "chat")
    await Operator(serving).settle()
    status, message = health(model(serving))
    assert status == "Suspended"
    assert message.startswith(f"{Reason.FROZEN}: ")
    assert "WorkloadClass chat does not exist" in message


async def test_a_model_whose_pods_fail_is_degraded_with_their_words(cluster: FakeCluster) -> None:
    await Operator(cluster).settle(ready=False)
    (pod,) = cluster.all(kinds.POD)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    name = pod["metadata"]["name"]
    cluster.edit(kinds.POD, "default", name, lambda o: o["status"]["containerStatuses"][0].update(state=waiting))
    await Operator(cluster).once()
    status, message = health(model(cluster))
    assert status == "Degraded"
    assert message.startswith(f"{Reason.PODS_FAILING}: ")
    assert "no such image" in message


async def test_a_model_that_nothing_can_serve_is_degraded(cluster: FakeCluster) -> None:
    cluster.remove(kinds.WORKLOAD_CLASS, "", "chat")
    await Operator(cluster).settle()
    status, message = health(model(cluster))
    assert status == "Degraded"
    assert message.startswith(f"{Reason.CLASS_NOT_FOUND}: ")


async def test_a_model_that_only_recommends_waits_for_a_person(cluster: FakeCluster) -> None:
    cluster.put(make.model(workloads=[{"class": "chat", "placement": {"mode": "Recommend"}}]))
    await Operator(cluster).settle()
    status, message = health(model(cluster))
    assert (status, message.split(":")[0]) == ("Suspended", Reason.RECOMMEND_ONLY)


async def test_a_model_that_serves_less_than_planned_is_degraded(serving: FakeCluster) -> None:
    operator = Operator(serving)
    operator.decide(2)
    await operator.settle()
    pod = sorted(serving.all(kinds.POD), key=lambda p: str(p["metadata"]["name"]))[-1]
    pending = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available."}]
    serving.edit(kinds.POD, "default", pod["metadata"]["name"], lambda o: o["status"].update(conditions=pending))
    await operator.once()
    status, message = health(model(serving))
    assert (status, message.split(":")[0]) == ("Degraded", Reason.DEGRADED)


async def test_a_healthy_model_says_too_that_it_is_at_its_limit(serving: FakeCluster) -> None:
    operator = Operator(serving)
    operator.decide(3, Reason.MAX_REPLICAS)
    await operator.settle()
    status, message = health(model(serving))
    assert status == "Healthy"
    assert f"; {Reason.MAX_REPLICAS}: " in message


def judged(obj: Obj, *others: Obj) -> Obj:
    """A pool or class with the status that the operator writes."""
    cluster = world(make.node(), obj, *others)
    seen = stores(cluster)
    nodes = tuple(node(o) for o in seen.nodes.values())
    pools = pool_verdicts(read_pools(seen), nodes, loader.load())
    verdicts = {**pools, **class_verdicts(read_classes(seen), loader.load())}
    kind = kinds.HARDWARE_POOL if obj["kind"] == "HardwarePool" else kinds.WORKLOAD_CLASS
    name = obj["metadata"]["name"]
    stored = cluster.peek(kind, "", name)
    assert stored
    return stored | {"status": stamped(verdicts[name], stored, NOW)}


@pytest.mark.parametrize("obj", [make.pool(), make.workload_class()], ids=lambda o: str(o["kind"]))
def test_a_pool_or_class_is_awaited_until_the_operator_has_looked(obj: Obj) -> None:
    (stored,) = world(obj).all(kinds.HARDWARE_POOL if obj["kind"] == "HardwarePool" else kinds.WORKLOAD_CLASS)
    assert health(stored)[0] == "Progressing"


@pytest.mark.parametrize("obj", [make.pool(), make.workload_class()], ids=lambda o: str(o["kind"]))
def test_a_pool_or_class_that_can_be_used_is_healthy(obj: Obj) -> None:
    status, message = health(judged(obj))
    assert status == "Healthy"
    assert message.startswith(f"{Reason.ACCEPTED}: ")


def test_a_pool_of_unknown_hardware_is_degraded_and_says_what_is_near() -> None:
    status, message = health(judged(make.pool(accelerator="nvidia-h1000")))
    assert status == "Degraded"
    assert message.startswith(f"{Reason.ACCELERATOR_UNKNOWN}: ")
    assert "did you mean" in message


def test_pools_that_share_nodes_are_healthy_and_warned_of() -> None:
    status, message = health(judged(make.pool("one"), make.pool("two")))
    assert status == "Healthy"
    assert f"; {Reason.NODES_SHARED}: pool two has nodes node-1 too" in message


def test_a_capacity_profile_is_never_waited_for() -> None:
    assert health({"kind": "CapacityProfile", "metadata": {"name": "a"}})[0] == "Healthy"


def test_every_kind_has_a_health_check() -> None:
    checks = {key.removeprefix(PREFIX) for key in yaml.safe_load(CONFIG.read_text())["data"] if key.startswith(PREFIX)}
    assert checks == {resource.kind for resource in RESOURCES}
