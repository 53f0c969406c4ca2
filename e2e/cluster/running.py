"""A local cluster that was started: its record, its state, and commands run on it. Reads and writes."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from e2e.cluster import node, oci, processes, spec
from e2e.cluster.components import components
from e2e.cluster.shell import ClusterError, Say, run, say, succeeds
from e2e.cluster.spec import NODE, ClusterSpec


def load_spec(folder: Path) -> ClusterSpec:
    """The cluster of a state folder; ClusterError if there is none."""
    try:
        return spec.from_json((folder / "cluster.json").read_text(), folder)
    except FileNotFoundError as missing:
        raise ClusterError(f"{folder}: no cluster here; make one with `python -m e2e.cluster up`") from missing


def pid_file(cluster: ClusterSpec) -> Path:
    """Records the process that holds the node's namespaces."""
    return cluster.folder / "node.pid"


def holder(cluster: ClusterSpec) -> processes.Process | None:
    """The process that holds the node's namespaces, if the node runs. Reads."""
    return processes.recorded(pid_file(cluster))


def status(cluster: ClusterSpec) -> Mapping[str, Mapping[str, int]]:
    """Per component whether it runs and how often it was restarted; empty when the node is down. Reads."""
    if holder(cluster) is None:
        return {}
    try:
        found: dict[str, dict[str, int]] = json.loads((cluster.folder / "status.json").read_text())
    except FileNotFoundError:
        return {}
    return found


def has_kwok(cluster: ClusterSpec) -> bool:
    """Whether the cluster was started with simulated nodes. Reads."""
    file = cluster.folder / "components.json"
    return file.exists() and "kwok" in json.loads(file.read_text())


def not_running(cluster: ClusterSpec) -> list[str]:
    """Components that should run and do not. Reads."""
    found = status(cluster)
    wanted = components(cluster, kwok=has_kwok(cluster))
    return [component.name for component in wanted if not found.get(component.name, {}).get("running")]


def healthy(cluster: ClusterSpec) -> bool:
    """Whether all components run, the API server is ready and so is the node. Reads."""
    return not not_running(cluster) and api_ready(cluster) and _node_ready(cluster)


def api_ready(cluster: ClusterSpec) -> bool:
    """Whether the API server says so itself. Reads."""
    return succeeds([*_kubectl(cluster), "get", "--raw", "/readyz"])


def containerd_ready(cluster: ClusterSpec) -> bool:
    """Whether containerd answers. Reads."""
    return succeeds([*_ctr(cluster), "version"])


def kubectl(cluster: ClusterSpec, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl as the administrator and return what it printed."""
    return run([*_kubectl(cluster), *arguments], stdin=stdin)


def load(cluster: ClusterSpec, archive: Path, *, say: Say = say) -> str:
    """Import an OCI archive unless the node has that very image; returns the image's name."""
    name, digest = oci.identify(archive)
    if f" {digest} " not in run([*_ctr(cluster), "images", "list", f"name=={name}"]):
        say(f"loading {name}")
        run([*_ctr(cluster), "images", "import", str(archive.resolve())])
    return name


def tag(cluster: ClusterSpec, name: str, alias: str) -> None:
    """Give an image of the node another name, too."""
    run([*_ctr(cluster), "images", "tag", "--force", name, alias])


def _node_ready(cluster: ClusterSpec) -> bool:
    path = "{.status.conditions[?(@.type=='Ready')].status}"
    ready = kubectl(cluster, "get", "node", NODE, "--ignore-not-found", "-o", f"jsonpath={path}") == "True"
    return ready and _renewed(cluster)


def _renewed(cluster: ClusterSpec) -> bool:
    """Whether the kubelet reported since the node started: after a restart, Ready is the old node's word."""
    lease = ["get", "lease", NODE, "--namespace", "kube-node-lease", "--ignore-not-found"]
    renewed = kubectl(cluster, *lease, "-o", "jsonpath={.spec.renewTime}")
    started = pid_file(cluster).stat().st_mtime
    return bool(renewed) and datetime.fromisoformat(renewed).timestamp() > started


def _kubectl(cluster: ClusterSpec) -> list[str]:
    return [str(cluster.bin / "kubectl"), "--kubeconfig", str(cluster.kubeconfig)]


def _ctr(cluster: ClusterSpec) -> list[str]:
    process = holder(cluster)
    if process is None:
        raise ClusterError(
            f"cluster {cluster.name} is not running; start it with `python -m e2e.cluster up --name {cluster.name}`"
        )
    # containerd's socket is in the node's own /run.
    enter = ["nsenter", "--target", str(process.pid), "--mount", "--"]
    return [*enter, str(cluster.bin / "ctr"), "--address", node.SOCKET, "--namespace", "k8s.io"]
