"""What is odd about the files and not wrong: names that the catalog lacks, overlays that are not rendered. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from inferfleet.api.hardware_pool import HardwarePoolSpec
from inferfleet.api.model import ModelSpec
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Catalog
from inferfleet.lint import references
from inferfleet.lint.files import Text
from inferfleet.lint.references import Unknown
from inferfleet.lint.types import Unreadable
from inferfleet.names import Reason
from inferfleet.offline.given import Files, Given, ObjectKey

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml")
PLAIN = frozenset({"apiVersion", "kind", "metadata", "resources"})
"""Of a kustomization that changes nothing."""
LISTED = 3
"""Files in a sentence."""
T = TypeVar("T", bound=BaseModel)


def unknown_names(files: Files, catalog: Catalog) -> list[str]:
    """Presets, engines and quantizations that the catalog lacks, each with its place and what may have been meant."""
    return [
        f"{given.place(unknown.path)}: {key[0]} {key[2]}: {unknown.message}"
        for key, given in sorted(files.objects.items())
        for unknown in _unknown(key, given, catalog)
        if unknown.reason != Reason.CLASS_NOT_FOUND  # told as what is broken
    ]


def _unknown(key: ObjectKey, given: Given, catalog: Catalog) -> Iterator[Unknown]:
    raw = given.value.get("spec", {})
    match key[0]:
        case "HardwarePool":
            yield from (u for spec in _parsed(HardwarePoolSpec, raw) for u in references.of_pool(spec, catalog))
        case "WorkloadClass":
            yield from (u for spec in _parsed(WorkloadClassSpec, raw) for u in references.of_class(spec, catalog))
        case "Model":
            yield from (u for spec in _parsed(ModelSpec, raw) for u in references.of_model(spec, catalog, ()))


def _parsed(type_: type[T], raw: Any) -> Iterable[T]:
    """Nothing of what the types refuse: that is told as what is broken."""
    try:
        return (type_.model_validate(raw),)
    except ValidationError:
        return ()


def not_rendered(texts: Iterable[Text | Unreadable]) -> list[str]:
    """Overlays among the files: what they would change is not changed."""
    found = [t.file for t in texts if isinstance(t, Text) and _changes(t)]
    return [_sentence(found)] if found else []


def _changes(text: Text) -> bool:
    if PurePath(text.file).name not in KUSTOMIZATIONS:
        return False
    try:
        value = yaml.safe_load(text.text)
    except yaml.YAMLError:
        return False  # told as an error
    return isinstance(value, dict) and not value.keys() <= PLAIN


def _sentence(found: Sequence[str]) -> str:
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    folder = PurePath(found[0]).parent
    return (
        f"{', '.join(found[:LISTED])}{more}: what it changes is not applied; render it first, for example with "
        f"kubectl kustomize {folder}, and give what that prints as standard input (-)"
    )
