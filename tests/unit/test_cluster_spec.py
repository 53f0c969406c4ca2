"""Addresses, names and files of a local cluster: pure, so no root is needed."""

import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from e2e.cluster import components, network, node, pki
from e2e.cluster.shell import ClusterError
from e2e.cluster.spec import CANDIDATES, ClusterSpec, check_name, check_network, free_network, from_json, to_json

SPEC = ClusterSpec("demo", Path("/state/demo"), IPv4Network("10.95.0.0/16"))


def test_the_networks_of_a_cluster_lie_in_its_block_and_do_not_overlap() -> None:
    parts = [SPEC.node_pods, SPEC.simulated_pods, SPEC.services, SPEC.link]
    assert all(part.subnet_of(SPEC.network) for part in parts)
    assert not any(a.overlaps(b) for i, a in enumerate(parts) for b in parts[:i])
    assert SPEC.node_pods.subnet_of(SPEC.pods)
    assert SPEC.simulated_pods.subnet_of(SPEC.pods)
    assert not SPEC.pods.overlaps(SPEC.services)
    assert not SPEC.pods.overlaps(SPEC.link)


def test_the_well_known_services_have_the_addresses_that_kubernetes_expects() -> None:
    assert str(SPEC.services) == "10.95.128.0/18"
    assert (str(SPEC.api_service), str(SPEC.dns_service)) == ("10.95.128.1", "10.95.128.10")


def test_a_new_cluster_takes_the_first_block_that_the_host_does_not_reach() -> None:
    assert free_network([]) == CANDIDATES[0]
    assert free_network([IPv4Network("10.90.192.0/30"), IPv4Network("10.91.0.0/16")]) == IPv4Network("10.92.0.0/16")
    assert free_network([IPv4Network("10.0.0.0/8")]) == IPv4Network("172.20.0.0/16")
    with pytest.raises(ClusterError, match="--network"):
        free_network([IPv4Network("0.0.0.0/0")])


def test_the_record_of_a_cluster_reads_back_as_the_same_cluster() -> None:
    assert from_json(to_json(SPEC), SPEC.folder) == SPEC


def test_clusters_of_one_name_in_two_folders_share_nothing_on_the_host() -> None:
    other = ClusterSpec("demo", Path("/elsewhere/demo"), SPEC.network)
    assert other.link_name != SPEC.link_name
    assert other.cgroup != SPEC.cgroup
    assert network.rules(other) != network.rules(SPEC)
    assert len(SPEC.link_name) <= 15  # IFNAMSIZ


@pytest.mark.parametrize("name", ["", "Demo", "-a", "a-", "a/b", "a b", "a" * 41])
def test_a_name_that_cannot_be_a_folder_or_a_cgroup_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="cannot name a cluster"):
        check_name(name)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.90.0.0/17", "10.90.1.0/16", "nonsense"])
def test_a_network_that_is_not_a_whole_16_is_refused(text: str) -> None:
    with pytest.raises(ClusterError, match="--network"):
        check_network(text)


def test_every_component_starts_from_the_folder_of_the_cluster_and_kwok_only_when_asked_for() -> None:
    plain = components.components(SPEC, kwok=False)
    assert {Path(component.argv[0]).parent for component in plain} == {SPEC.bin}
    assert {Path(component.argv[0]).name for component in plain} <= set(components.BINARIES)
    extra = [c.name for c in components.components(SPEC, kwok=True) if c not in plain]
    assert extra == ["kwok"]


def test_the_api_server_enforces_rbac_and_node_restriction() -> None:
    api = next(c for c in components.components(SPEC, kwok=False) if c.name == "kube-apiserver")
    assert "--authorization-mode=Node,RBAC" in api.argv
    assert "--enable-admission-plugins=NodeRestriction" in api.argv
    assert "--service-cluster-ip-range=10.95.128.0/18" in api.argv


def test_the_kubelet_has_its_own_cgroup_and_never_evicts_for_disk() -> None:
    config = json.loads(node.kubelet(SPEC))
    assert config["cgroupRoot"] == f"/{SPEC.cgroup}"
    assert config["clusterDNS"] == [str(SPEC.dns_service)]
    assert config["evictionHard"]["nodefs.available"] == config["evictionHard"]["imagefs.available"] == "0%"
    assert config["authentication"]["anonymous"] == {"enabled": False}


def test_pods_of_the_node_get_addresses_of_its_own_block() -> None:
    ipam = json.loads(node.cni(SPEC))["plugins"][0]["ipam"]
    assert ipam["ranges"] == [[{"subnet": "10.95.0.0/24"}]]


def test_containerd_uses_the_runc_and_the_plugins_that_it_is_given() -> None:
    text = node.containerd(SPEC, Path("/plugins"))
    assert f'BinaryName = "{SPEC.bin}/runc"' in text
    assert 'bin_dirs = ["/plugins"]' in text
    assert f'sandbox = "{node.PAUSE}"' in text


def test_name_servers_on_the_loopback_are_of_no_use_in_the_node() -> None:
    host = "# comment\nsearch example.org\nnameserver 127.0.0.53\nnameserver 9.9.9.9\nnameserver ::1\noptions edns0\n"
    assert node.resolv_conf(host) == "search example.org\nnameserver 9.9.9.9\noptions edns0\n"


def test_the_api_servers_certificate_names_every_address_it_is_reached_by() -> None:
    api = next(identity for identity in pki.identities(SPEC) if identity.name == "apiserver")
    assert {f"IP:{SPEC.node_address}", f"IP:{SPEC.api_service}", "DNS:kubernetes.default.svc"} <= set(api.names)


def test_only_the_administrator_and_the_api_server_are_cluster_administrators() -> None:
    masters = [identity.name for identity in pki.identities(SPEC) if "system:masters" in identity.subject]
    assert masters == ["apiserver-kubelet-client", "admin"]
