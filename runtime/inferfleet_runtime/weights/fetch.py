"""`inferfleet-runtime fetch`: bring the source's GGUF file to where `quantize` and `serve` look for it.

Reads the source; writes `model.gguf` and, beside it, a note of what it came from.
"""

import logging
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urldefrag, urlsplit

from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import Source
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import check_gguf, link, publish, read_note, sha256_of, write_note
from inferfleet_runtime.weights.download import Clock, Download

log = logging.getLogger(__name__)


def fetch(source: Source, paths: Paths, clock: Clock) -> None:
    """Leave a verified file at `paths.fetched`. Raises CommandError; then nothing is there."""
    paths.weights.mkdir(parents=True, exist_ok=True)
    if _is_there(source, paths.fetched):
        log.info("already fetched", extra={"uri": source.uri, "file": str(paths.fetched)})
        return
    paths.fetched.unlink(missing_ok=True)
    if source.uri.startswith("https://"):
        _from_https(source, paths.fetched, clock)
    else:
        _from_disk(source, paths)
    write_note(_note(paths.fetched), _identity(source, paths.fetched))
    log.info("fetched", extra={"uri": source.uri, "bytes": paths.fetched.stat().st_size})


def _note(file: Path) -> Path:
    return file.with_name(file.name + ".source.json")


def _identity(source: Source, file: Path) -> dict[str, object]:
    return {"uri": source.uri, "bytes": file.stat().st_size}


def _is_there(source: Source, file: Path) -> bool:
    """Whether an earlier run left this very file. With a digest it is read again; without, its size must do."""
    if not file.exists() or read_note(_note(file)) != _identity(source, file):
        return False
    return source.sha256 is None or sha256_of(file) == source.sha256


def _from_https(source: Source, name: Path, clock: Clock) -> None:
    part = name.with_name(name.name + ".part")
    Download(source.uri, part, source.sha256 is not None, clock).run()
    try:
        _verify(part, source)
    except CommandError:
        part.unlink()
        raise
    publish(part, name)


def _from_disk(source: Source, paths: Paths) -> None:
    """Linked, not copied: a model may be larger than the node's free disk."""
    found = _in_image(source.uri, paths.image) if source.uri.startswith("oci://") else _local(source.uri)
    if not found.is_file():
        raise CommandError(f"{source.uri}: there is no file {found} in this container")
    _verify(found, source)
    link(found, paths.fetched)


def _local(uri: str) -> Path:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise CommandError(f"{uri}: a file URI has no host; write file:///{parts.netloc}{parts.path}")
    return Path(unquote(parts.path))


def _in_image(uri: str, image: Path) -> Path:
    wanted = PurePosixPath(unquote(urlsplit(uri).fragment))
    if ".." in wanted.parts:
        raise CommandError(f"{uri}: the path after # must not leave the image")
    if wanted.parts:
        return image / str(wanted).lstrip("/")
    found = sorted(image.rglob("*.gguf"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(f.relative_to(image)) for f in found) or "none"
    reference, _ = urldefrag(uri)
    raise CommandError(f"{uri}: holds {len(found)} GGUF files ({names}); name one as {reference}#path")


def _verify(file: Path, source: Source) -> None:
    if source.sha256 and (actual := sha256_of(file)) != source.sha256:
        raise CommandError(
            f"{source.uri}: SHA-256 is {actual}, expected {source.sha256}; "
            "the file was damaged or replaced, or the expectation is wrong"
        )
    check_gguf(file)
