"""One real cluster with the project installed, shared by all stories; each story has a namespace of its own."""

import itertools
import json
import os
import shutil
from collections.abc import Iterator

import pytest

from e2e import install
from e2e.cluster import provider
from e2e.cluster.provider import Cluster, Options
from e2e.stories.alone import STORY, impossible
from e2e.stories.space import Space

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Installed as a user would: real images, real charts. It stays up afterwards; `make down NAME=e2e` removes it."""
    if reason := impossible():
        pytest.skip(reason)
    made = provider.up(Options(name=os.environ.get("INFERFLEET_E2E_NAME", "e2e")))
    install.install(made, install.load_images(made))
    _clear(made)
    before = _restarts(made)
    yield made
    print(made.kubectl("get", "inferfleet,pods", "--all-namespaces"))
    after = _restarts(made)
    assert after, "the operator is gone"
    again = {pod: count for pod, count in after.items() if count > before.get(pod, 0)}
    assert not again, f"the operator was restarted: {again}, before {before}"


def _restarts(cluster: Cluster) -> dict[str, int]:
    """Of the operator's containers, by pod."""
    pods = json.loads(cluster.kubectl("get", "pods", "--namespace", install.SYSTEM, "-o", "json"))["items"]
    return {
        pod["metadata"]["name"]: sum(c["restartCount"] for c in pod["status"].get("containerStatuses", []))
        for pod in pods
    }


def _clear(cluster: Cluster) -> None:
    """Remove what an interrupted run left; after the installation, since Models go with the operator's help."""
    cluster.kubectl("delete", "namespaces", "-l", STORY, "--timeout=300s")
    cluster.kubectl("delete", "hardwarepools,workloadclasses", "-l", "story")


@pytest.fixture
def space(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Space]:
    """A fresh namespace, and cluster-scoped objects of the same prefix removed afterwards."""
    name = f"story-{next(_numbers)}"
    cluster.kubectl("delete", "namespace", name, "--ignore-not-found")
    cluster.kubectl("create", "namespace", name)
    labels = ("pod-security.kubernetes.io/enforce=restricted", f"{STORY}={name}")
    cluster.kubectl("label", "namespace", name, *labels)
    yield Space(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
    for kind_ in ("hardwarepools", "workloadclasses"):
        cluster.kubectl("delete", kind_, "-l", f"story={name}", "--ignore-not-found")


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    """Fail early with a sentence where even Go is missing."""
    if not impossible() and shutil.which("go") is None and not os.environ.get("INFERFLEET_BIN"):
        pytest.fail("Go is needed to build the cluster's binaries; install it or set INFERFLEET_BIN")
