"""Where binaries come from, and what makes the cache build anew."""

from dataclasses import replace
from pathlib import Path

import pytest

from e2e.cluster import binaries
from e2e.cluster.binaries import COMPONENTS, cache_key, default_cache, ensure
from e2e.cluster.components import BINARIES
from e2e.cluster.shell import ClusterError

ETCD = next(component for component in COMPONENTS if component.name == "etcd")
FILES = {"go.mod": b"module m\n", "go.sum": b"h1:a\n", "tools.go": b"package tools\n"}


def test_the_key_is_stable_and_names_the_component() -> None:
    assert cache_key(ETCD, FILES, "go1.26") == cache_key(ETCD, dict(reversed(FILES.items())), "go1.26")
    assert cache_key(ETCD, FILES, "go1.26").startswith("etcd-")


@pytest.mark.parametrize("name", FILES)
def test_a_change_in_any_file_of_the_module_changes_the_key(name: str) -> None:
    assert cache_key(ETCD, FILES | {name: b"other"}, "go1.26") != cache_key(ETCD, FILES, "go1.26")


def test_another_compiler_or_other_flags_change_the_key() -> None:
    key = cache_key(ETCD, FILES, "go1.26")
    assert cache_key(ETCD, FILES, "go1.27") != key
    assert cache_key(replace(ETCD, cgo=True), FILES, "go1.26") != key
    assert cache_key(replace(ETCD, variables="-X a=b"), FILES, "go1.26") != key


def test_bytes_that_move_from_one_file_to_the_next_change_the_key() -> None:
    moved = {"go.mod": b"module m\nh1:", "go.sum": b"a\n", "tools.go": FILES["tools.go"]}
    assert cache_key(ETCD, moved, "go1.26") != cache_key(ETCD, FILES, "go1.26")


def test_every_binary_of_a_cluster_has_exactly_one_component_and_every_module_is_checked_in() -> None:
    built = [name for component in COMPONENTS for name in component.packages]
    assert len(built) == len(set(built))
    assert set(BINARIES) <= set(built)
    for component in COMPONENTS:
        assert (binaries.MODULES / component.module / "go.mod").is_file()


def test_what_the_api_server_tests_need_is_built_without_the_kubelet() -> None:
    needed = {"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}
    components = [component for component in COMPONENTS if needed & component.packages.keys()]
    assert {name for component in components for name in component.packages} == needed


def test_only_runc_is_built_with_a_c_compiler() -> None:
    assert [component.name for component in COMPONENTS if component.cgo] == ["runc"]


def test_the_folder_of_the_user_comes_first_and_nothing_is_built(tmp_path: Path) -> None:
    (tmp_path / "etcd").touch()
    found = ensure(["etcd"], cache_dir=tmp_path / "cache", bin_path=tmp_path, environ={}, say=pytest.fail)
    assert found == {"etcd": tmp_path / "etcd"}
    assert ensure(["etcd"], tmp_path / "cache", environ={"INFERFLEET_BIN": str(tmp_path)}, say=pytest.fail) == found
    assert not (tmp_path / "cache").exists()


def test_an_unknown_binary_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"no such binary: kubectrl; there are .*kubectl"):
        ensure(["kubectrl"], cache_dir=tmp_path, environ={})


def test_a_folder_of_the_user_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="does not exist"):
        ensure(["etcd"], bin_path=tmp_path / "absent", environ={})


def test_the_cache_follows_the_xdg_convention() -> None:
    assert default_cache({"XDG_CACHE_HOME": "/x", "HOME": "/h"}) == Path("/x/inferfleet")
    assert default_cache({"HOME": "/h"}) == Path("/h/.cache/inferfleet")
