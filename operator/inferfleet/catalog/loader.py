"""Load the catalog's YAML into frozen types. Reads only the files of this folder, and those of one more on request."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from inferfleet.catalog.check import across
from inferfleet.catalog.engine_entries import EngineEntry
from inferfleet.catalog.entry import Entry
from inferfleet.catalog.hardware_entries import Accelerator
from inferfleet.catalog.kinds import FILES
from inferfleet.catalog.merge import CatalogError, explain, merged, problems
from inferfleet.catalog.model_entries import ModelArchitecture
from inferfleet.catalog.quantization_entries import Quantization
from inferfleet.catalog.workload_entries import WorkloadPreset

__all__ = [
    "FILES",
    "Accelerator",
    "Catalog",
    "CatalogError",
    "EngineEntry",
    "Entry",
    "ModelArchitecture",
    "Quantization",
    "WorkloadPreset",
    "load",
]

_T = TypeVar("_T", bound=Entry)

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C where PyYAML was built with it: ten times faster."""


@dataclass(frozen=True)
class Catalog:
    """Every entry by name."""

    accelerators: Mapping[str, Accelerator]
    models: Mapping[str, ModelArchitecture]
    quantizations: Mapping[str, Quantization]
    engines: Mapping[str, EngineEntry]
    workloads: Mapping[str, WorkloadPreset]

    @property
    def kinds(self) -> Mapping[str, Mapping[str, Entry]]:
        """By the names of the files."""
        return {
            "hardware": self.accelerators,
            "engines": self.engines,
            "quantizations": self.quantizations,
            "models": self.models,
            "workloads": self.workloads,
        }


def load(extra: Path | None = None) -> Catalog:
    """The catalog that ships with the package, with the entries of a folder over it; read once a process.

    Raises CatalogError, which names file, entry and field of everything that is wrong.
    """
    return _load(extra)


@cache
def _load(extra: Path | None) -> Catalog:
    if extra is not None:
        _check_folder(extra)
    bundled = _load(None).kinds if extra else {}
    found = Catalog(
        accelerators=_read("hardware", Accelerator, bundled, extra),
        models=_read("models", ModelArchitecture, bundled, extra),
        quantizations=_read("quantizations", Quantization, bundled, extra),
        engines=_read("engines", EngineEntry, bundled, extra),
        workloads=_read("workloads", WorkloadPreset, bundled, extra),
    )
    if wrong := across(found.accelerators, found.engines, found.quantizations):
        raise CatalogError("\n".join(wrong))
    return found


def _check_folder(extra: Path) -> None:
    """A misspelt file would be ignored in silence."""
    if not extra.is_dir():
        raise CatalogError(f"{extra} is not a folder with {', '.join(FILES.values())}")
    for file in sorted(extra.iterdir()):
        if file.suffix in (".yaml", ".yml") and file.name not in FILES.values():
            raise CatalogError(f"{file} is no file of the catalog; name it one of {', '.join(FILES.values())}")


def _read(kind: str, entry: type[_T], bundled: Mapping[str, Mapping[str, Any]], extra: Path | None) -> Mapping[str, _T]:
    """The bundled entries; with a folder, those that it does not touch as they are and the others anew."""
    base = _bundled(kind)
    if extra is None:
        found = {name: _entry(FILES[kind], entry, raw, None) for name, raw in base.items()}
    else:
        file = str(extra / FILES[kind])
        new = {name: _entry(file, entry, base.get(name), over) for name, over in _given(Path(file)).items()}
        found = {**bundled[kind], **new}
    return MappingProxyType(found)


def _given(file: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        return _items(str(file), file.read_text("utf-8")) if file.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{file}: cannot be read: {error}") from error


@cache
def _bundled(kind: str) -> Mapping[str, Mapping[str, Any]]:
    return _items(FILES[kind], files("inferfleet.catalog").joinpath(FILES[kind]).read_text("utf-8"))


def _items(where: str, text: str) -> Mapping[str, Mapping[str, Any]]:
    """Raw entries by name."""
    try:
        raw: Any = yaml.load(text, _LOADER) or []  # noqa: S506  both are safe loaders
    except yaml.YAMLError as error:
        raise CatalogError(f"{where}: not YAML: {error}") from error
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        raise CatalogError(f"{where}: must be a list of entries, each with a name")
    found: dict[str, Mapping[str, Any]] = {}
    for number, item in enumerate(raw, 1):
        name = item.get("name")
        if not isinstance(name, str) or not name:
            raise CatalogError(f"{where}: entry {number} has no name")
        if name in found:
            raise CatalogError(f"{where}: entry {name} is there twice; keep one")
        found[name] = item
    return found


def _entry(where: str, entry: type[_T], base: Mapping[str, Any] | None, over: Mapping[str, Any] | None) -> _T:
    name = (over or base or {})["name"]
    try:
        found = entry.model_validate(merged(base, over))
    except ValidationError as error:
        raise CatalogError(explain(where, name, error, entry)) from error
    if wrong := problems(found, over):
        raise CatalogError("\n".join(f"{where}: entry {name}: {problem}" for problem in wrong))
    return found
