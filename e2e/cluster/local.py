"""A real one-node Kubernetes from binaries, without Docker: up and down. Writes, as root on Linux.

The node is one tree of processes in its own PID, mount and network namespaces (`node_init.py` is its first).
Everything `up` does is done only if it is not done yet, so that it also repairs a cluster whose start was
interrupted; a node whose first process died is started again on the state that is there.
"""

import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from e2e.cluster import binaries, cgroups, host, network, node, node_init, oci, pki, processes, registry, running, spec
from e2e.cluster.components import BINARIES, components
from e2e.cluster.shell import ClusterError, Say, locked, say
from e2e.cluster.spec import API_PORT, NODE, ClusterSpec

BOOTSTRAP = Path(__file__).parent / "bootstrap.yaml"
READY_SECONDS = 180.0
HOST_LOCK = Path("/run/inferfleet.lock")
LONGEST_FOLDER = 200
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Request:
    """What the user asked for; None leaves the choice to us."""

    name: str
    folder: Path
    """Absolute; new, empty or of a cluster."""
    network: IPv4Network | None = None
    api_port: int | None = None
    bin_dir: Path | None = None
    kwok: bool = False


def up(request: Request, *, environ: Mapping[str, str] = os.environ, say: Say = say) -> ClusterSpec:
    """Make the cluster run with a Ready node; at once if it does. ClusterError says why not."""
    _check_machine(request)
    request.folder.mkdir(parents=True, exist_ok=True)
    host.ensure(host.NODE, say=say)  # before the first `ip`; milliseconds when all is there
    with locked(request.folder / "lock"):
        cluster = settle(request, say)
        kwok = request.kwok or running.has_kwok(cluster)
        if kwok == running.has_kwok(cluster) and running.healthy(cluster):
            return cluster
        _link_binaries(cluster, request, kwok=kwok, environ=environ, say=say)
        pki.ensure(cluster)
        node.write(cluster, host.cni_folder(), _host_resolv_conf())
        say(f"starting cluster {cluster.name} ({cluster.server})")
        _start(cluster, kwok=kwok)
        _wait_ready(cluster)
    return cluster


def down(folder: Path, *, say: Say = say) -> None:
    """Remove the cluster of a state folder and all it put on this machine. Fine when there is none."""
    if not (folder / "cluster.json").exists():  # never remove a folder that is not ours
        if lost := registry.lost(folder):
            _check_root()
            _remove_node(lost, say)
        return
    _check_root()
    with locked(folder / "lock"):
        if not (folder / "cluster.json").exists():  # another `down` was faster
            return
        _remove_node(running.load_spec(folder), say)
        _remove_state(folder)


def _remove_node(cluster: ClusterSpec, say: Say) -> None:
    """All that is outside of the state folder."""
    if process := running.holder(cluster) or registry.holder(cluster):
        say(f"stopping cluster {cluster.name}")
        processes.kill(process)
    network.remove(cluster)
    cgroups.remove(cluster.cgroup)
    registry.forget(cluster)


def _remove_state(folder: Path) -> None:
    """Remove a state folder; its record last, so that an interrupted `down` can be repeated."""
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name not in ("cluster.json", "lock"):
            entry.unlink()
    shutil.rmtree(folder)


def _check_machine(request: Request) -> None:
    if platform.system() != "Linux":
        raise ClusterError("the local cluster needs Linux; elsewhere use kind, or INFERFLEET_CLUSTER=existing")
    _check_root()
    spec.check_name(request.name)
    if len(str(request.folder)) > LONGEST_FOLDER or any(c in str(request.folder) for c in "\"'\\ "):
        raise ClusterError(f"{request.folder}: the state folder must be short and without blanks; choose one by --dir")
    ours = {"cluster.json", "cluster.json.new", "lock"}
    present = {entry.name for entry in request.folder.iterdir()} if request.folder.exists() else set()
    if "cluster.json" not in present and not present <= ours:
        raise ClusterError(f"{request.folder}: not empty and not a cluster's; choose another by --dir")


def _check_root() -> None:
    if os.geteuid() != 0:
        raise ClusterError("the local cluster needs root (namespaces, mounts, iptables): use sudo, or kind")


def settle(request: Request, say: Say) -> ClusterSpec:
    """The recorded cluster, or a new one with a network of its own."""
    if (request.folder / "cluster.json").exists():
        cluster = running.load_spec(request.folder)
        if request.network not in (None, cluster.network):
            raise ClusterError(f"{cluster.name} runs on {cluster.network}; take it down first to move it")
        if request.api_port not in (None, cluster.api_port):
            raise ClusterError(f"{cluster.name} has its API server on port {cluster.api_port}; take it down first")
        return cluster
    if lost := registry.lost(request.folder):
        _remove_node(lost, say)
    with locked(HOST_LOCK):  # two new clusters must not settle on one network
        # The registry ends with the boot, the records beside this one do not.
        recorded = [running.load_spec(file.parent).network for file in request.folder.parent.glob("*/cluster.json")]
        chosen = request.network or spec.free_network([*network.routed(), *registry.networks(), *recorded])
        cluster = ClusterSpec(request.name, request.folder, chosen, request.api_port or API_PORT)
        registry.record(cluster, None)
        _replace(request.folder / "cluster.json", spec.to_json(cluster))
    return cluster


def _link_binaries(cluster: ClusterSpec, request: Request, *, kwok: bool, environ: Mapping[str, str], say: Say) -> None:
    names = [*BINARIES, "kwok"] if kwok else BINARIES
    cluster.bin.mkdir(exist_ok=True)
    for name, path in binaries.ensure(names, bin_path=request.bin_dir, environ=environ, say=say).items():
        link = cluster.bin / name
        if not link.is_symlink() or link.readlink() != path:
            link.unlink(missing_ok=True)
            link.symlink_to(path)


def _start(cluster: ClusterSpec, *, kwok: bool) -> None:
    process = running.holder(cluster)
    if process is None:
        for name in ("components.json", "status.json"):
            (cluster.folder / name).unlink(missing_ok=True)
        process = _start_node(cluster)
    registry.record(cluster, process)
    network.ensure(cluster, process)
    wanted = {c.name: {"argv": list(c.argv), "after": c.after} for c in components(cluster, kwok=kwok)}
    _replace(cluster.folder / "components.json", json.dumps(wanted, indent=2))


def _start_node(cluster: ClusterSpec) -> processes.Process:
    # Left by a node that was killed: the kubelet would wait three seconds for each of its containers.
    cgroups.remove(cluster.cgroup)
    cgroups.ensure(cluster.cgroup)
    for name in ("log", *node_init.BINDS):
        (cluster.folder / name).mkdir(parents=True, exist_ok=True)
    namespaces = ["--mount", "--net", "--pid", "--uts", "--ipc"]
    unshare = ["unshare", *namespaces, "--fork", "--kill-child", "--mount-proc"]
    init = [sys.executable, "-I", node_init.__file__, str(cluster.folder), NODE]
    argv = ["env", "-i", f"PATH={cluster.bin}:{SYSTEM_PATH}", "LANG=C.UTF-8", *unshare, *init]
    process = processes.spawn(argv, running.pid_file(cluster), cluster.logs / "node.log")
    _wait_unshared(process, cluster)
    return process


def _wait_unshared(process: processes.Process, cluster: ClusterSpec) -> None:
    ours = Path("/proc/self/ns/net").readlink()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.alive():
        if Path(f"/proc/{process.pid}/ns/net").readlink() != ours:
            return
        time.sleep(0.01)
    raise ClusterError(f"the node did not get its namespaces; see {cluster.logs}/node.log")


def _wait_ready(cluster: ClusterSpec) -> None:
    _wait(cluster, "the API server", running.api_ready)
    _wait(cluster, "containerd", running.containerd_ready)
    _load_pause_image(cluster)
    _bootstrap(cluster)
    _wait(cluster, "the node", running.healthy)


def _wait(cluster: ClusterSpec, what: str, ready: Callable[[ClusterSpec], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready(cluster):
        if running.holder(cluster) is None:
            raise ClusterError(f"the node ended while waiting for {what}; see {cluster.logs}/node.log")
        if time.monotonic() > deadline:
            raise ClusterError(_diagnosis(cluster, what))
        time.sleep(0.1)


def _load_pause_image(cluster: ClusterSpec) -> None:
    with TemporaryDirectory(dir=cluster.folder) as scratch:
        pause = oci.File(PurePosixPath("/pause"), cluster.bin / "pause", 0o755)
        oci.write_archive(Path(scratch) / "pause.tar", node.PAUSE, [pause], ["/pause"])
        running.load(cluster, Path(scratch) / "pause.tar", say=lambda _: None)


def _bootstrap(cluster: ClusterSpec) -> None:
    values = {"DNS_SERVICE": str(cluster.dns_service), "NODE_ADDRESS": str(cluster.node_address)}
    text = BOOTSTRAP.read_text()
    for name, value in values.items():
        text = text.replace(name, value)
    running.kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


def _diagnosis(cluster: ClusterSpec, what: str) -> str:
    lines = [f"{what} did not become ready in {READY_SECONDS:.0f} s; logs are in {cluster.logs}"]
    for name in running.not_running(cluster):
        log = cluster.logs / f"{name}.log"
        last = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
        lines += [f"{name} is not running; the end of {log}:", *(f"  {line}" for line in last)]
    return "\n".join(lines)


def _replace(path: Path, text: str) -> None:
    scratch = path.with_name(f"{path.name}.new")
    scratch.write_text(text)
    scratch.rename(path)


def _host_resolv_conf() -> str:
    # systemd-resolved writes the real servers beside its loopback stub.
    for file in (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")):
        if file.exists():
            return file.read_text()
    return ""
