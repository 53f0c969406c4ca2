"""Configuration files of the node: containerd, CNI, kubelet, DNS. Pure, but for `write`."""

import json
from collections.abc import Iterable
from pathlib import Path

from e2e.cluster.spec import ClusterSpec

PAUSE = "registry.k8s.io/pause:3.10"
"""The name under which the sandbox image is imported; never pulled."""
SOCKET = "/run/containerd/containerd.sock"
"""In the node's own /run."""


def containerd(spec: ClusterSpec, cni_plugins: Path) -> str:
    """containerd's configuration, TOML version 3."""
    return f"""\
version = 3
root = "{spec.folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "{SOCKET}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PAUSE}"
[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE (many virtual machines and containers) sandboxes die when their score is lowered.
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{cni_plugins}"]
    conf_dir = "{spec.folder}/config/cni"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = "{spec.bin}/runc"
"""


def cni(spec: ClusterSpec) -> str:
    """A routed pod network (ptp): unlike a bridge it needs no br_netfilter for Services to work."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": str(spec.node_pods)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    ptp = {"type": "ptp", "ipMasq": True, "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [ptp, portmap]}, indent=2)


def kubelet(spec: ClusterSpec) -> str:
    """A KubeletConfiguration; JSON is YAML."""
    pki = spec.folder / "pki"
    # A demo must not fail because the disk is fairly full: no eviction and no image collection for its sake.
    eviction = {
        "memory.available": "100Mi",
        **dict.fromkeys(("nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree"), "0%"),
    }
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{spec.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [str(spec.dns_service)],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{spec.folder}/config/resolv.conf",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "authentication": {
            "anonymous": {"enabled": False},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
            "webhook": {"enabled": True},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{pki}/kubelet.key",
        "evictionHard": eviction,
        "imageGCHighThresholdPercent": 100,
    }
    return json.dumps(config, indent=2)


def corefile(spec: ClusterSpec) -> str:
    """Cluster names only: coredns here is built without `forward`."""
    return f"""\
. {{
  bind {spec.node_address}
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {spec.folder}/pki/coredns.kubeconfig
    pods insecure
  }}
  cache 5
  errors
}}
"""


def resolv_conf(host: str) -> str:
    """The host's name servers without loopback ones, which the node's network namespace cannot reach."""
    lines = [line for line in host.splitlines() if line.startswith(("search", "options", "nameserver"))]
    kept = [line for line in lines if not line.startswith(("nameserver 127.", "nameserver ::1"))]
    return "".join(f"{line}\n" for line in kept)


def write(spec: ClusterSpec, cni_plugins: Path, host_resolv_conf: str) -> None:
    """Write them all below `config/` of the state folder."""
    config = spec.folder / "config"
    (config / "cni").mkdir(parents=True, exist_ok=True)
    files: Iterable[tuple[str, str]] = (
        ("containerd.toml", containerd(spec, cni_plugins)),
        ("cni/10-pods.conflist", cni(spec)),
        ("kubelet.yaml", kubelet(spec)),
        ("Corefile", corefile(spec)),
        ("resolv.conf", resolv_conf(host_resolv_conf)),
    )
    for name, text in files:
        (config / name).write_text(text)
