"""From the release before to this tree and back, with models that serve: nobody who uses them notices."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import install
from e2e.access import reach
from e2e.cluster import provider
from e2e.cluster.provider import Cluster
from e2e.packages import released
from e2e.stories import alone
from e2e.stories.alone import Admin
from e2e.stories.fleet import Obj, quickstart
from e2e.stories.space import Space
from e2e.stories.stream import Stream

pytestmark = pytest.mark.slow
LONG = 4000
"""Output tokens of the stream, which must outlast the upgrade."""
BEFORE = install.Charts(released.chart("inferfleet-crds"), released.chart("inferfleet"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with alone.own_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def now(cluster: Cluster) -> install.Images:
    """The images of this tree, on the node."""
    return install.load_images(cluster)


@pytest.fixture(scope="module")
def before(cluster: Cluster, now: install.Images, tmp_path_factory: pytest.TempPathFactory) -> install.Images:
    """The operator of the release before. The runtime is the same: another image replaces pods on purpose."""
    image = released.operator_image(tmp_path_factory.mktemp("released"))
    return install.Images(provider.load(cluster, image.archive), now.runtime)


@pytest.fixture
def admin(cluster: Cluster, before: install.Images, tmp_path: Path) -> Admin:
    """With the release before installed, as its users did."""
    admin = Admin(cluster, tmp_path)
    admin.wants(before, BEFORE)
    admin.wipe()
    install.install(cluster, before, charts=BEFORE)
    return admin


def _fleet(namespace: str) -> list[Obj]:
    """The quickstart with room for a long answer, and a second Model with a class and a pool of its own."""
    pool, class_, model = quickstart(namespace)
    class_["spec"]["traffic"]["outputTokens"] = {"p50": 64, "p95": LONG}
    class_["spec"]["serving"]["maxBatchSize"] = 2
    second = [_named(obj, f"{obj['metadata']['name']}-second") for obj in quickstart(namespace)]
    second[2]["metadata"]["name"] = "second"
    second[2]["spec"]["workloads"][0]["class"] = second[1]["metadata"]["name"]
    return [pool, class_, model, *second]


def _named(obj: Obj, name: str) -> Obj:
    return obj | {"metadata": obj["metadata"] | {"name": name}}


def _serving(admin: Admin) -> Space:
    """Both Models Ready, and measured."""
    space = admin.space("upgrade")
    space.apply(*_fleet(space.namespace))
    space.ready("demo")
    space.ready("second")
    space.wait("a measured capacity", lambda: space.kubectl("get", "capacityprofiles", "-o", "name"))
    alone.settled(space)
    return space


def _open_stream(url: str) -> Stream:
    stream = Stream("", LONG)
    threading.Thread(target=stream.read, args=(url,), daemon=True).start()
    return stream


def _leads(space: Space, image: str) -> None:
    """Wait until an operator of this image holds the Lease, and has had its say about both Models."""
    space.wait(f"{image} to lead", lambda: alone.leader(space.cluster) == image)
    for name in ("demo", "second"):
        model = space.ready(name)
        assert model["status"]["observedGeneration"] == model["metadata"]["generation"]


def test_an_upgrade_and_a_rollback_touch_nothing_stored_and_restart_no_model_pod(
    admin: Admin, before: install.Images, now: install.Images
) -> None:
    space = _serving(admin)
    stored, running = alone.stored(admin.cluster), alone.running(admin.cluster)
    assert len(stored) >= 7
    assert len(running) == 2
    (service,) = space.list("services", f"{alone.OWNED},inferfleet.io/model=demo")

    with reach(admin.cluster, space.namespace, service["metadata"]["name"]) as url:
        stream = _open_stream(url)
        space.wait("the stream's first token", stream.began.is_set, 60)
        admin.wants(now)
        admin.follow("upgrade")
        _leads(space, now.operator)
        assert not stream.done.is_set(), "the stream ended before the upgrade: the story shows nothing"
        alone.settled(space)
        _unchanged(admin, stored, running)
        assert stream.done.wait(300)
    assert (stream.error, stream.finish, stream.tokens) == ("", "length", LONG)
    shown = admin.cluster.kubectl("get", "inferfleet", "--all-namespaces")
    assert "demo" in shown
    assert "second" in shown

    definitions = _definitions(admin)
    admin.follow("rollback")
    _leads(space, before.operator)
    alone.settled(space)
    _unchanged(admin, stored, running)
    assert _definitions(admin) == definitions, "the definitions stay new"


def _definitions(admin: Admin) -> dict[str, str]:
    names = [f"{plural}.inferfleet.io" for plural in alone.OURS]
    path = "jsonpath={.metadata.uid}/{.metadata.generation}"
    return {name: admin.cluster.kubectl("get", "crd", name, "-o", path) for name in names}


def _unchanged(admin: Admin, stored: dict[str, Obj], running: dict[str, Obj]) -> None:
    """What was stored is there as it was, whatever came with the new release; the pods are the same and all."""
    found = alone.stored(admin.cluster)
    assert {name: found.get(name) for name in stored} == stored
    assert alone.running(admin.cluster) == running
