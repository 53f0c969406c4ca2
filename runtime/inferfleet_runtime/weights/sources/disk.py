"""Files that are there already: local paths, mounted claims and images. Reads; the caller links.

Linked, not copied: a model may be larger than the node's free disk.
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urldefrag, urlsplit

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.pick import one_gguf, refuse_split
from inferfleet_runtime.weights.sources.seam import Wants


def local(uri: str, wants: Wants) -> Path:
    """Of `file:///path`. Raises CommandError."""
    parts = urlsplit(uri, allow_fragments=False)
    if parts.netloc not in ("", "localhost"):
        raise CommandError(f"{uri}: a file URI has no host; write file:///{parts.netloc}{parts.path}")
    path = Path(unquote(parts.path))
    return _chosen(path, uri, wants, lambda name: f"{uri.rstrip('/')}/{name}")


def in_image(uri: str, image: Path, wants: Wants) -> Path:
    """Of `oci://registry/image:tag[#path]` mounted or unpacked at `image`. Raises CommandError."""
    wanted = PurePosixPath(unquote(urlsplit(uri).fragment))
    if ".." in wanted.parts:
        raise CommandError(f"{uri}: the path after # must not leave the image")
    reference, _ = urldefrag(uri)
    base = str(wanted).strip("/.")
    return _chosen(image / base, uri, wants, lambda name: f"{reference}#{base}{'/' if base else ''}{name}")


def _chosen(path: Path, uri: str, wants: Wants, address: Callable[[str], str]) -> Path:
    if path.is_dir():
        return path if wants == "directory" else _only_gguf(path, uri, address)
    if not path.is_file():
        raise CommandError(f"{uri}: there is no file {path} in this container")
    if wants == "directory":
        raise CommandError(f"{uri}: is a file; this engine loads a directory")
    refuse_split(path.name, uri)
    return path


def _only_gguf(folder: Path, uri: str, address: Callable[[str], str]) -> Path:
    paths = [str(p.relative_to(folder)) for p in sorted(folder.rglob("*")) if p.is_file()]
    return folder / one_gguf(paths, uri, address)
