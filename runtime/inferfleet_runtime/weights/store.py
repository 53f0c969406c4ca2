"""Brings one remote file to its place: by way of the node's cache where there is one, verified in any case. Writes."""

import logging
from dataclasses import dataclass
from pathlib import Path

from inferfleet_runtime.files import link, publish, read_note, sha256_of, write_note
from inferfleet_runtime.weights.cache import Cache, verified
from inferfleet_runtime.weights.download import Download
from inferfleet_runtime.weights.progress import Progress
from inferfleet_runtime.weights.sources.http_client import Http
from inferfleet_runtime.weights.sources.remote import RemoteFile

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Store:
    """Where files go, and how."""

    http: Http
    progress: Progress
    cache: Cache | None = None

    @property
    def caches(self) -> bool:
        """Whether it is worth asking for a file's version before it is downloaded."""
        return self.cache is not None

    def bring(self, file: RemoteFile, target: Path, expected: str | None) -> str:
        """Leave the content at `target`, linked into the cache or its own; its SHA-256.

        Raises CommandError, above all for a digest that is not `expected` or not the server's; then nothing is there.
        """
        self.progress.expect(file.uri, file.size)
        report = self.progress.report(file.uri)
        if self.cache and file.version:
            blob = self.cache.obtain(
                file,
                expected,
                download=lambda part: self._download(file, part, expected),
                waiting=lambda there: report(there, file.size),
            )
            if blob:
                size = blob.path.stat().st_size
                report(size, size)
                link(blob.path, target)
                return blob.sha256
        return self._directly(file, target, expected)

    def gather(self, file: RemoteFile, target: Path) -> str:
        """As `bring`, for a file of a folder: what an earlier run, cut later, left whole is taken.

        A note beside it says what it is where the server names no digest; it goes when the folder is published.
        """
        note = target.with_name(f".{target.name}.whole")
        noted = read_note(note) or {}
        sha256, identity = noted.pop("sha256", None), {"url": file.identity, "size": file.size}
        own = target.is_file() and not target.is_symlink()  # what is cached is asked for again, for its lease
        if own and file.version and sha256 and noted == identity and sha256_of(target) == sha256:
            self._whole(file, target)
            return str(sha256)
        found = self.bring(file, target, None)
        if not target.is_symlink():
            write_note(note, identity | {"sha256": found})
        return found

    def _directly(self, file: RemoteFile, target: Path, expected: str | None) -> str:
        part = target.with_name(target.name + ".part")
        if (sha256 := self._is_whole(file, target)) is not None:
            return sha256
        self._download(file, part, expected)
        sha256 = verified(part, file, expected)
        publish(part, target)
        return sha256

    def _is_whole(self, file: RemoteFile, target: Path) -> str | None:
        """The SHA-256 of a file of a folder that an earlier run, cut later, has left; None: download it."""
        if not target.is_file() or file.digest is None or file.digest.of(target) != file.digest.hex:
            return None
        self._whole(file, target)
        return sha256_of(target)

    def _whole(self, file: RemoteFile, target: Path) -> None:
        size = target.stat().st_size
        self.progress.report(file.uri)(size, size)

    def _download(self, file: RemoteFile, part: Path, expected: str | None) -> None:
        checked = expected is not None or file.digest is not None
        Download(file, part, checked or _is_pinned(file), self.http, self.progress.report(file.uri)).run()


def _is_pinned(file: RemoteFile) -> bool:
    return file.pinned and file.version is not None
