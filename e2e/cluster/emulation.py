"""Programs of another architecture on this machine: qemu, put before them by the kernel's binfmt_misc. Writes.

The kernel's format: https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

from pathlib import Path

from e2e.cluster import host
from e2e.cluster.oci import MACHINES, native
from e2e.cluster.shell import ClusterError, Say, run, say

KERNEL = Path("/proc/sys/fs/binfmt_misc")
SETTINGS = Path("/usr/lib/binfmt.d")
"""Where Debian's qemu-user-static says how each of its programs is registered."""
FIXED = "F"
"""The kernel keeps qemu open from its registration on: a tree that has no qemu runs too."""


def ensure(architecture: str, *, say: Say = say) -> None:
    """Make this machine run programs of `architecture`, until it restarts. Needs root unless it does already."""
    if architecture == native():
        return
    if not (KERNEL / "register").exists():
        run(["mount", "-t", "binfmt_misc", "binfmt_misc", KERNEL])
    entry = KERNEL / f"qemu-{MACHINES[architecture]}"
    if not entry.exists():
        _register(entry.name, say)
    check(entry.read_text(), architecture)


def check(entry: str, architecture: str) -> None:
    """Refuse what the kernel says of a registration if programs in a tree of their own would not run. Pure."""
    lines = entry.splitlines()
    flags = next((line.removeprefix("flags:") for line in lines if line.startswith("flags:")), "")
    if "enabled" not in lines or FIXED not in flags:
        name = KERNEL / f"qemu-{MACHINES[architecture]}"
        raise ClusterError(
            f"{name} is disabled or lacks the flag {FIXED}, so no tree of {architecture} can run here: "
            f"`echo -1 > {name}` removes it, and the next attempt registers Debian's"
        )


def _register(name: str, say: Say) -> None:
    host.ensure((host.Need("qemu-user-static", f"{name}-static"),), say=say)
    settings = SETTINGS / f"{name}.conf"
    if not settings.exists():
        raise ClusterError(f"{settings}: not there, so how {name} is registered is not known; register it by hand")
    if not (KERNEL / name).exists():  # the package may have
        say(f"registering {name} with the kernel")
        (KERNEL / "register").write_text(settings.read_text())
