"""Which cluster is used, and what is said when none can be."""

from pathlib import Path

import pytest

from e2e.cluster import __main__ as command_line
from e2e.cluster import cgroups, local, processes, provider
from e2e.cluster.host import Need, missing
from e2e.cluster.provider import Cluster, Options, choose
from e2e.cluster.shell import ClusterError, failure, locked


def test_kind_is_used_where_it_works_and_the_local_cluster_elsewhere() -> None:
    assert choose("", kind_usable=True) == "kind"
    assert choose("", kind_usable=False) == "local"


@pytest.mark.parametrize("asked", ["existing", "kind", "local"])
def test_a_provider_that_was_asked_for_is_used(asked: str) -> None:
    assert choose(asked, kind_usable=True) == choose(asked, kind_usable=False) == asked


def test_an_unknown_provider_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ClusterError, match=r"INFERFLEET_CLUSTER=k3s: there are existing, kind, local"):
        choose("k3s", kind_usable=True)


def test_an_existing_cluster_must_be_named_by_its_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="needs KUBECONFIG"):
        provider.up(Options(folder=tmp_path), environ={"INFERFLEET_CLUSTER": "existing"}, say=pytest.fail)


def test_an_existing_cluster_is_never_taken_down(tmp_path: Path) -> None:
    said: list[str] = []
    provider.down(Options(folder=tmp_path), environ={"INFERFLEET_CLUSTER": "existing"}, say=said.append)
    assert said == ["the cluster existed before and is left alone"]


def test_images_cannot_be_loaded_into_an_existing_cluster(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="push them to a registry"):
        provider.load(Cluster("existing", "existing", tmp_path / "config", tmp_path), tmp_path / "a.tar")


def test_a_cluster_that_was_never_made_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"no cluster here; make one with `python -m e2e.cluster up`"):
        provider.find(Options(folder=tmp_path, provider="local"), environ={})


def test_down_leaves_a_folder_alone_that_is_not_a_clusters(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    local.down(tmp_path, say=pytest.fail)
    assert (tmp_path / "thesis.txt").exists()


def test_the_command_line_says_what_was_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["status", "--dir", str(tmp_path), "--provider", "local"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}: no cluster here")


def test_a_failed_command_is_reported_with_its_last_lines() -> None:
    message = failure(["ip", "link add"], 2, "\n".join(map(str, range(20))))
    assert message.startswith("`ip 'link add'` exited with 2:")
    assert message.endswith("18\n  19")
    assert "\n  7\n" not in message


def test_missing_packages_are_named_once(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    needs = [
        Need("met", files=(tmp_path / "absent", tmp_path / "here")),
        Need("unmet", "no-such-program-on-any-path"),
        Need("unmet", files=(tmp_path / "absent",)),
    ]
    assert missing(needs) == ["unmet"]


def test_the_start_time_is_found_behind_a_name_with_spaces_and_parentheses() -> None:
    after = "S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1000 10"
    assert processes.parse_start_time(f"7 (a (b) c) {after}") == 4242
    assert processes.parse_start_time(f"7 (a) {after.replace('S', 'Z', 1)}") is None


def test_a_process_is_recorded_by_its_start_and_a_recycled_pid_is_not_it(tmp_path: Path) -> None:
    process = processes.spawn(["sleep", "600"], tmp_path / "pid", tmp_path / "log")
    try:
        assert processes.recorded(tmp_path / "pid") == process
        assert not processes.Process(process.pid, process.started - 1).alive()
        (tmp_path / "pid").write_text(f"{process.pid} {process.started - 1}\n")
        assert processes.recorded(tmp_path / "pid") is None
    finally:
        processes.kill(process)
    assert not process.alive()


def test_a_killed_process_takes_its_children_along(tmp_path: Path) -> None:
    script = 'sleep 600 & echo $! > "$0"; wait'
    process = processes.spawn(["sh", "-c", script, str(tmp_path / "child")], tmp_path / "pid", tmp_path / "log")
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        assert process.alive()
    child = int((tmp_path / "child").read_text())
    assert processes.start_time(child) is not None
    processes.kill(process)
    assert processes.start_time(child) is None


def test_a_lock_on_a_folder_that_was_removed_is_taken_anew(tmp_path: Path) -> None:
    with locked(tmp_path / "state" / "lock"):
        (tmp_path / "state" / "lock").unlink()
        (tmp_path / "state").rmdir()
    with locked(tmp_path / "state" / "lock"):
        assert (tmp_path / "state" / "lock").exists()


def test_cgroups_of_both_versions_are_made_in_every_hierarchy_and_removed(tmp_path: Path) -> None:
    one, two = tmp_path / "v1", tmp_path / "v2"
    for folder in (one / "cpu", one / "memory", two):
        folder.mkdir(parents=True)
    (one / "cpuacct").symlink_to(one / "cpu")
    (two / "cgroup.controllers").touch()
    assert cgroups.hierarchies(one) == [one / "cpu", one / "memory"]
    assert cgroups.hierarchies(two) == [two]
    cgroups.ensure("c", one)
    (one / "cpu" / "c" / "kubepods" / "pod").mkdir(parents=True)
    cgroups.remove("c", one)
    assert not list(one.glob("*/c"))
