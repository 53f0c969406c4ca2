"""A cluster of a story's own, for what would harm others: another release, removing everything. Writes.

The commands are those of docs/operations.md, run as they stand there.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from e2e import install
from e2e.cluster import binaries, images, kind, provider
from e2e.cluster.provider import Cluster, Options
from e2e.cluster.shell import ClusterError, run, say
from e2e.stories.space import Obj, Space
from inferfleet import __version__

HANDBOOK = install.ROOT / "docs" / "operations.md"
OURS = ("models", "workloadclasses", "hardwarepools", "capacityprofiles")
DEFINITIONS = tuple(f"{plural}.inferfleet.io" for plural in OURS)
OWNED = "inferfleet.io/managed=true"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
STORY = "e2e.inferfleet.io/story"
"""Label of the namespaces that stories make: nobody else's may be removed from an existing cluster."""


def impossible() -> str:
    """Why no cluster can run here, or empty."""
    if os.environ.get(provider.VARIABLE) == "existing" or kind.usable() or os.geteuid() == 0:
        return ""
    return "no cluster can run here: Linux and root, kind and an engine, or INFERFLEET_CLUSTER=existing are needed"


def commands(name: str) -> str:
    """The shell commands below the comment `story: NAME` of the handbook. Reads."""
    found = re.search(rf"<!-- story: {name} -->\n```sh\n(.*?)```", HANDBOOK.read_text(), re.DOTALL)
    assert found, f"{HANDBOOK.name} has no commands marked `story: {name}`"
    return found[1]


@dataclass(frozen=True)
class Admin:
    """Somebody who follows the handbook: a cluster, and a folder with `charts` and a values.yaml."""

    cluster: Cluster
    folder: Path

    def follow(self, name: str, **variables: str) -> str:
        """Run the commands of one section, stopping at the first that fails; returns what they printed."""
        say(f"docs/operations.md: {name}")
        tools = [binaries.ensure(["helm"])["helm"].parent, *([self.cluster.bin] if self.cluster.bin else [])]
        path = os.pathsep.join([*map(str, tools), os.environ.get("PATH", "")])
        environ = os.environ | {"PATH": path, "KUBECONFIG": str(self.cluster.kubeconfig)} | variables
        return run(["bash", "-euo", "pipefail", "-c", commands(name)], env=environ, cwd=self.folder)

    def wants(self, found: install.Images, charts: install.Charts = install.TREE) -> None:
        """Lay out the folder: the charts of a release, and values that name its images where the defaults do not."""
        for name, source in (
            ("charts/inferfleet-crds", charts.crds),
            ("charts/inferfleet", charts.operator),
            ("charts/plain", install.ROOT / "charts" / "plain"),
        ):
            link = self.folder / name
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(source)
        named = {"image": install.split(found.operator), "runtime": {"image": install.split(found.runtime)}}
        default = f"{images.REGISTRY}/operator:{__version__}" == found.operator
        (self.folder / "values.yaml").write_text(yaml.safe_dump({} if default else named))

    def space(self, name: str) -> Space:
        """A namespace that admits nothing but what is restricted."""
        self.cluster.kubectl("create", "namespace", name)
        self.cluster.kubectl("label", "namespace", name, RESTRICTED, f"{STORY}={name}")
        return Space(self.cluster, name)

    def wipe(self) -> None:
        """Nothing of ours is on the cluster afterwards, whatever an interrupted run left."""
        there = self.cluster.kubectl("get", "crd", *DEFINITIONS, "--ignore-not-found", "-o", "name").split()
        if len(there) == len(DEFINITIONS):
            self.follow("remove")
        elif there:
            raise ClusterError(f"{self.cluster.name}: half removed; take the cluster down")
        self.cluster.kubectl("delete", "namespaces", "-l", STORY)


@contextmanager
def own_cluster() -> Iterator[Cluster]:
    """Made for the stories of one file and removed after them, unless INFERFLEET_E2E_KEEP is set.

    One that a killed run left is used again; `make down NAME=e2e-own` removes it.
    """
    if reason := impossible():
        pytest.skip(reason)
    if os.environ.get(provider.VARIABLE) == "existing":
        pytest.skip("these stories remove everything of ours, definitions included: not from a cluster of yours")
    options = Options(name=f"{os.environ.get('INFERFLEET_E2E_NAME', 'e2e')}-own")
    try:
        yield provider.up(options)
    finally:
        if not os.environ.get("INFERFLEET_E2E_KEEP"):
            provider.down(options)


def leader(cluster: Cluster) -> str:
    """The image of the operator's pod that holds the Lease; empty while nobody, or a pod that is gone, does."""
    system = ("--namespace", install.SYSTEM)
    lease = cluster.kubectl("get", "lease", "inferfleet-operator", *system, "-o", "json", "--ignore-not-found")
    holder = json.loads(lease)["spec"].get("holderIdentity", "") if lease else ""
    pods: list[Obj] = json.loads(cluster.kubectl("get", "pods", *system, "-o", "json"))["items"]
    leading = [pod for pod in pods if holder.startswith(f"{pod['metadata']['name']}_")]
    return str(leading[0]["spec"]["containers"][0]["image"]) if leading else ""


def stored(cluster: Cluster) -> dict[str, Obj]:
    """Every object of our kinds: its uid, generation and spec, which an upgrade must not touch."""
    items = json.loads(cluster.kubectl("get", ",".join(OURS), "--all-namespaces", "-o", "json"))["items"]
    return {
        f"{o['kind']}/{o['metadata'].get('namespace', '')}/{o['metadata']['name']}": {
            "uid": o["metadata"]["uid"],
            "generation": o["metadata"]["generation"],
            "spec": json.dumps(o["spec"], sort_keys=True),
        }
        for o in items
    }


def running(cluster: Cluster) -> dict[str, Obj]:
    """Every model pod: its uid, and when its containers started, how often."""
    items = json.loads(cluster.kubectl("get", "pods", "--all-namespaces", "-l", OWNED, "-o", "json"))["items"]
    return {
        pod["metadata"]["name"]: {
            "uid": pod["metadata"]["uid"],
            "leaving": pod["metadata"].get("deletionTimestamp"),
            "containers": [(c["restartCount"], c["state"]) for c in pod["status"].get("containerStatuses", ())],
        }
        for pod in items
    }


def settled(space: Space) -> None:
    """Wait until nothing of the operator's was written for ten seconds."""

    def versions() -> dict[str, str]:
        text = space.cluster.kubectl("get", "models,deployments,services,configmaps", "--all-namespaces", "-o", "json")
        return {
            f"{o['kind']}/{o['metadata']['namespace']}/{o['metadata']['name']}": o["metadata"]["resourceVersion"]
            for o in json.loads(text)["items"]
        }

    def quiet() -> bool:
        before = versions()
        time.sleep(10)
        return versions() == before

    space.wait("a settled world", quiet)


def traces(cluster: Cluster) -> list[str]:
    """Whatever of ours lies outside of namespaces."""
    kinds = (
        "customresourcedefinitions,clusterroles,clusterrolebindings,priorityclasses,"
        "validatingadmissionpolicies,validatingadmissionpolicybindings,namespaces"
    )
    return [name for name in cluster.kubectl("get", kinds, "-o", "name").split() if "inferfleet" in name]


def refused(cluster: Cluster, *arguments: str) -> str:
    """The words with which kubectl failed; a command that works fails the story."""
    try:
        said = cluster.kubectl(*arguments)
    except ClusterError as error:
        return str(error)
    pytest.fail(f"kubectl {' '.join(arguments)} was not refused: {said}")
