"""Which documents are ours to check. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from inferfleet.api.base import GROUP
from inferfleet.lint.check import Definition
from inferfleet.lint.types import Document, Fault, Json

BARE_LIST = (
    "a list of objects, which kubectl cannot read: write them as documents with --- between them, or as the items of "
    "an object of apiVersion: v1 and kind: List"
)


@dataclass(frozen=True)
class Ours:
    """An object of one of our kinds."""

    document: Document
    definition: Definition

    @property
    def label(self) -> str:
        """`Model assistants/llama`."""
        return f"{self.definition.kind} {'/'.join(part for part in self.key if part) or '(without a name)'}"

    @property
    def key(self) -> tuple[str, str]:
        """Namespace, where it has and needs one, and name."""
        metadata = self.document.value.get("metadata")
        given = metadata if isinstance(metadata, dict) else {}
        name, namespace = given.get("name") or given.get("generateName"), given.get("namespace")
        given_namespace = namespace if self.definition.namespaced and isinstance(namespace, str) else ""
        return given_namespace, name if isinstance(name, str) else ""


@dataclass(frozen=True)
class Foreign:
    """Somebody else's object, or no object at all."""

    document: Document


@dataclass(frozen=True)
class Misnamed:
    """Meant to be ours, but the API server would not know what it is."""

    document: Document
    fault: Fault


def sort(document: Document, definitions: Mapping[str, Definition]) -> Ours | Foreign | Misnamed:
    """By its apiVersion and kind."""
    value = document.value
    if not isinstance(value, dict):
        return Misnamed(document, Fault((), "", BARE_LIST)) if _is_bare_list(value) else Foreign(document)
    version, kind = value.get("apiVersion"), value.get("kind")
    ours = isinstance(version, str) and version.split("/")[0] == GROUP
    known = definitions.get(kind) if isinstance(kind, str) else None
    if known and version == f"{GROUP}/{known.version}":
        return Ours(document, known)
    if ours and kind is None:
        return Misnamed(document, Fault((), "", "Object 'Kind' is missing"))
    if ours:
        return Misnamed(document, Fault(("kind",), "", _no_match(kind, version, definitions)))
    if known and version is None:
        told = f"apiVersion not set: a {known.kind} of Inferfleet has apiVersion {GROUP}/{known.version}"
        return Misnamed(document, Fault(("kind",), "", told))
    return Foreign(document)


def _is_bare_list(value: Json) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) and "apiVersion" in item for item in value)


def _no_match(kind: object, version: object, definitions: Mapping[str, Definition]) -> str:
    known = ", ".join(f"{d.kind} ({GROUP}/{d.version})" for d in definitions.values())
    return f'no matches for kind "{kind}" in version "{version}": there are {known}'
