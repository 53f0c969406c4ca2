"""The node's cache of model files, shared by its pods. Reads and writes its folder; holds locks there.

Layout: `blobs/SHA256` is content; `index/KEY.json` says what a file of a server was; `parts/KEY` are
downloads on their way; `locks/KEY` is held by the one pod that downloads; `leases/SHA256/HOLDER` says who uses a blob.

Locks are the kernel's (flock): those of a pod that died are free. Nothing is taken from the cache before its source
was asked with the pod's own credentials, and nothing is used before it was read again and has its digest. A digest
that a server names counts only where that very server gave the content before: whoever may choose the server can have
it claim the digest of somebody else's file.
"""

import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inferfleet_runtime.files import publish, read_note, sha256_of, write_note
from inferfleet_runtime.weights.sources.http_client import Clock, origin
from inferfleet_runtime.weights.sources.remote import RemoteFile, verify

log = logging.getLogger(__name__)

LEASE_SECONDS = 3600.0
"""A lease that nobody renewed for so long has ended: its pod is gone."""
_STALE_PART = 86400.0
_FOLDERS = ("blobs", "index", "parts", "locks", "leases")
_ROOM = ".room"
"""The lock under which leases are written and blobs removed."""


@dataclass(frozen=True)
class Blob:
    """A file of the cache that this pod has a lease on."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Cache:
    """Make one with `opened`."""

    root: Path
    holder: str
    """This pod's name on its leases."""
    max_bytes: int | None
    """All blobs and parts together."""
    clock: Clock

    def obtain(
        self, file: RemoteFile, expected: str | None, download: Callable[[Path], None], waiting: Callable[[int], None]
    ) -> Blob | None:
        """The verified content, downloaded once by one pod of the node; None: there is no room for it.

        `download` fills the path that it is given; `waiting` is told the bytes that another pod has. Raises
        CommandError for a wrong digest.
        """
        key = _key(file)
        part = self.root / "parts" / key
        with self._locked(key, lambda: waiting(_size(part))):
            if (blob := self._held(file, key)) is not None:
                verify(blob.path, file, blob.sha256, expected)
                log.info("found in the node's cache", extra={"file": file.path, "sha256": blob.sha256})
                return blob
            if not self._make_room(max(0, (file.size or 0) - _size(part))):
                return None
            download(part)
            return self._add(part, file, key, expected)

    def _held(self, file: RemoteFile, key: str) -> Blob | None:
        note = read_note(self._index(key)) or {}
        sha256 = str(note.get("sha256") or "")
        if not sha256:
            return None
        path = self.root / "blobs" / sha256
        with self._locked(_ROOM):
            if not path.is_file():
                return None
            self._lease(sha256)
        if sha256_of(path) == sha256:
            self._touch(path)
            return Blob(path, sha256)
        log.warning("the node's cache held a damaged file: it is removed", extra={"sha256": sha256})
        path.unlink(missing_ok=True)
        return None

    def _add(self, part: Path, file: RemoteFile, key: str, expected: str | None) -> Blob:
        sha256 = verified(part, file, expected)
        path = self.root / "blobs" / sha256
        with self._locked(_ROOM):
            self._lease(sha256)
        publish(part, path)
        self._touch(path)
        write_note(self._index(key), {"sha256": sha256, "version": file.version})
        return Blob(path, sha256)

    def _index(self, key: str) -> Path:
        return self.root / "index" / f"{key}.json"

    def _make_room(self, size: int) -> bool:
        """Evict what was used longest ago, and nothing that is in use, until so many bytes more fit."""
        with self._locked(_ROOM):
            now = self.clock.utc().timestamp()
            for part in (self.root / "parts").iterdir():
                if now - _mtime(part, now) > _STALE_PART and self._is_free(part.name.removesuffix(".json")):
                    part.unlink(missing_ok=True)
            for blob in sorted((self.root / "blobs").iterdir(), key=lambda b: _mtime(b, now)):
                if self._fits(size):
                    break
                if not self._is_leased(blob.name, now):
                    log.info("evicted from the node's cache", extra={"sha256": blob.name, "bytes": _size(blob)})
                    blob.unlink(missing_ok=True)
            if self._fits(size):
                return True
        log.warning("the node's cache is full of files in use: this one is not kept", extra={"bytes": size})
        return False

    def _fits(self, size: int) -> bool:
        disk = os.statvfs(self.root)
        if size > disk.f_bavail * disk.f_frsize:
            return False
        held = sum(_size(p) for folder in ("blobs", "parts") for p in (self.root / folder).iterdir())
        return self.max_bytes is None or held + size <= self.max_bytes

    def _is_leased(self, sha256: str, now: float) -> bool:
        folder = self.root / "leases" / sha256
        leases = list(folder.iterdir()) if folder.is_dir() else []
        fresh = [lease for lease in leases if now - _mtime(lease, 0.0) < LEASE_SECONDS]
        for lease in set(leases) - set(fresh):
            lease.unlink(missing_ok=True)
        return bool(fresh)

    def _lease(self, sha256: str) -> None:
        folder = self.root / "leases" / sha256
        folder.mkdir(exist_ok=True)
        lease = folder / self.holder
        lease.touch()
        self._touch(lease)

    def _touch(self, path: Path) -> None:
        now = self.clock.utc().timestamp()
        os.utime(path, (now, now))

    def _is_free(self, key: str) -> bool:
        with (self.root / "locks" / key).open("a") as file:
            return _try_lock(file.fileno())

    @contextmanager
    def _locked(self, key: str, meanwhile: Callable[[], None] | None = None) -> Iterator[None]:
        with (self.root / "locks" / key).open("a") as file:
            said = False
            while not _try_lock(file.fileno()):
                if meanwhile and not said:
                    log.info("another pod of this node brings the file: waiting for it", extra={"lock": key})
                said = True
                if meanwhile:
                    meanwhile()
                self.clock.sleep(1.0 if meanwhile else 0.05)
            yield  # closing the file lets the lock go


def opened(root: Path, holder: str, max_bytes: int | None, clock: Clock) -> Cache | None:
    """The cache below `root`; None, with a warning, where this pod cannot write there: it does without."""
    try:
        for name in _FOLDERS:
            (root / name).mkdir(exist_ok=True)
        probe = root / "leases" / f".{holder}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        log.warning("the node's cache cannot be used: downloads are for this pod alone", extra={"reason": str(error)})
        return None
    return Cache(root, holder, max_bytes, clock)


def verified(part: Path, file: RemoteFile, expected: str | None) -> str:
    """The SHA-256 of a download. Removes one that `verify` refuses, so that the next try begins anew."""
    sha256 = sha256_of(part)
    try:
        verify(part, file, sha256, expected)
    except BaseException:
        part.unlink()
        raise
    return sha256


def _known_sha256(file: RemoteFile) -> str | None:
    return file.digest.hex if file.digest and file.digest.algorithm == "sha256" else None


def _key(file: RemoteFile) -> str:
    """One for the same bytes of one server: by their digest, else by address and version."""
    known = _known_sha256(file)
    what = f"{origin(file.url)}\n{known}" if known else f"{file.url}\n{file.version}"
    return hashlib.sha256(what.encode()).hexdigest()


def _size(path: Path) -> int:
    """0 once it is gone: another pod renames and removes meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _mtime(path: Path, gone: float) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return gone


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
