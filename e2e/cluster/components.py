"""What runs on the node, with which arguments. Pure."""

from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.spec import NODE, ClusterSpec

BINARIES = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kubectl"),
    *("kube-scheduler", "kubelet", "kube-proxy"),
    *("containerd", "ctr", "containerd-shim-runc-v2", "runc", "pause", "coredns"),
)
"""Everything a cluster needs; kwok is asked for by itself."""
ETCD = "127.0.0.1:2379"


@dataclass(frozen=True)
class Component:
    """One program that the node keeps running."""

    name: str
    argv: tuple[str, ...]
    after: str = ""
    """`host:port` that must accept connections before the first start."""


def components(spec: ClusterSpec, *, kwok: bool) -> list[Component]:
    """All of them; each waits for its ports, so that they may start in any order."""
    api = f"127.0.0.1:{spec.api_port}"
    found = [_etcd(spec), _containerd(spec), _api_server(spec), _controller_manager(spec, api)]
    found += [_scheduler(spec, api), _kubelet(spec, api), _kube_proxy(spec, api), _coredns(spec, api)]
    return [*found, _kwok(spec, api)] if kwok else found


def _etcd(spec: ClusterSpec) -> Component:
    flags = {
        "data-dir": spec.folder / "etcd",
        "listen-client-urls": f"http://{ETCD}",
        "advertise-client-urls": f"http://{ETCD}",
        "listen-peer-urls": "http://127.0.0.1:2380",
    }
    # Its data is thrown away with the cluster; the page cache survives every crash but the machine's.
    return Component("etcd", (*_argv(spec, "etcd", flags), "--unsafe-no-fsync"))


def _api_server(spec: ClusterSpec) -> Component:
    pki = spec.folder / "pki"
    flags = {
        "etcd-servers": f"http://{ETCD}",
        "secure-port": spec.api_port,
        "advertise-address": spec.node_address,
        "tls-cert-file": pki / "apiserver.crt",
        "tls-private-key-file": pki / "apiserver.key",
        "client-ca-file": pki / "ca.crt",
        "service-account-key-file": pki / "service-accounts.crt",
        "service-account-signing-key-file": pki / "service-accounts.key",
        "service-account-issuer": "https://kubernetes.default.svc",
        "kubelet-certificate-authority": pki / "ca.crt",
        "kubelet-client-certificate": pki / "apiserver-kubelet-client.crt",
        "kubelet-client-key": pki / "apiserver-kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP",
        "service-cluster-ip-range": spec.services,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
    }
    return Component("kube-apiserver", _argv(spec, "kube-apiserver", flags), ETCD)


def _controller_manager(spec: ClusterSpec, api: str) -> Component:
    flags = {
        "kubeconfig": spec.folder / "pki" / "kube-controller-manager.kubeconfig",
        "service-account-private-key-file": spec.folder / "pki" / "service-accounts.key",
        "root-ca-file": spec.folder / "pki" / "ca.crt",
        "use-service-account-credentials": "true",
        "leader-elect": "false",
    }
    return Component("kube-controller-manager", _argv(spec, "kube-controller-manager", flags), api)


def _scheduler(spec: ClusterSpec, api: str) -> Component:
    flags = {"kubeconfig": spec.folder / "pki" / "kube-scheduler.kubeconfig", "leader-elect": "false"}
    return Component("kube-scheduler", _argv(spec, "kube-scheduler", flags), api)


def _containerd(spec: ClusterSpec) -> Component:
    return Component("containerd", _argv(spec, "containerd", {"config": spec.folder / "config" / "containerd.toml"}))


def _kubelet(spec: ClusterSpec, api: str) -> Component:
    flags = {
        "config": spec.folder / "config" / "kubelet.yaml",
        "kubeconfig": spec.folder / "pki" / "kubelet.kubeconfig",
        "hostname-override": NODE,
        "node-ip": spec.node_address,
    }
    return Component("kubelet", _argv(spec, "kubelet", flags), api)


def _kube_proxy(spec: ClusterSpec, api: str) -> Component:
    flags = {
        "kubeconfig": spec.folder / "pki" / "kube-proxy.kubeconfig",
        "hostname-override": NODE,
        "proxy-mode": "iptables",
        "cluster-cidr": spec.pods,
        # Conntrack's limits belong to the host; a network namespace may not change them.
        "conntrack-max-per-core": 0,
        "conntrack-tcp-timeout-established": "0",
        "conntrack-tcp-timeout-close-wait": "0",
    }
    return Component("kube-proxy", _argv(spec, "kube-proxy", flags), api)


def _coredns(spec: ClusterSpec, api: str) -> Component:
    # Single-dash flags: Go's own flag package takes both.
    return Component("coredns", _argv(spec, "coredns", {"conf": spec.folder / "config" / "Corefile"}), api)


def _kwok(spec: ClusterSpec, api: str) -> Component:
    flags = {
        "kubeconfig": spec.kubeconfig,
        "manage-nodes-with-annotation-selector": "kwok.x-k8s.io/node=fake",
        "cidr": spec.simulated_pods,
        "node-ip": spec.node_address,
    }
    return Component("kwok", _argv(spec, "kwok", flags), api)


def _argv(spec: ClusterSpec, binary: str, flags: dict[str, object]) -> tuple[str, ...]:
    program: Path = spec.bin / binary
    return (str(program), *(f"--{name}={value}" for name, value in flags.items()))
