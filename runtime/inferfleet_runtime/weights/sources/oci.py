"""`oci://registry/image:tag[#path]`, pulled: where no image volume is mounted. Reads the network.

Two kinds of artifact: an image, whose layers are archives (`unpack`), and an artifact whose layers are the files
themselves, as ORAS, ModelPack and Docker's model packages make them.
"""

from dataclasses import dataclass
from typing import Any

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.oci_registry import Registry, parse
from inferfleet_runtime.weights.sources.remote import Digest, Listing, RemoteFile
from inferfleet_runtime.weights.sources.seam import Asked, inside

_NAMES = ("org.opencontainers.image.title", "org.cncf.model.filepath")
"""Annotations with the path of the file that a layer is."""
_ATTESTATION = "vnd.docker.reference.type"
_SHA256 = "sha256:"


@dataclass(frozen=True)
class Pulled:
    """What a manifest lists."""

    files: Listing
    """Layers that are files."""
    archives: Listing
    """Layers that are archives, lowest first."""


def pulled(asked: Asked) -> Pulled:
    """Raises CommandError."""
    registry = Registry(asked, parse(asked.uri))
    asked_for, revision = registry.manifest(registry.reference.name)
    manifest = _of_a_platform(registry, asked_for)
    files: list[RemoteFile] = []
    archives: list[RemoteFile] = []
    for number, layer in enumerate(manifest.get("layers") or ()):
        kind = layer.get("mediaType") or ""
        if "zstd" in kind:
            raise CommandError(f"{asked.uri}: its layers are packed with zstd, which is not read here; pack with gzip")
        if "tar" in kind:
            archives.append(_file(registry, layer, f"layer-{number}"))
        elif name := _name(layer, kind):
            files.append(_file(registry, layer, name))
    return Pulled(Listing(tuple(files), revision), Listing(tuple(archives), revision))


def _of_a_platform(registry: Registry, manifest: dict[str, Any]) -> dict[str, Any]:
    """Model files are the same on every platform: the first image is as good as any."""
    if "manifests" not in manifest:
        return manifest
    images = [m for m in manifest["manifests"] if _ATTESTATION not in (m.get("annotations") or {})]
    if not images:
        raise CommandError(f"{registry.asked.uri}: the index lists no image")
    manifest, _ = registry.manifest(images[0]["digest"])
    return manifest


def _name(layer: dict[str, Any], kind: str) -> str:
    annotations = layer.get("annotations") or {}
    named = next((annotations[name] for name in _NAMES if annotations.get(name)), "")
    # Docker's and Ollama's layers say by their type alone which one is the model; the others are no files
    return named or ("model.gguf" if "gguf" in kind or kind.endswith(".model") else "")


def _file(registry: Registry, layer: dict[str, Any], name: str) -> RemoteFile:
    digest = str(layer["digest"])
    if not digest.startswith(_SHA256):
        raise CommandError(f"{registry.asked.uri}: a layer's digest {digest} is not of SHA-256")
    reference = registry.asked.uri.partition("#")[0]
    return RemoteFile(
        path=inside(name, registry.asked.uri),
        uri=f"{reference}#{name}",
        url=f"{registry.base}/blobs/{digest}",
        sign=registry.headers,
        size=int(layer["size"]),
        digest=Digest("sha256", digest.removeprefix(_SHA256)),
        version=digest,
    )
