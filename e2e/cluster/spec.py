"""What one local cluster is: its name, folder and addresses. Pure."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from e2e.cluster.shell import ClusterError

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
NODE = "node-1"
API_PORT = 6443
"""Of the API server, inside the node's own network."""
CANDIDATES = tuple(
    [IPv4Network(f"10.{n}.0.0/16") for n in range(90, 120)] + [IPv4Network(f"172.{n}.0.0/16") for n in range(20, 32)]
)
"""Networks that a cluster may take, in order."""


@dataclass(frozen=True)
class ClusterSpec:
    """One cluster. All its addresses lie in one /16: one route and one masquerade rule for the host."""

    name: str
    folder: Path
    """State, absolute; removed by `down`."""
    network: IPv4Network
    api_port: int = API_PORT

    @cached_property
    def pods(self) -> IPv4Network:
        """The lower half; real pods live in its first /24, those of simulated nodes in the second."""
        return next(self.network.subnets(prefixlen_diff=1))

    @property
    def node_pods(self) -> IPv4Network:
        """Pods of the real node."""
        return next(self.pods.subnets(new_prefix=24))

    @property
    def simulated_pods(self) -> IPv4Network:
        """Pods of kwok's nodes: addresses that nothing answers on."""
        return self._part(1, 24)

    @property
    def services(self) -> IPv4Network:
        """ClusterIPs."""
        return self._part(2, 18)

    @property
    def link(self) -> IPv4Network:
        """The veth pair between host and node."""
        return self._part(192 * 64, 30)

    def _part(self, index: int, prefix: int) -> IPv4Network:
        size = 2 ** (32 - prefix)
        return IPv4Network((int(self.network.network_address) + index * size, prefix))

    @property
    def host_address(self) -> IPv4Address:
        """The host's end of the link: the node's default gateway."""
        return self.link[1]

    @property
    def node_address(self) -> IPv4Address:
        """The node's end: API server, kubelet and DNS listen here."""
        return self.link[2]

    @property
    def api_service(self) -> IPv4Address:
        """The `kubernetes` Service; by Kubernetes' rule the first of the range."""
        return self.services[1]

    @property
    def dns_service(self) -> IPv4Address:
        """The `kube-dns` Service; the tenth by convention."""
        return self.services[10]

    @property
    def server(self) -> str:
        """URL of the API server, reachable from the host."""
        return f"https://{self.node_address}:{self.api_port}"

    @property
    def identity(self) -> str:
        """Differs between clusters of the same name in different folders."""
        return identify(self.folder)

    @property
    def link_name(self) -> str:
        """The host's end of the veth pair; the kernel allows 15 characters."""
        return f"ifleet-{self.identity}"

    @property
    def cgroup(self) -> str:
        """Parent of the cgroups of this cluster's pods, so that two kubelets do not tidy up each other's."""
        return f"inferfleet-{self.name}-{self.identity}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "pki" / "admin.kubeconfig"

    @property
    def bin(self) -> Path:
        """Links to every binary of the cluster."""
        return self.folder / "bin"

    @property
    def logs(self) -> Path:
        """One file per component."""
        return self.folder / "log"


def identify(folder: Path) -> str:
    """Of the cluster in a state folder; eight hex digits."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:8]


def check_name(name: str) -> str:
    """The name itself; ClusterError if it cannot be one."""
    if not NAME.fullmatch(name):
        raise ClusterError(f"{name!r} cannot name a cluster: use up to 40 lower-case letters, digits and inner hyphens")
    return name


def free_network(taken: Iterable[IPv4Network]) -> IPv4Network:
    """The first candidate that overlaps nothing which the host can already reach."""
    used = list(taken)
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(network) for network in used):
            return candidate
    raise ClusterError(
        "every network that a cluster may take overlaps a route of this host; name a free /16 by --network"
    )


def check_network(text: str) -> IPv4Network:
    """A /16 given by the user; ClusterError if it is none."""
    try:
        network = IPv4Network(text)
    except ValueError as wrong:
        raise ClusterError(f"--network {text}: {wrong}") from wrong
    if network.prefixlen != 16:
        raise ClusterError(f"--network {text}: a /16 is needed, such as 10.90.0.0/16")
    return network


def to_json(spec: ClusterSpec) -> str:
    """What `cluster.json` holds; the folder is where the file lies."""
    return json.dumps({"name": spec.name, "network": str(spec.network), "apiPort": spec.api_port}, indent=2) + "\n"


def from_json(text: str, folder: Path) -> ClusterSpec:
    """The inverse of `to_json`."""
    values = json.loads(text)
    return ClusterSpec(values["name"], folder, IPv4Network(values["network"]), values["apiPort"])
