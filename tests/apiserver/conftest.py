"""A real API server for the tests of this folder.

The processes run once per session, their binaries come from `e2e.cluster.binaries`. Where these cannot be had the
tests fail and say why; only INFERFLEET_SKIP_APISERVER=1 skips them.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from apiserver.control_plane import BINARIES, ControlPlane
from apiserver.server import Server

from e2e.cluster.binaries import ensure
from inferfleet.kube.cluster import KubernetesCluster
from inferfleet.kube.connect import connect
from inferfleet.kube.kinds import CUSTOM_RESOURCE_DEFINITION, NAMESPACE

CRDS = Path(__file__).parents[2] / "crds"
ESTABLISHED_SECONDS = 60.0


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, the newest supported kube-apiserver with our CRDs, and kube-controller-manager."""
    _skip_if_told()
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"), ensure(BINARIES))
    try:
        plane.start()
        # Before the controllers, since the garbage collector looks for new kinds only every 30 s.
        asyncio.run(_install_crds(plane.kubeconfig))
        plane.start_controllers()
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def oldest_control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and the oldest supported kube-apiserver with our CRDs, without controllers."""
    _skip_if_told()
    found = ensure(("etcd", "kube-apiserver-oldest"))
    binaries = {"etcd": found["etcd"], "kube-apiserver": found["kube-apiserver-oldest"]}
    plane = ControlPlane(tmp_path_factory.mktemp("oldest-control-plane"), binaries)
    try:
        plane.start()
        asyncio.run(_install_crds(plane.kubeconfig))
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session", params=["newest", "oldest"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The API server of each supported end, as a user's client sees it."""
    name = "control_plane" if request.param == "newest" else "oldest_control_plane"
    with closing(Server(request.getfixturevalue(name), request.param)) as found:
        yield found


@pytest.fixture
async def cluster(control_plane: ControlPlane) -> AsyncIterator[KubernetesCluster]:
    """The client under test, as administrator."""
    client = await connect(str(control_plane.kubeconfig))
    yield client
    await client.close()


@pytest.fixture
async def namespace(cluster: KubernetesCluster) -> AsyncIterator[str]:
    """An empty namespace of this test alone."""
    name = f"test-{secrets.token_hex(4)}"
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await cluster.delete(NAMESPACE, "", name)


def _skip_if_told() -> None:
    if os.environ.get("INFERFLEET_SKIP_APISERVER") == "1":
        pytest.skip("INFERFLEET_SKIP_APISERVER=1")


async def _install_crds(kubeconfig: Path) -> None:
    client = await connect(str(kubeconfig))
    try:
        for file in sorted(CRDS.glob("*.yaml")):
            for crd in yaml.safe_load_all(file.read_text()):
                await client.apply(crd, "tests")
                await _established(client, crd["metadata"]["name"])
    finally:
        await client.close()


async def _established(client: KubernetesCluster, name: str) -> None:
    async with asyncio.timeout(ESTABLISHED_SECONDS):
        while True:
            crd = await client.get(CUSTOM_RESOURCE_DEFINITION, "", name) or {}
            conditions = crd.get("status", {}).get("conditions") or ()
            if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
                return
            await asyncio.sleep(0.05)
