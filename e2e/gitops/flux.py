"""Flux's source-controller and kustomize-controller on a cluster: images, kinds, permissions. Writes.

Both are built from Go modules as the cluster's own binaries are; an image is nothing but the static binary. Their
kinds come from the very modules that were built.
"""

import json
import time
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from e2e.cluster import binaries, oci, provider
from e2e.cluster.provider import Cluster
from e2e.cluster.shell import ClusterError, Say, run, say

CONTROLLERS = ("source-controller", "kustomize-controller")
NAMESPACE = "flux-system"
MANIFEST = Path(__file__).parent / "flux.yaml"
OWNED = ("kustomizations.kustomize.toolkit.fluxcd.io", "gitrepositories.source.toolkit.fluxcd.io")
"""What users make of Flux's kinds here, in the order in which it must go: a Kustomization prunes while its source is
there."""
KNOWN_SECONDS = 60.0


def install(cluster: Cluster, say: Say = say) -> None:
    """Both controllers, waiting until they are up; what is installed already stays."""
    for name, binary in binaries.ensure(CONTROLLERS, say=say).items():
        _load(cluster, name, binary, say)
    say("installing Flux's source-controller and kustomize-controller")
    for name in CONTROLLERS:
        _apply(cluster, str(kinds(name)))
    _wait_for_kinds(cluster)
    _apply(cluster, str(MANIFEST))
    for name in CONTROLLERS:
        cluster.kubectl("--namespace", NAMESPACE, "rollout", "status", f"deployment/{name}", "--timeout=180s")


def remove(cluster: Cluster) -> None:
    """All of Flux, and what it owns first. Fine when there is nothing of it."""
    for kind in OWNED:
        if cluster.kubectl("get", "crd", kind, "--ignore-not-found", "-o", "name"):
            cluster.kubectl("delete", kind, "--all", "--all-namespaces", "--timeout=180s")
    cluster.kubectl("delete", "--ignore-not-found", "-f", str(MANIFEST), "--timeout=180s")
    for name in CONTROLLERS:
        cluster.kubectl("delete", "--ignore-not-found", "-f", str(kinds(name)), "--timeout=60s")


def kinds(controller: str) -> Path:
    """The folder of a controller's CustomResourceDefinitions, in its Go module."""
    module = binaries.MODULES / controller
    found = run(["go", "mod", "download", "-json", f"github.com/fluxcd/{controller}"], cwd=module)
    return Path(json.loads(found)["Dir"]) / "config" / "crd" / "bases"


def _load(cluster: Cluster, name: str, binary: Path, say: Say) -> None:
    with TemporaryDirectory(dir=cluster.state) as scratch:
        archive, inside = Path(scratch) / f"{name}.tar", PurePosixPath("/") / name
        oci.write_archive(
            archive, f"inferfleet.local/flux/{name}:e2e", [oci.File(inside, binary, 0o755)], [str(inside)]
        )
        provider.load(cluster, archive, say=say)


def _wait_for_kinds(cluster: Cluster) -> None:
    """Not `kubectl wait`, nor a JSONPath: both fail on a definition whose conditions are still null."""
    deadline = time.monotonic() + KNOWN_SECONDS
    while not all(_established(cluster, kind) for kind in OWNED):
        if time.monotonic() > deadline:
            raise ClusterError(f"the API server does not serve {', '.join(OWNED)} after {KNOWN_SECONDS:.0f} s")
        time.sleep(0.2)


def _established(cluster: Cluster, kind: str) -> bool:
    status = json.loads(cluster.kubectl("get", "crd", kind, "-o", "json")).get("status", {})
    return any(c["type"] == "Established" and c["status"] == "True" for c in status.get("conditions") or ())


def _apply(cluster: Cluster, path: str) -> None:
    # Flux's kinds are too long for the annotation of a client-side apply.
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", path)
