"""One real cluster with the project installed, shared by all stories; each story has a namespace of its own."""

import itertools
import os
import shutil
from collections.abc import Iterator

import pytest

from e2e import install
from e2e.cluster import kind, provider
from e2e.cluster.provider import Cluster, Options
from e2e.stories.space import Space

_numbers = itertools.count(1)


def _impossible() -> str:
    """Why no cluster can run here, or empty."""
    if os.environ.get(provider.VARIABLE) == "existing" or kind.usable() or os.geteuid() == 0:
        return ""
    return "no cluster can run here: Linux and root, kind and an engine, or INFERFLEET_CLUSTER=existing are needed"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Installed as a user would: real images, real charts. It stays up afterwards; `make down NAME=e2e` removes it."""
    if reason := _impossible():
        pytest.skip(reason)
    made = provider.up(Options(name=os.environ.get("INFERFLEET_E2E_NAME", "e2e")))
    install.install(made, install.load_images(made))
    yield made
    print(made.kubectl("get", "inferfleet,pods", "--all-namespaces"))
    restarts = made.kubectl(
        *("get", "pods", "--namespace", install.SYSTEM),
        *("-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}"),
    )
    assert set(restarts.split()) == {"0"}, f"the operator was restarted: {restarts}"


@pytest.fixture
def space(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Space]:
    """A fresh namespace, and cluster-scoped objects of the same prefix removed afterwards."""
    name = f"story-{next(_numbers)}"
    cluster.kubectl("delete", "namespace", name, "--ignore-not-found")
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield Space(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
    for kind_ in ("hardwarepools", "workloadclasses"):
        cluster.kubectl("delete", kind_, "-l", f"story={name}", "--ignore-not-found")


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    """Fail early with a sentence where even Go is missing."""
    if not _impossible() and shutil.which("go") is None and not os.environ.get("INFERFLEET_BIN"):
        pytest.fail("Go is needed to build the cluster's binaries; install it or set INFERFLEET_BIN")
