"""What every source says of its files, so that one way of downloading serves all. Pure."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inferfleet_runtime.errors import CommandError

_BLOCK = 2**20
Sign = Callable[[], Mapping[str, str]]
"""Headers of one request: made anew for each attempt, since signatures age and tokens run out."""


@dataclass(frozen=True)
class Digest:
    """Of a file's content, in lower-case hexadecimal."""

    algorithm: Literal["sha256", "git-sha1", "md5"]
    """git-sha1: of a Git blob, which is the content after a header with its length."""
    hex: str

    def of(self, path: Path) -> str:
        """The same digest of the file at `path`."""
        name = "sha1" if self.algorithm == "git-sha1" else self.algorithm
        # what a server says of its file is compared against damage, whatever it used; trust comes from SHA-256 alone
        digest = hashlib.new(name, usedforsecurity=False)
        if self.algorithm == "git-sha1":
            digest.update(f"blob {path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()


@dataclass(frozen=True)
class RemoteFile:
    """One file that can be downloaded."""

    path: str
    """Inside what the source names, with slashes."""
    uri: str
    """The source that names this one file: what a user would write."""
    url: str
    sign: Sign = dict
    size: int | None = None
    digest: Digest | None = None
    """What the server says that it is; verified."""
    version: str | None = None
    """Other for other content: a digest, a commit, a strong ETag. None: nobody knows."""
    etag: str | None = None
    """Sent as If-Match where the address alone does not pin the content."""
    pinned: bool = True
    """Whether address and `etag` together always mean the same bytes, so that a part of it can be gone on with."""

    @property
    def identity(self) -> str:
        """Of this version, for a note on disk: a query may hold a signature, so only its digest is kept."""
        address, _, query = self.url.partition("?")
        asked = f"?{hashlib.sha256(query.encode()).hexdigest()}" if query else ""
        return f"{address}{asked} {self.version or ''}".rstrip()


@dataclass(frozen=True)
class Listing:
    """The files of a source at one revision."""

    files: tuple[RemoteFile, ...]
    revision: str = ""
    """What a branch or tag stood for; empty where the source has no revisions."""


def verify(path: Path, file: RemoteFile, sha256: str, expected: str | None) -> None:
    """Raise CommandError unless the file is what the user (`expected`) and the server say; `sha256` is its own."""
    if expected and sha256 != expected:
        raise CommandError(wrong_digest(file.uri, "SHA-256", sha256, expected))
    if file.digest is None:
        return
    actual = sha256 if file.digest.algorithm == "sha256" else file.digest.of(path)
    if actual != file.digest.hex:
        raise CommandError(wrong_digest(file.uri, f"{file.digest.algorithm} digest", actual, file.digest.hex))


def wrong_digest(uri: str, name: str, actual: str, expected: str) -> str:
    """The sentence about it."""
    return (
        f"{uri}: {name} is {actual}, expected {expected}; the file was damaged or replaced, or the expectation is wrong"
    )
