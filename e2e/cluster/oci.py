"""Writes one-layer OCI images as archives, with digests that depend on nothing but the content. Writes.

Layout: https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
"""As images name them, by what `platform.machine()` does."""
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""As Linux names them."""


@dataclass(frozen=True)
class File:
    """One file of an image, owned by root."""

    path: PurePosixPath
    """Absolute in the image."""
    source: Path
    mode: int = 0o644


def native() -> str:
    """This machine's architecture as images name it. Reads."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def write_archive(out: Path, ref: str, files: Sequence[File], entrypoint: Sequence[str] = ()) -> str:
    """Write an image named `ref` with one uncompressed layer; returns the digest of its manifest.

    The layer goes through a file beside `out`, never through memory: weights are large. The archive
    appears under its name only when it is whole.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".image-", dir=out.parent) as scratch:
        layer = Path(scratch) / "layer.tar"
        _write_layer(layer, files)
        layer_digest = _file_digest(layer)
        config = _json(config_of(layer_digest, entrypoint))
        manifest = _json(manifest_of(config, layer_digest, layer.stat().st_size))
        archive = Path(scratch) / "archive.tar"
        with tarfile.open(archive, "w") as tar:
            _add_bytes(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            _add_bytes(tar, "index.json", _json(index_of(manifest, ref)))
            for blob in (config, manifest):
                _add_bytes(tar, _blob(_digest(blob)), blob)
            _add_file(tar, _blob(layer_digest), layer, 0o644)
        archive.rename(out)
    return _digest(manifest)


def config_of(layer_digest: str, entrypoint: Sequence[str]) -> dict[str, Any]:
    """The image configuration: no time in it, so that equal content is an equal image."""
    run: dict[str, Any] = {"Entrypoint": list(entrypoint)} if entrypoint else {}
    return {
        "architecture": native(),
        "os": "linux",
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
    }


def manifest_of(config: bytes, layer_digest: str, layer_size: int) -> dict[str, Any]:
    """The image manifest. Pure."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": _digest(config), "size": len(config)},
        "layers": [{"mediaType": LAYER, "digest": layer_digest, "size": layer_size}],
    }


def index_of(manifest: bytes, ref: str) -> dict[str, Any]:
    """The index: one manifest, with the name under which containerd imports it. Pure."""
    names = {"io.containerd.image.name": ref, "org.opencontainers.image.ref.name": ref}
    entry = {"mediaType": MANIFEST, "digest": _digest(manifest), "size": len(manifest), "annotations": names}
    return {"schemaVersion": 2, "manifests": [entry]}


def identify(archive: Path) -> tuple[str, str]:
    """Name and manifest digest of the image in an archive. Reads; KeyError if the archive names none."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        if index is None:
            raise KeyError(f"{archive}: index.json is not a file")
        entry = json.load(index)["manifests"][0]
    names = entry.get("annotations", {})
    return names.get("io.containerd.image.name") or names["org.opencontainers.image.ref.name"], entry["digest"]


def _write_layer(out: Path, files: Sequence[File]) -> None:
    with tarfile.open(out, "w") as tar:
        for folder in sorted({parent for file in files for parent in file.path.parents if parent.name}):
            entry = tarfile.TarInfo(str(folder).lstrip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for file in sorted(files, key=lambda file: file.path):
            _add_file(tar, str(file.path).lstrip("/"), file.source, file.mode)


def _add_file(tar: tarfile.TarFile, name: str, source: Path, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = source.stat().st_size, mode
    with source.open("rb") as content:
        tar.addfile(entry, content)


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _file_digest(path: Path) -> str:
    with path.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
