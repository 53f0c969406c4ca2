"""Fields that the schema does not know, and the forms in which an object reaches the other checks. Pure.

As `structural pruning` of apiextensions-apiserver 1.36: with strict field validation what would be dropped is an
error, and it is the only one that is told.
"""

from collections.abc import Iterator

from inferfleet.lint.metatypes import METADATA
from inferfleet.lint.types import Document, Fault, Json, Path, Schema

_TYPE_META = ("apiVersion", "kind", "metadata")
_PRESERVE = "x-kubernetes-preserve-unknown-fields"


def check(document: Document, schema: Schema) -> list[Fault]:
    """Duplicate keys, then unknown fields: of the metadata, and of the rest in alphabetical order."""
    twice = [_fault(path, f'duplicate field "{name_of(path)}"') for path in dict.fromkeys(document.duplicates)]
    metadata = _unknown(document.value.get("metadata"), METADATA, ("metadata",))
    unknown = [*metadata, *sorted(_unknown(document.value, schema, ()), key=name_of)]
    return [*twice, *(_fault(path, f'unknown field "{name_of(path)}"') for path in unknown)]


def _fault(path: Path, said: str) -> Fault:
    return Fault(path, "", f"strict decoding error: {said}", blocking=True)


def name_of(path: Path) -> str:
    """`spec.variants[0].name`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _unknown(value: Json, schema: Schema | None, path: Path) -> Iterator[Path]:
    keeps = bool((schema or {}).get(_PRESERVE))
    if isinstance(value, list):
        items = (schema or {}).get("items")
        for i, item in enumerate(() if keeps and items is None else value):
            yield from _unknown(item, items, (*path, i))
    elif isinstance(value, dict):
        for key, item in value.items():
            if not path and key in _TYPE_META:
                continue
            inner = schema_of(key, schema)
            if inner is not None:
                yield from _unknown(item, inner, (*path, key))
            elif not keeps:
                yield (*path, key)


def schema_of(key: str, schema: Schema | None) -> Schema | None:
    """Of a field or map value."""
    if schema is None:
        return None
    found = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
    return found if isinstance(found, dict) else None


def without_nulls(value: Json, schema: Schema | None) -> Json:
    """A null in a field that is not nullable is as good as no field; in a list it stays."""
    if isinstance(value, list):
        return [without_nulls(item, (schema or {}).get("items")) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: schema_of(key, schema) for key in value}
    return {key: without_nulls(item, inner[key]) for key, item in value.items() if not _drops(item, inner[key])}


def _drops(value: Json, schema: Schema | None) -> bool:
    return value is None and schema is not None and not schema.get("nullable")
