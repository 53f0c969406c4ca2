"""Small helpers for model files. Reads and writes the paths that it is given."""

import hashlib
import os
from pathlib import Path

from inferfleet_runtime.errors import CommandError


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_gguf(path: Path) -> None:
    """Raise CommandError unless the file begins as a little-endian GGUF file does."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise CommandError(f"{path}: not a GGUF file (begins with {magic!r}); give a source that is one")


def link(target: Path, name: Path) -> None:
    """Make `name` a symbolic link to `target`, replacing what was there in one step."""
    temporary = name.with_name(name.name + ".link")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(name)


def publish(part: Path, name: Path) -> None:
    """Give a complete file its final name; after a crash the name holds all of it or none."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(name)
