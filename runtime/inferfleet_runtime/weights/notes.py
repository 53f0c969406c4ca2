"""What an artifact in the pod came from: the note beside it, and whether it still holds. Reads and writes notes."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inferfleet_runtime import contract
from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import RuntimeConfig, Source
from inferfleet_runtime.engines import ENGINES
from inferfleet_runtime.engines.vendors.vendor import DRAFT_DIR, adapter_dir
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import read_note, sha256_of, write_note
from inferfleet_runtime.weights.sources.remote import wrong_digest
from inferfleet_runtime.weights.sources.seam import Wants


@dataclass(frozen=True)
class Wanted:
    """One artifact of the configuration."""

    source: Source
    target: Path
    wants: Wants = "gguf"

    def beside(self, suffix: str) -> Path:
        """A path that belongs to the artifact."""
        return self.target.with_name(self.target.name + suffix)

    @property
    def note(self) -> Path:
        """JSON: `uri`, `revision` and `sha256` as asked, `resolved` (commit), `bytes`."""
        return self.beside(".source.json")

    @property
    def manifest(self) -> Path:
        """Of a folder that was downloaded: a line for each file, as `sha256sum` writes it."""
        return self.beside(".sha256")


def wanted(config: RuntimeConfig, paths: Paths) -> tuple[Wanted, ...]:
    """The model, the speculator's weights and the adapters. Raises CommandError."""
    profile = ENGINES.get(config.engine)
    wants = profile.wants if profile else "directory"  # engines that are only rendered are vendors'
    folders = wants == "directory"
    found = [Wanted(config.source, paths.at(contract.MODEL_DIR) if folders else paths.fetched, wants)]
    if config.speculation and config.speculation.source:
        draft = DRAFT_DIR if folders else contract.DRAFT_FILE
        found.append(Wanted(config.speculation.source, paths.at(draft), wants))
    for adapter in config.adapters or ():
        if "/" in adapter.name or adapter.name.startswith("."):
            raise CommandError(f"adapters: {adapter.name!r} cannot be the name of a file")
        place = adapter_dir(adapter.name) if folders else config.adapter_file(adapter.name)
        found.append(Wanted(adapter.source, paths.at(place), wants))
    return tuple(found)


def is_there(item: Wanted) -> bool:
    """Whether an earlier run left this very content. With a digest it is read again; without, its size must do."""
    if not item.target.exists() or not _is_noted(item):
        return False
    if item.target.is_dir():
        return _as_listed(item)
    return item.source.sha256 is None or sha256_of(item.target) == item.source.sha256


def take(item: Wanted, resolved: str) -> dict[str, Any]:
    """Write the note of what is there now; the note."""
    note = _identity(item) | {"resolved": resolved}
    write_note(item.note, note)
    return note


def remove(item: Wanted) -> None:
    """What is there, whole or half, under the final names. Parts stay: they are gone on with."""
    if item.target.is_dir() and not item.target.is_symlink():
        shutil.rmtree(item.target)
    for file in (item.target, item.note, item.manifest, item.beside(".layer"), item.beside(".archive")):
        file.unlink(missing_ok=True)
    for suffix in (".image", ".unpacked"):
        shutil.rmtree(item.beside(suffix), ignore_errors=True)


def refuse_unverified(config: RuntimeConfig, paths: Paths) -> None:
    """Before anything is loaded: raise CommandError for an artifact whose digest was asked for and never confirmed."""
    for item in wanted(config, paths):
        expected = item.source.sha256
        if expected is None or not item.target.exists() or _is_noted(item):
            continue
        if item.target.is_dir():
            raise CommandError(f"{item.target}: was never verified; run `inferfleet-runtime fetch` first")
        if (actual := sha256_of(item.target)) != expected:
            raise CommandError(wrong_digest(str(item.target), "SHA-256", actual, expected))


def _is_noted(item: Wanted) -> bool:
    note, identity = read_note(item.note) or {}, _identity(item)
    return {name: note.get(name) for name in identity} == identity


def _identity(item: Wanted) -> dict[str, Any]:
    files = [item.target] if item.target.is_file() else [p for p in item.target.rglob("*") if p.is_file()]
    return {
        "uri": item.source.uri,
        "revision": item.source.revision,
        "sha256": item.source.sha256,
        "bytes": sum(p.stat().st_size for p in files),
    }


def _as_listed(item: Wanted) -> bool:
    if not item.manifest.exists():
        return True  # linked: it is mounted and not ours
    lines = [line.partition("  ") for line in item.manifest.read_text(encoding="utf-8").splitlines()]
    paths = [(item.target / path, digest) for digest, _, path in lines]
    return all(path.is_file() and sha256_of(path) == digest for path, digest in paths)
