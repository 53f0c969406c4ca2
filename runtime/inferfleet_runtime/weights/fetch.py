"""`inferfleet-runtime fetch`: bring what the configuration names to where `quantize` and `serve` look for it.

Reads the sources; writes each file or folder and, beside it, a note of what it came from.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from inferfleet_runtime import contract
from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import Source
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import check_gguf, link, sha256_of
from inferfleet_runtime.weights import manifest
from inferfleet_runtime.weights.notes import Wanted, is_there, remove, take
from inferfleet_runtime.weights.sources import disk, gcs, hf, oci, s3, web
from inferfleet_runtime.weights.sources.credentials import Credentials
from inferfleet_runtime.weights.sources.http_client import shown
from inferfleet_runtime.weights.sources.pick import for_a_directory, one_gguf, refuse_split, runs
from inferfleet_runtime.weights.sources.remote import Listing, RemoteFile, wrong_digest
from inferfleet_runtime.weights.sources.seam import Asked
from inferfleet_runtime.weights.sources.unpack import unpack
from inferfleet_runtime.weights.store import Store

log = logging.getLogger(__name__)

_ARCHIVES = (".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class World:
    """What bringing files takes beside the configuration."""

    paths: Paths
    store: Store
    env: Mapping[str, str]
    mounted: str = ""
    """URI of the image that is mounted, if one is: that of the model."""


def fetch(item: Wanted, world: World) -> None:
    """Leave it, verified, at its target. Raises CommandError; then nothing is there."""
    source, target = item.source, item.target
    target.parent.mkdir(parents=True, exist_ok=True)
    if is_there(item):
        log.info("already fetched", extra={"uri": shown(source.uri), "file": str(target)})
        return
    remove(item)
    try:
        revision = _bring(item, world)
    except BaseException:
        remove(item)
        raise
    log.info("fetched", extra=take(item, revision) | {"uri": shown(source.uri)})


def _bring(item: Wanted, world: World) -> str:
    """The revision that it has."""
    asked = _asked(item.source, world)
    scheme = item.source.uri.partition(":")[0]
    if scheme == "file":
        _link(item, disk.local(item.source.uri, item.wants))
    elif scheme == "oci" and _is_mounted(asked, world):
        _link(item, disk.in_image(item.source.uri, world.paths.image, item.wants))
    elif scheme == "oci":
        return _pull(item, asked, world)
    elif scheme == "https" and item.wants == "directory":
        _unpack(item, _listing(scheme, asked, world), world)
    else:
        return _download(item, _listing(scheme, asked, world), world)
    return ""


def _is_mounted(asked: Asked, world: World) -> bool:
    """The node mounts the model's image, unless its source has credentials; other images are pulled."""
    same = urldefrag(asked.uri).url == urldefrag(world.mounted).url
    return same and not asked.credentials.given and world.paths.image.is_dir()


def _asked(source: Source, world: World) -> Asked:
    folder = world.paths.at(contract.CREDENTIALS_DIR) / source.credentials if source.credentials else None
    return Asked(source, Credentials(folder), world.env, world.store.http)


@contextmanager
def _understood(asked: Asked) -> Iterator[None]:
    """While answers are read: one of another shape is the server's fault, and no traceback."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        scheme = asked.uri.partition(":")[0]
        raise CommandError(
            f"{shown(asked.uri)}: the answer is not what {scheme} servers give "
            f"({type(error).__name__}: {error}); check the endpoint"
        ) from error


def _listing(scheme: str, asked: Asked, world: World) -> Listing:
    with _understood(asked):
        if scheme == "https":
            return web.listing(asked, world.store.caches)
        listing = {"hf": hf.listing, "s3": s3.listing, "gs": gcs.listing}[scheme](asked)
    if listing.revision:
        log.info("resolved", extra={"uri": asked.uri, "asked": asked.source.revision, "revision": listing.revision})
    return listing


def _download(item: Wanted, listing: Listing, world: World) -> str:
    if item.wants == "directory":
        _directory(item, listing, world)
        return listing.revision
    file = _one(listing, shown(item.source.uri))
    world.store.bring(file, item.target, item.source.sha256)
    check_gguf(item.target, file.uri)
    return listing.revision


def _one(listing: Listing, uri: str) -> RemoteFile:
    """A source that names one file is taken at its word, whatever the file is called."""
    if len(listing.files) == 1 and not listing.files[0].path.endswith(_ARCHIVES):
        refuse_split(listing.files[0].path, uri)
        return listing.files[0]
    by_path = {file.path: file for file in listing.files}
    return by_path[one_gguf(list(by_path), uri, lambda path: by_path[path].uri)]


def _directory(item: Wanted, listing: Listing, world: World) -> None:
    """Into a folder beside the target, which gets its name once all of it is there and verified."""
    by_path = {file.path: file for file in listing.files}
    chosen = for_a_directory(list(by_path), item.source.uri)
    part = item.beside(".part")
    for path in chosen:
        world.store.progress.expect(by_path[path].uri, by_path[path].size)
    digests = {}
    for path in chosen:
        (part / path).parent.mkdir(parents=True, exist_ok=True)
        digests[path] = world.store.gather(by_path[path], part / path)
    _clear(part, set(chosen))
    _publish(item, part, digests)


def _clear(part: Path, wanted: set[str]) -> None:
    """A run that was cut may have left files of another revision."""
    for file in [p for p in part.rglob("*") if not p.is_dir()]:
        if str(file.relative_to(part)) not in wanted:
            file.unlink()


def _publish(item: Wanted, part: Path, digests: dict[str, str]) -> None:
    actual = manifest.digest(digests)
    if item.source.sha256 and actual != item.source.sha256:
        shutil.rmtree(part)
        raise CommandError(wrong_digest(item.source.uri, "SHA-256 of the manifest", actual, item.source.sha256))
    item.manifest.write_text(manifest.text(digests), encoding="utf-8")
    part.replace(item.target)


def _pull(item: Wanted, asked: Asked, world: World) -> str:
    with _understood(asked):
        pulled = oci.pulled(asked)
    if not pulled.archives.files:
        named = unquote(urlsplit(asked.uri).fragment).strip("/")
        files = tuple(f for f in pulled.files.files if not named or f.path == named)
        if not files:
            raise CommandError(f"{asked.uri}: the artifact has no file {named or 'at all'}")
        return _download(item, Listing(files, pulled.files.revision), world)
    folder = item.beside(".image")
    archive = item.beside(".layer")
    for layer in pulled.archives.files:
        world.store.bring(layer, archive, None)
        unpack(archive, folder, asked.uri, _is_wanted(item))
        archive.unlink()
    _link(item, disk.in_image(asked.uri, folder, item.wants))
    return pulled.archives.revision


def _is_wanted(item: Wanted) -> Callable[[str], bool]:
    """Of the files in an archive."""
    return (lambda path: not runs(path)) if item.wants == "directory" else (lambda path: path.lower().endswith(".gguf"))


def _unpack(item: Wanted, listing: Listing, world: World) -> None:
    """A folder over HTTPS comes as an archive."""
    (file,) = listing.files
    if not file.path.endswith(_ARCHIVES):
        raise CommandError(f"{file.uri}: this engine loads a directory: give an archive ({', '.join(_ARCHIVES)})")
    archive = item.beside(".archive")
    world.store.bring(file, archive, item.source.sha256)
    folder = item.beside(".unpacked")
    unpack(archive, folder, file.uri, _is_wanted(item))
    archive.unlink()
    inside = list(folder.iterdir()) if folder.is_dir() else []
    # most archives hold one folder with all the rest
    link(inside[0] if len(inside) == 1 and inside[0].is_dir() else folder, item.target)
    if not item.target.is_dir():
        raise CommandError(f"{file.uri}: the archive holds no files that can be used")


def _link(item: Wanted, found: Path) -> None:
    """Verify what is there already, and point to it."""
    source = item.source
    if found.is_dir():
        if source.sha256:
            paths = [p for p in sorted(found.rglob("*")) if p.is_file()]
            _expect(source, "SHA-256 of the manifest", manifest.digest(_digests(found, paths)))
    else:
        if source.sha256:
            _expect(source, "SHA-256", sha256_of(found))
        check_gguf(found, source.uri)
    link(found, item.target)


def _digests(folder: Path, paths: list[Path]) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256_of(p) for p in paths}


def _expect(source: Source, name: str, actual: str) -> None:
    if actual != source.sha256:
        raise CommandError(wrong_digest(source.uri, name, actual, source.sha256 or ""))
