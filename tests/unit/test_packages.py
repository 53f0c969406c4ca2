"""The packages of past releases: what they say they are, small, and made again from what is in them."""

import gzip
import stat
import tarfile
from pathlib import Path

import pytest
import yaml

from e2e.cluster.images import PROJECT, copied
from e2e.packages import pack, released

ARCHIVES = sorted(path for path in pack.FOLDER.iterdir() if path.suffix in (".gz", ".tgz"))


@pytest.mark.parametrize("name", pack.CHARTS)
def test_a_kept_chart_is_of_the_release_that_its_name_says(name: str) -> None:
    files = pack.read(released.chart(name))
    about = yaml.safe_load(files[f"{name}/Chart.yaml"][1])
    assert (about["name"], about["version"], about["appVersion"]) == (name, released.PREVIOUS, released.PREVIOUS)
    assert next(iter(files)) == f"{name}/Chart.yaml"


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_packing_what_is_in_a_package_gives_the_same_bytes(archive: Path) -> None:
    assert pack.content(pack.read(archive)) == gzip.decompress(archive.read_bytes())


def test_the_kept_packages_are_small() -> None:
    assert ARCHIVES
    assert sum(path.stat().st_size for path in ARCHIVES) < 300_000


def test_the_kept_sources_are_all_that_the_operators_image_is_built_from(tmp_path: Path) -> None:
    root = released.unpack(tmp_path)
    dockerfile = root / PROJECT["operator"].dockerfile
    for source in copied(dockerfile.read_text()):
        assert (root / source).exists(), f"{source} is copied by the Dockerfile and not in the package"
    assert f'version = "{released.PREVIOUS}"' in (root / "pyproject.toml").read_text()


def test_a_package_holds_no_time_and_no_user_and_keeps_what_can_be_run(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(pack.content({"b": (0o600, b"text"), "a": (0o755, b"#!/bin/sh"), "c/Chart.yaml": (0o664, b"")}))
    with tarfile.open(archive) as tar:
        entries = tar.getmembers()
    assert [(e.name, stat.S_IMODE(e.mode)) for e in entries] == [("c/Chart.yaml", 0o644), ("a", 0o755), ("b", 0o644)]
    assert {(e.mtime, e.uid, e.gid, e.uname) for e in entries} == {(0, 0, 0, "")}
