"""Clusters made by kind on a Docker or Podman engine. Writes.

Not exercised where this was written (no container engine there): the commands follow kind's documentation,
https://kind.sigs.k8s.io/docs/user/quick-start/. The kubeconfig in the state folder marks a cluster as made here:
one of the same name without it is somebody else's and is neither used nor deleted.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from e2e.cluster.shell import ClusterError, Say, run, say, succeeds

IMAGE_VARIABLE = "INFERFLEET_KIND_IMAGE"
NODE_IMAGE = "kindest/node:v1.36.1@sha256:3489c7674813ba5d8b1a9977baea8a6e553784dab7b84759d1014dbd78f7ebd5"
"""The default of kind v0.32.0, named so that every version of kind makes the local cluster's minor version."""


def usable() -> bool:
    """Whether `kind` is on PATH and an engine answers it. Reads."""
    engine = any(shutil.which(name) and succeeds([name, "info"]) for name in ("docker", "podman"))
    return engine and shutil.which("kind") is not None


def node_image(environ: Mapping[str, str]) -> str:
    """The node's image: $INFERFLEET_KIND_IMAGE, or a Kubernetes 1.36. Pure."""
    return environ.get(IMAGE_VARIABLE) or NODE_IMAGE


def up(name: str, kubeconfig: Path, image: str = NODE_IMAGE, *, say: Say = say) -> None:
    """Make the cluster if there is none, and write its kubeconfig; ClusterError if the name is taken."""
    present = name in run(["kind", "get", "clusters"]).split()
    if present and not kubeconfig.exists():
        raise ClusterError(
            f"a kind cluster named {name} exists and was not made here: choose another --name, "
            f"or remove it with `kind delete cluster --name {name}`"
        )
    if present and kubeconfig.stat().st_size:
        run(["kind", "export", "kubeconfig", "--name", name, "--kubeconfig", kubeconfig])
        return
    if present:  # an interrupted creation
        run(["kind", "delete", "cluster", "--name", name, "--kubeconfig", kubeconfig])
    say(f"creating kind cluster {name}")
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    kubeconfig.write_text("")  # from here on a cluster of this name is ours
    where: list[str | Path] = ["--name", name, "--image", image, "--kubeconfig", kubeconfig]
    run(["kind", "create", "cluster", *where, "--wait", "180s"])


def down(name: str, kubeconfig: Path, *, say: Say = say) -> None:
    """Delete the cluster that `up` made; fine when there is none."""
    if not kubeconfig.exists():
        return
    say(f"deleting kind cluster {name}")
    run(["kind", "delete", "cluster", "--name", name, "--kubeconfig", kubeconfig])
    kubeconfig.unlink(missing_ok=True)


def load(name: str, archive: Path) -> None:
    """Put the image of an OCI archive on the nodes."""
    run(["kind", "load", "image-archive", str(archive), "--name", name])
