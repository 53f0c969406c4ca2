"""Cutting the operator off from some pods, for a while. Writes: routes in the network namespaces of its pods.

Only on a cluster of this machine, whose pods are processes here.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from e2e import install
from e2e.cluster.provider import Cluster
from e2e.cluster.shell import run, succeeds


@contextmanager
def cut_off(cluster: Cluster, addresses: Iterable[str]) -> Iterator[None]:
    """The operator gets no answer from these addresses, and everybody else does."""
    system = ("--namespace", install.SYSTEM, "-o", "jsonpath={.items[*].metadata.uid}")
    pods = cluster.kubectl("get", "pods", *system).split()
    with ExitStack() as ends:
        for pid in (pid for pod in pods for pid in _processes(pod)[:1]):
            for address in addresses:
                route = ["nsenter", "-t", str(pid), "-n", "ip", "route"]
                run([*route, "add", "blackhole", f"{address}/32"])
                ends.callback(succeeds, [*route, "del", "blackhole", f"{address}/32"])
        yield


def _processes(pod: str) -> list[int]:
    """Of a pod on this machine, by its uid."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and f"pod{pod}" in (folder / "cgroup").read_text():
                found.append(int(folder.name))
        except OSError:  # it ended meanwhile
            continue
    return sorted(found)
