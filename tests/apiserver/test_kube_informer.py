"""The informer against a real API server that is cut off, forgets its history, and restarts."""

import asyncio
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import orjson
from apiserver.control_plane import ControlPlane
from fakes.followed import change, kept_running
from fakes.objects import config_map

from inferfleet import errors
from inferfleet.kube.cluster import KubernetesCluster, Listing, WatchEvent
from inferfleet.kube.informer import Informer, Scope
from inferfleet.kube.kinds import CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, Kind, Obj
from inferfleet.kube.transport import Call

PATIENCE_SECONDS = 90.0
GADGET = Kind("tests.inferfleet.io/v1", "Gadget", "gadgets", namespaced=True)


class Line:
    """A cluster behind a line that can be cut: watches end with an error, and new ones find none."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        self.cluster = cluster
        self.is_up = asyncio.Event()
        self.is_up.set()
        self.lists = 0
        self.was_cut_for_hours = False
        """The next watch asks for a version that the server no longer keeps."""
        self._cut = asyncio.Event()

    def cut(self) -> None:
        """Now, until `is_up` is set again."""
        self.is_up.clear()
        self._cut.set()

    def mend(self) -> None:
        """Let calls through again."""
        self._cut = asyncio.Event()
        self.is_up.set()

    async def list(self, kind: Kind, *, namespace: str = "", selector: str = "", limit: int = 500) -> Listing:
        self._check()
        self.lists += 1
        return await self.cluster.list(kind, namespace=namespace, selector=selector, limit=limit)

    async def watch(
        self, kind: Kind, resource_version: str, *, namespace: str = "", selector: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        self._check()
        if self.was_cut_for_hours:
            self.was_cut_for_hours, resource_version = False, "1"
        watch = self.cluster.watch(kind, resource_version, namespace=namespace, selector=selector)
        async with aclosing(watch) as events:
            while True:
                following = asyncio.ensure_future(anext(events))
                cut = asyncio.ensure_future(self._cut.wait())
                await asyncio.wait((following, cut), return_when=asyncio.FIRST_COMPLETED)
                cut.cancel()
                if not following.done():
                    following.cancel()
                    await asyncio.wait((following,))
                    raise errors.Transient("the line was cut")
                try:
                    yield following.result()
                except StopAsyncIteration:
                    return

    def _check(self) -> None:
        if not self.is_up.is_set():
            raise errors.Transient("the line is cut")


@asynccontextmanager
async def following(line: Line, scope: Scope, told: list[tuple[str, str]]) -> AsyncIterator[Informer]:
    def on_change(old: Obj | None, new: Obj | None) -> None:
        told.append(change(old, new))

    informer = Informer(line, scope, on_change)  # type: ignore[arg-type]  # reads are all it uses
    async with kept_running(informer):
        yield informer


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


def ours(namespace: str) -> Scope:
    return Scope(CONFIG_MAP, selector="test=informer", namespace=namespace)


def labelled(namespace: str, name: str, **data: str) -> Obj:
    obj = config_map(namespace, name, **data)
    obj["metadata"]["labels"] = {"test": "informer"}
    return obj


async def test_it_follows_a_real_server(cluster: KubernetesCluster, namespace: str) -> None:
    told: list[tuple[str, str]] = []
    await cluster.apply(labelled(namespace, "a"), "m")
    async with following(Line(cluster), ours(namespace), told) as informer:
        await asyncio.wait_for(informer.synced.wait(), PATIENCE_SECONDS)
        await cluster.apply(labelled(namespace, "b"), "m")
        await cluster.apply(labelled(namespace, "a", v="2"), "m")
        await cluster.apply(config_map(namespace, "foreign"), "m")
        await cluster.delete(CONFIG_MAP, namespace, "b")
        await until(lambda: len(told) >= 4)
    assert told == [("appeared", "a"), ("appeared", "b"), ("changed", "a"), ("went", "b")]


async def test_deletions_while_the_line_was_cut_and_the_history_lost_are_noticed(
    cluster: KubernetesCluster, namespace: str
) -> None:
    told: list[tuple[str, str]] = []
    line = Line(cluster)
    for name in "abc":
        await cluster.apply(labelled(namespace, name), "m")
    async with following(line, ours(namespace), told):
        await until(lambda: len(told) == 3)
        line.cut()
        await cluster.delete(CONFIG_MAP, namespace, "a")
        await cluster.apply(labelled(namespace, "b", v="2"), "m")
        line.was_cut_for_hours = True
        line.mend()
        await until(lambda: len(told) == 5)
        assert line.lists == 2
    assert sorted(told[3:]) == [("changed", "b"), ("went", "a")]


async def test_a_short_cut_costs_no_list(cluster: KubernetesCluster, namespace: str) -> None:
    told: list[tuple[str, str]] = []
    line = Line(cluster)
    await cluster.apply(labelled(namespace, "a"), "m")
    async with following(line, ours(namespace), told):
        await until(lambda: len(told) == 1)
        line.cut()
        await cluster.delete(CONFIG_MAP, namespace, "a")
        line.mend()
        await until(lambda: len(told) == 2)
    assert told[1] == ("went", "a")
    assert line.lists == 1


async def test_a_kind_that_is_deleted_and_installed_again_is_followed_again(
    cluster: KubernetesCluster, namespace: str
) -> None:
    told: list[tuple[str, str]] = []
    await cluster.apply(gadget_definition(), "m")
    async with following(Line(cluster), Scope(GADGET), told) as informer:
        await asyncio.wait_for(informer.synced.wait(), PATIENCE_SECONDS)
        await create_gadget(cluster, namespace)
        await until(lambda: told == [("appeared", "g")])
        await cluster.delete(CUSTOM_RESOURCE_DEFINITION, "", f"gadgets.{GADGET.api_version.split('/')[0]}")
        await until(lambda: told[1:] == [("went", "g")])
        await until_gone(cluster)
        await cluster.apply(gadget_definition(), "m")
        await create_gadget(cluster, namespace)
        await until(lambda: told[2:] == [("appeared", "g")])
    await cluster.delete(CUSTOM_RESOURCE_DEFINITION, "", f"gadgets.{GADGET.api_version.split('/')[0]}")


async def test_a_server_that_crashed_and_lost_its_history_is_followed_again(
    control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str
) -> None:
    told: list[tuple[str, str]] = []
    line = Line(cluster)
    for name in "abc":
        await cluster.apply(labelled(namespace, name), "m")
    async with following(line, ours(namespace), told) as informer:
        await until(lambda: len(told) == 3)
        line.cut()
        await cluster.delete(CONFIG_MAP, namespace, "a")
        await cluster.apply(labelled(namespace, "b", v="2"), "m")
        last = await cluster.apply(config_map(namespace, "unrelated"), "m")
        await asyncio.to_thread(compact, control_plane, last["metadata"]["resourceVersion"])
        control_plane.kill_api_server()
        await asyncio.to_thread(control_plane.start_api_server)
        line.mend()
        await until(lambda: len(told) == 5)
        assert informer.get(namespace, "a") is None
    assert sorted(told[3:]) == [("changed", "b"), ("went", "a")]
    assert line.lists == 2


def compact(control_plane: ControlPlane, revision: str) -> None:
    """Make etcd forget everything before the revision."""
    body = orjson.dumps({"revision": revision, "physical": True})
    request = urllib.request.Request(f"{control_plane.etcd}/v3/kv/compaction", body)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def gadget_definition() -> Obj:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    group, version = GADGET.api_version.split("/")
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget"},
            "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


async def create_gadget(cluster: KubernetesCluster, namespace: str) -> None:
    """As soon as the server knows the kind."""
    gadget = {
        "apiVersion": GADGET.api_version,
        "kind": GADGET.kind,
        "metadata": {"namespace": namespace, "name": "g"},
    }
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await cluster._transport.request(Call("POST", GADGET.path(namespace), {}, gadget))
                return
            except (errors.NotFound, errors.Transient):
                await asyncio.sleep(0.1)


async def until_gone(cluster: KubernetesCluster) -> None:
    name = gadget_definition()["metadata"]["name"]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await cluster.get(CUSTOM_RESOURCE_DEFINITION, "", name) is not None:
            await asyncio.sleep(0.1)
