"""The parent cgroup of a cluster's pods, in every hierarchy that is mounted. Writes, as root."""

import os
import time
from pathlib import Path

from e2e.cluster.shell import ClusterError

ROOT = Path("/sys/fs/cgroup")
GONE_SECONDS = 15.0


def hierarchies(root: Path = ROOT) -> list[Path]:
    """Mounted hierarchies: the root itself for v2, else one folder per v1 controller. Reads."""
    if (root / "cgroup.controllers").exists():
        return [root]
    return [folder for folder in sorted(root.iterdir()) if folder.is_dir() and not folder.is_symlink()]


def ensure(name: str, root: Path = ROOT) -> None:
    """Make the cgroup everywhere; the kubelet refuses a `cgroupRoot` that is missing in one of them."""
    for hierarchy in hierarchies(root):
        folder = hierarchy / name
        folder.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new v1 cpuset: no process could enter
            if (folder / setting).exists() and not (folder / setting).read_text().strip():
                (folder / setting).write_text((hierarchy / setting).read_text())


def remove(name: str, root: Path = ROOT) -> None:
    """Remove the cgroup and all below it; ClusterError if processes stay in it."""
    deadline = time.monotonic() + GONE_SECONDS
    while left := [hierarchy / name for hierarchy in hierarchies(root) if not _removed(hierarchy / name)]:
        if time.monotonic() > deadline:
            raise ClusterError(f"could not remove the cgroups {', '.join(map(str, left))}: processes are still in them")
        time.sleep(0.05)


def _removed(top: Path) -> bool:
    if not top.exists():
        return True
    try:
        for folder, _, _ in os.walk(top, topdown=False):
            Path(folder).rmdir()
    except OSError:  # busy: a killed process has not left yet
        return False
    return True
