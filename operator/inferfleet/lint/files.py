"""The files that lint looks at. Reads."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inferfleet.lint.types import Position, Unreadable

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"


class UnusableError(Exception):
    """A path of the command line that names nothing to read; the message says what is wrong."""


@dataclass(frozen=True)
class Text:
    """A file as it was read."""

    file: str
    text: str


def gather(paths: Iterable[str]) -> Iterator[Text | Unreadable]:
    """The files themselves, and of folders every YAML and JSON file below them, in a stable order, each once."""
    seen: set[Path] = set()
    for path in paths:
        if path == STDIN:
            yield _decoded("stdin", sys.stdin.buffer.read())
            continue
        for file in _files(path):
            if (real := file.resolve()) not in seen:
                seen.add(real)
                yield _read(file, given=str(file) == str(Path(path)))


def _files(path: str) -> list[Path]:
    where = Path(path)
    if not where.is_dir():
        return [where]
    found = _below(where)
    if not found:
        raise UnusableError(f"{path}: there is no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file below it")
    return found


def holds_files(folder: str) -> bool:
    """Whether there is anything to read below it."""
    return bool(_below(Path(folder)))


def _below(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())


def _read(file: Path, *, given: bool) -> Text | Unreadable:
    try:
        return _decoded(str(file), file.read_bytes())
    except OSError as error:
        words = f"cannot be read: {error.strerror}"
        if given:
            raise UnusableError(f"{file}: {words}") from error
        return Unreadable(str(file), Position(1, 1), words)


def _decoded(name: str, raw: bytes) -> Text | Unreadable:
    try:
        return Text(name, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        position = Position(before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
        return Unreadable(name, position, "not text in UTF-8")
