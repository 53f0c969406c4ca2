"""OCI archives, names by content, and what a Dockerfile takes in."""

import hashlib
import json
import os
import re
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from e2e.cluster import emulation, images, oci
from e2e.cluster.base import Builder, base_name
from e2e.cluster.shell import ClusterError

REF = "inferfleet.local/model:1"


def model(folder: Path, content: bytes = b"GGUF weights") -> Path:
    file = folder / "tiny.gguf"
    file.write_bytes(content)
    return file


def blobs(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}  # type: ignore[union-attr]


def test_every_digest_of_an_archive_is_that_of_the_bytes_it_names(tmp_path: Path) -> None:
    archive = images.model_image(model(tmp_path), REF, tmp_path / "out" / "model.tar").archive
    files = blobs(archive)
    for name, content in files.items():
        if name.startswith("blobs/sha256/"):
            assert name.removeprefix("blobs/sha256/") == hashlib.sha256(content).hexdigest()
    (entry,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(files["blobs/" + entry["digest"].replace(":", "/")])
    config = json.loads(files["blobs/" + manifest["config"]["digest"].replace(":", "/")])
    (layer,) = manifest["layers"]
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]
    assert layer["size"] == len(files["blobs/" + layer["digest"].replace(":", "/")])


def test_a_model_image_holds_the_file_under_its_own_name_and_nothing_else(tmp_path: Path) -> None:
    archive = images.model_image(model(tmp_path), REF, tmp_path / "model.tar").archive
    layer = max(blobs(archive).items(), key=lambda item: len(item[1]))[1]
    (tmp_path / "layer.tar").write_bytes(layer)
    assert blobs(tmp_path / "layer.tar") == {"tiny.gguf": b"GGUF weights"}


def test_equal_content_is_an_equal_archive_whenever_and_by_whomever_it_is_made(tmp_path: Path) -> None:
    file = model(tmp_path)
    first = images.model_image(file, REF, tmp_path / "a.tar").archive.read_bytes()
    os.utime(file, (1, 1))
    file.chmod(0o600)
    assert images.model_image(file, REF, tmp_path / "b.tar").archive.read_bytes() == first
    file.write_bytes(b"GGUF others!")
    assert images.model_image(file, REF, tmp_path / "c.tar").archive.read_bytes() != first


def test_an_archive_tells_its_name_and_digest(tmp_path: Path) -> None:
    files = [oci.File(PurePosixPath("/usr/bin/run"), model(tmp_path), 0o755)]
    digest = oci.write_archive(tmp_path / "a.tar", REF, files, ["/usr/bin/run"])
    assert oci.identify(tmp_path / "a.tar") == (REF, digest)


def test_nothing_is_left_beside_an_archive(tmp_path: Path) -> None:
    images.model_image(model(tmp_path), REF, tmp_path / "out" / "a.tar")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.tar"]


def test_the_inputs_of_an_image_are_what_its_dockerfile_copies(tmp_path: Path) -> None:
    dockerfile = """\
FROM base AS build
COPY pyproject.toml README.md /src/
COPY --chown=1:1 runtime/pkg \\
     /src/pkg
RUN --mount=type=bind,source=lock.txt,target=/lock.txt pip install -r /lock.txt
COPY --from=build /opt /opt
"""
    assert images.copied(dockerfile) == ["pyproject.toml", "README.md", "runtime/pkg", "lock.txt"]
    for name in ("Dockerfile", "pyproject.toml", "lock.txt", "other.py", "runtime/pkg/a.py", "runtime/other.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "Dockerfile").write_text(dockerfile)
    (tmp_path / "runtime/pkg/__pycache__").mkdir()
    (tmp_path / "runtime/pkg/__pycache__/a.pyc").touch()
    found = {str(path.relative_to(tmp_path)) for path in images.inputs(tmp_path / "Dockerfile", tmp_path)}
    assert found == {"Dockerfile", "pyproject.toml", "lock.txt", "runtime/pkg/a.py"}


def test_a_change_in_any_input_or_in_the_base_changes_the_name(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("1")
    before = images.content_hash([file], "base:1")
    assert images.content_hash([file], "base:1") == before
    assert images.content_hash([file], "base:2") != before
    file.write_text("2")
    assert images.content_hash([file], "base:1") != before


def test_a_file_that_moves_changes_the_name(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.py").write_text("same")
    one = images.content_hash([tmp_path / "a" / "x.py"], "base", root=tmp_path)
    assert images.content_hash([tmp_path / "b" / "x.py"], "base", root=tmp_path) != one


def test_settings_of_the_network_reach_a_build_and_a_folder_of_the_host_does_not() -> None:
    environ = {"PIP_INDEX_URL": "https://mirror/simple", "https_proxy": "http://proxy:1", "PIP_FIND_LINKS": "/wheels"}
    options = images.build_options(environ)
    assert options == ["--build-arg=PIP_INDEX_URL=https://mirror/simple", "--build-arg=https_proxy=http://proxy:1"]


@pytest.mark.parametrize("name", images.PROJECT)
def test_every_setting_that_is_passed_to_a_build_is_taken_by_its_dockerfile(name: str) -> None:
    text = (images.ROOT / images.PROJECT[name].dockerfile).read_text()
    assert {*images.PASSED, "PIP_CERT", "BASE_IMAGE"} <= set(re.findall(r"^ARG (\w+)", text, re.MULTILINE))


def test_certificates_reach_a_build_only_where_this_machine_has_its_own() -> None:
    assert images.build_options({}) == []
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    options = images.build_options({"SSL_CERT_FILE": bundle})
    assert options == ["--volume=/etc/ssl/certs:/etc/ssl/certs:ro", f"--build-arg=PIP_CERT={bundle}"]
    assert "--volume=/opt/ca.pem:/opt/ca.pem:ro" in images.build_options({"PIP_CERT": "/opt/ca.pem"})


def test_the_base_image_is_named_by_what_it_holds() -> None:
    assert base_name("amd64") == base_name("amd64") != base_name("arm64")
    assert base_name("amd64").startswith("localhost/inferfleet-base:")


def test_only_another_architecture_than_this_machines_is_told_to_the_builder_and_in_the_tag(tmp_path: Path) -> None:
    native, other = Builder(tmp_path, {}, oci.native()), Builder(tmp_path, {}, "sparc64")
    assert (native.platform(), images.suffix(native.architecture)) == ([], "")
    assert (other.platform(), images.suffix(other.architecture)) == (["--arch=sparc64"], "-sparc64")


def test_an_image_with_builds_for_amd64_is_refused_for_arm64() -> None:
    with pytest.raises(ClusterError, match="cpu-runtime is for amd64 alone, not for arm64"):
        images.build("cpu-runtime", architecture="arm64")


REGISTERED = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POF\noffset 0\n"


@pytest.mark.parametrize("entry", [REGISTERED.replace("enabled", "disabled"), REGISTERED.replace("POF", "PO"), ""])
def test_a_registration_of_qemu_that_cannot_run_a_tree_of_its_own_is_refused_with_what_to_do(entry: str) -> None:
    emulation.check(REGISTERED, "arm64")
    with pytest.raises(ClusterError, match="echo -1 > /proc/sys/fs/binfmt_misc/qemu-aarch64"):
        emulation.check(entry, "arm64")
