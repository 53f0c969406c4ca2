"""Programs and files that this machine must have, and the Debian packages that bring them. Writes."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.shell import ClusterError, Say, locked, run, say

LOCK = Path("/run/inferfleet/apt.lock")
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
"""Waits for whoever installs something else at the same time."""
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))


@dataclass(frozen=True)
class Need:
    """One program on PATH, or one of several files, and the Debian package that has it."""

    package: str
    program: str = ""
    files: tuple[Path, ...] = ()

    def met(self) -> bool:
        """Reads PATH and the file system."""
        return bool(self.program and shutil.which(self.program)) or any(file.exists() for file in self.files)


NODE = (
    Need("iproute2", "ip"),
    Need("util-linux", "unshare"),
    Need("util-linux", "nsenter"),
    Need("mount", "mount"),
    Need("iptables", "iptables"),
    Need("openssl", "openssl"),
    Need("containernetworking-plugins", files=tuple(folder / "ptp" for folder in CNI_FOLDERS)),
)
"""What the one-node cluster runs with."""

CGO = (
    Need("gcc", "gcc"),
    Need("libc6-dev", files=(Path("/usr/include/stdlib.h"),)),  # gcc only recommends it
    Need("pkg-config", "pkg-config"),
    Need("libseccomp-dev", files=(Path("/usr/include/seccomp.h"),)),
)
"""What building runc needs: the only one of the components written partly in C."""

IMAGES = (Need("buildah", "buildah"), Need("debootstrap", "debootstrap"))
"""What building images needs."""


def missing(needs: Sequence[Need]) -> list[str]:
    """Packages to install, each once, in order. Reads."""
    return list(dict.fromkeys(need.package for need in needs if not need.met()))


def ensure(needs: Sequence[Need], *, say: Say = say) -> None:
    """Install what is missing when that is possible (root, apt-get); otherwise say the exact command."""
    packages = missing(needs)
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ClusterError(
            f"missing on this machine: {', '.join(packages)}. On Debian or Ubuntu: "
            f"sudo apt-get install --yes --no-install-recommends {' '.join(packages)}"
        )
    with locked(LOCK):
        if packages := missing(needs):  # another process may have brought them while this one waited
            _install(packages, say)
    still = missing(needs)
    if still:
        raise ClusterError(f"apt-get installed {', '.join(still)}, but what they should bring is not there")


def _install(packages: Sequence[str], say: Say) -> None:
    say(f"installing {', '.join(packages)} with apt-get")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run([*APT, "update"], env=env)
    run([*APT, "install", "--yes", "--no-install-recommends", *packages], env=env)


def cni_folder() -> Path:
    """Where the CNI plug-ins are. Reads; call `ensure(NODE)` first."""
    for folder in CNI_FOLDERS:
        if (folder / "ptp").exists():
            return folder
    raise ClusterError("no CNI plug-ins found in " + ", ".join(map(str, CNI_FOLDERS)))
