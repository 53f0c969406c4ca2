"""One object against its CRD, in the order of the API server. Pure.

What stops the API server stops here too: after unknown fields nothing else is told, and CEL rules run only where
fields have their types, are there, and are not too long.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from inferfleet.lint import cel, lists, metadata, metatypes, strict, structural
from inferfleet.lint.engine import Engine
from inferfleet.lint.types import NOWHERE, Document, Fault, Json, Schema

UNCHECKED = Fault(
    (),
    NOWHERE,
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
)


@dataclass(frozen=True)
class Definition:
    """What lint needs of a CustomResourceDefinition."""

    kind: str
    version: str
    namespaced: bool
    schema: Schema
    has_status: bool
    """Whether status is written apart, and dropped from what a user creates."""


def definition(crd: Schema) -> Definition:
    """Of the version that is stored."""
    (version,) = [v for v in crd["spec"]["versions"] if v["storage"]]
    return Definition(
        kind=crd["spec"]["names"]["kind"],
        version=version["name"],
        namespaced=crd["spec"]["scope"] == "Namespaced",
        schema=version["schema"]["openAPIV3Schema"],
        has_status="status" in version.get("subresources", {}),
    )


def check(document: Document, known: Definition, engine: Engine) -> list[Fault]:
    """All that the API server would say to `kubectl create` with strict field validation."""
    if wrong := metatypes.check(document.value.get("metadata")):
        return wrong
    if unknown := strict.check(document, known.schema):
        return unknown
    obj = _prepared(document.value, known)
    faults = metadata.check(obj, namespaced=known.namespaced)
    faults += structural.check(obj, known.schema)
    faults += lists.check(obj, known.schema)
    if any(fault.blocking for fault in faults):
        return [*faults, UNCHECKED]
    return [*faults, *cel.check(obj, known.schema, engine)]


def _prepared(obj: Mapping[str, Json], known: Definition) -> dict[str, Json]:
    """As it comes to validation: its metadata is not the schema's, and no one sets a status by creating."""
    kept = {key: value for key, value in obj.items() if key != "status" or not known.has_status}
    prepared: dict[str, Json] = strict.without_nulls(kept, known.schema)
    return prepared | {"metadata": metadata.named(prepared.get("metadata") or {})}
