"""Small helpers for model files. Reads and writes the paths that it is given."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inferfleet_runtime.errors import CommandError


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_gguf(path: Path, uri: str = "") -> None:
    """Raise CommandError unless the file begins as a little-endian GGUF file does; `uri`: what the user calls it."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise CommandError(f"{uri or path}: not a GGUF file (begins with {magic!r}); give a source that is one")


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


def write_note(name: Path, content: Mapping[str, Any]) -> None:
    """Write a small JSON object; after a crash the name holds the old one, the new one or none."""
    part = name.with_name(name.name + ".new")
    part.write_text(json.dumps(content), encoding="utf-8")
    publish(part, name)


def read_note(name: Path) -> dict[str, Any] | None:
    """What `write_note` left; None when there is none or it is damaged, which is the same to its readers."""
    try:
        content = json.loads(name.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
