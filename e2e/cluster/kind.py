"""Clusters made by kind on a Docker or Podman engine. Writes.

Not exercised where this was written (no container engine there): the commands follow kind's documentation,
https://kind.sigs.k8s.io/docs/user/quick-start/.
"""

import shutil
from pathlib import Path

from e2e.cluster.shell import Say, run, say, succeeds


def usable() -> bool:
    """Whether `kind` is on PATH and an engine answers it. Reads."""
    engine = any(shutil.which(name) and succeeds([name, "info"]) for name in ("docker", "podman"))
    return engine and shutil.which("kind") is not None


def up(name: str, kubeconfig: Path, *, say: Say = say) -> None:
    """Make the cluster if there is none of that name, and write its kubeconfig."""
    present = run(["kind", "get", "clusters"]).split()
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    if name in present:
        run(["kind", "export", "kubeconfig", "--name", name, "--kubeconfig", kubeconfig])
        return
    say(f"creating kind cluster {name}")
    run(["kind", "create", "cluster", "--name", name, "--kubeconfig", kubeconfig, "--wait", "180s"])


def down(name: str, kubeconfig: Path, *, say: Say = say) -> None:
    """Delete the cluster; fine when there is none."""
    say(f"deleting kind cluster {name}")
    run(["kind", "delete", "cluster", "--name", name, "--kubeconfig", kubeconfig])
    kubeconfig.unlink(missing_ok=True)


def load(name: str, archive: Path) -> None:
    """Put the image of an OCI archive on the nodes."""
    run(["kind", "load", "image-archive", str(archive), "--name", name])
