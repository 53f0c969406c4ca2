"""What the host knows of its clusters besides their state folders."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from e2e.cluster import local, processes, registry
from e2e.cluster.shell import ClusterError
from e2e.cluster.spec import ClusterSpec, to_json


def cluster(folder: Path) -> ClusterSpec:
    folder.mkdir(exist_ok=True)
    spec = ClusterSpec("demo", folder, IPv4Network("10.95.0.0/16"))
    (folder / "cluster.json").write_text(to_json(spec))
    return spec


def test_the_network_of_a_cluster_is_taken_wherever_its_folder_is_and_even_before_it_starts(tmp_path: Path) -> None:
    spec = cluster(tmp_path / "state")
    registry.record(spec, None, tmp_path / "run")
    assert registry.networks(tmp_path / "run") == [spec.network]
    assert registry.lost(spec.folder, tmp_path / "run") is None
    registry.forget(spec, tmp_path / "run")
    assert registry.networks(tmp_path / "run") == []


def test_a_node_is_found_after_its_state_folder_was_removed(tmp_path: Path) -> None:
    spec, run = cluster(tmp_path / "state"), tmp_path / "run"
    node = processes.spawn(["sleep", "600"], tmp_path / "pid", tmp_path / "log")
    try:
        registry.record(spec, node, run)
        (spec.folder / "cluster.json").unlink()
        spec.folder.rmdir()
        assert registry.lost(spec.folder, run) == spec
        assert registry.holder(spec, run) == node
        assert registry.networks(run) == [spec.network]
    finally:
        processes.kill(node)
    assert registry.holder(spec, run) is None
    assert registry.networks(run) == []


def test_a_folder_that_never_held_a_cluster_has_lost_none(tmp_path: Path) -> None:
    assert registry.lost(tmp_path, tmp_path / "run") is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"api_port": 7443}, "demo has its API server on port 6443; take it down first"),
        ({"network": IPv4Network("10.96.0.0/16")}, r"demo runs on 10.95.0.0/16; take it down first"),
    ],
)
def test_a_recorded_cluster_is_not_moved(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    request = local.Request("demo", cluster(tmp_path).folder, **changes)  # type: ignore[arg-type]
    with pytest.raises(ClusterError, match=why):
        local.settle(request, pytest.fail)


def test_a_recorded_cluster_keeps_what_is_not_named(tmp_path: Path) -> None:
    spec = cluster(tmp_path)
    assert local.settle(local.Request("demo", tmp_path), pytest.fail) == spec
