"""The first process of a node: mounts, then keeps the components of the cluster running. Writes.

Runs as PID 1 of the node's own PID, mount and network namespaces. The kernel kills everything in them
(components, shims, pods) when this process dies and takes mounts, interfaces and routes away with it, so
that one kill undoes a node. Standard library only: it is started outside any virtual environment's care.

`components.json` in the state folder says what to run and is read again when it changes; `status.json` says
what runs.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TICK_SECONDS = 0.2
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 10.0
STEADY_SECONDS = 60.0
"""A component that ran this long is restarted without back-off."""

BINDS = {
    "kubelet": "/var/lib/kubelet",  # device plug-in sockets are there whatever --root-dir says
    "cni": "/var/lib/cni",
    "log/pods": "/var/log/pods",
    "log/containers": "/var/log/containers",
}
"""Folders of the state folder that take a fixed place in the node's mount namespace."""


@dataclass
class Component:
    """One program to keep running, and how that went."""

    name: str
    argv: list[str]
    after: str
    """`host:port` that must accept connections before the first start; empty for at once."""
    pid: int = 0
    started: float = 0.0
    restarts: int = -1
    backoff: float = FIRST_BACKOFF_SECONDS
    not_before: float = 0.0
    env: dict[str, str] = field(default_factory=dict)


class Supervisor:
    """Starts, reaps and restarts. The only state of the node besides files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[int, int] = (0, 0)
        self._components: dict[str, Component] = {}

    def tick(self, now: float) -> None:
        """Everything that is due now."""
        changed = self._read(now)
        changed |= self._reap(now)
        for component in self._components.values():
            if component.pid == 0 and now >= component.not_before and _open(component.after):
                self._start(component, now)
                changed = True
        if changed:
            self._report()

    def _read(self, now: float) -> bool:
        try:
            stat = (self._folder / "components.json").stat()
            if (stat.st_mtime_ns, stat.st_ino) == self._seen:
                return False
            wanted = json.loads((self._folder / "components.json").read_text())
        except FileNotFoundError:
            return False
        self._seen = (stat.st_mtime_ns, stat.st_ino)
        for name in list(self._components):
            if name not in wanted or not _same(self._components[name], wanted[name]):
                _stop(self._components.pop(name))
        for name, entry in wanted.items():
            self._components.setdefault(name, Component(name, not_before=now, **entry))
        return True

    def _reap(self, now: float) -> bool:
        ended = set()
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            ended.add(pid)
        dead = [component for component in self._components.values() if component.pid in ended]
        for component in dead:
            component.pid = 0
            steady = now - component.started > STEADY_SECONDS
            component.backoff = FIRST_BACKOFF_SECONDS if steady else min(component.backoff * 2, LONGEST_BACKOFF_SECONDS)
            component.not_before = now + component.backoff
        return bool(dead)

    def _start(self, component: Component, now: float) -> None:
        log = str(self._folder / "log" / f"{component.name}.log")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        component.pid = os.posix_spawnp(
            component.argv[0],
            component.argv,
            {**os.environ, **component.env},
            file_actions=[(os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644), (os.POSIX_SPAWN_DUP2, 1, 2)],
            setsigmask=(),  # the mask of PID 1 would be inherited
            setsid=True,
        )
        component.started = now
        component.restarts += 1

    def _report(self) -> None:
        status: dict[str, Any] = {
            name: {"running": component.pid != 0, "restarts": max(component.restarts, 0)}
            for name, component in self._components.items()
        }
        scratch = self._folder / "status.json.new"
        scratch.write_text(json.dumps(status))
        scratch.rename(self._folder / "status.json")


def mount(folder: Path) -> None:
    """Give the node its own /run and its own copies of the fixed folders of Kubernetes."""
    # Shared within the node only: unshare made everything private before, so nothing travels to the host.
    _call("mount", "--make-rshared", "/")
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "node", "/run")
    Path("/run/lock").mkdir()
    for source, target in BINDS.items():
        Path(target).mkdir(parents=True, exist_ok=True)
        _call("mount", "--bind", str(folder / source), target)


def main(folder: Path, hostname: str) -> None:
    """Never returns."""
    mount(folder)
    socket.sethostname(hostname)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")  # of this network namespace alone
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    supervisor = Supervisor(folder)
    while True:
        supervisor.tick(time.monotonic())
        signal.sigtimedwait({signal.SIGCHLD}, TICK_SECONDS)


def _same(component: Component, entry: dict[str, Any]) -> bool:
    return bool(component.argv == entry["argv"]) and component.env == entry.get("env", {})


def _open(address: str) -> bool:
    if not address:
        return True
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=0.2):
            return True
    except OSError:
        return False


def _stop(component: Component) -> None:
    if component.pid:
        os.kill(component.pid, signal.SIGTERM)


def _call(*argv: str) -> None:
    subprocess.run(argv, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
