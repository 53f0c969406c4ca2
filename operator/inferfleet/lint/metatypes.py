"""The types of `metadata`, which are Go's and not the schema's. Pure.

`ObjectMeta` of k8s.io/apimachinery 1.36, and the words of its JSON decoder, which stops at the first wrong type.
"""

import re
from collections.abc import Iterator

from inferfleet.lint.gotext import number, quote
from inferfleet.lint.types import Fault, Json, Path, Schema

_TEXT: Schema = {"go": "string"}
_TRUTH: Schema = {"go": "bool"}
_WHOLE: Schema = {"go": "int64"}
_TIME: Schema = {"go": "v1.Time"}
_ANY: Schema = {"go": "", "x-kubernetes-preserve-unknown-fields": True}
_TEXTS: Schema = {"go": "map[string]string", "additionalProperties": _TEXT}
_OWNER: Schema = {
    "go": "v1.OwnerReference",
    "properties": {
        "apiVersion": _TEXT,
        "blockOwnerDeletion": _TRUTH,
        "controller": _TRUTH,
        "kind": _TEXT,
        "name": _TEXT,
        "uid": {"go": "types.UID"},
    },
}
_MANAGED: Schema = {
    "go": "v1.ManagedFieldsEntry",
    "properties": {
        "apiVersion": _TEXT,
        "fieldsType": _TEXT,
        "fieldsV1": _ANY,
        "manager": _TEXT,
        "operation": {"go": "v1.ManagedFieldsOperationType"},
        "subresource": _TEXT,
        "time": _TIME,
    },
}
METADATA: Schema = {
    "go": "v1.ObjectMeta",
    "properties": {
        "annotations": _TEXTS,
        "creationTimestamp": _TIME,
        "deletionGracePeriodSeconds": _WHOLE,
        "deletionTimestamp": _TIME,
        "finalizers": {"go": "[]string", "items": _TEXT},
        "generateName": _TEXT,
        "generation": _WHOLE,
        "labels": _TEXTS,
        "managedFields": {"go": "[]v1.ManagedFieldsEntry", "items": _MANAGED},
        "name": _TEXT,
        "namespace": _TEXT,
        "ownerReferences": {"go": "[]v1.OwnerReference", "items": _OWNER},
        "resourceVersion": _TEXT,
        "selfLink": _TEXT,
        "uid": {"go": "types.UID"},
    },
}
_TIME_FORM = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_JSON = {bool: "bool", str: "string", int: "number", float: "number", list: "array", dict: "object"}


def check(metadata: Json) -> list[Fault]:
    """The first wrong type in alphabetical order of fields, or nothing."""
    return list(_check(metadata, METADATA, ("metadata",), "Go value"))[:1]


def _check(value: Json, schema: Schema, path: Path, where: str) -> Iterator[Fault]:
    if value is None or not schema["go"]:
        return
    if schema is _TIME:
        yield from _time(value, path)
    elif not _fits(value, schema):
        fraction = isinstance(value, float) and schema is _WHOLE
        written = f"number {number(value)}" if fraction else _JSON[type(value)]
        said = f"json: cannot unmarshal {written} into {where} of type {schema['go']}"
        yield Fault(path, "", said, blocking=True)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _check(item, schema["items"], (*path, i), where)
    elif isinstance(value, dict):
        for key in sorted(value):
            if inner := schema.get("properties", {}).get(key, schema.get("additionalProperties")):
                yield from _check(value[key], inner, (*path, key), _below(where, schema, key))


def _fits(value: Json, schema: Schema) -> bool:
    if "items" in schema:
        return isinstance(value, list)
    if "properties" in schema or "additionalProperties" in schema:
        return isinstance(value, dict)
    wanted = {"bool": bool, "int64": int}.get(schema["go"], str)
    return type(value) is wanted


def _below(where: str, schema: Schema, key: str) -> str:
    """How the decoder names a field: its struct, and the path to it; of a map, the map's."""
    if "properties" not in schema:
        return where
    return f"Go struct field ObjectMeta.{key}" if schema is METADATA else f"{where}.{key}"


def _time(value: Json, path: Path) -> Iterator[Fault]:
    if not isinstance(value, str):
        said = f"json: cannot unmarshal {_JSON[type(value)]} into Go value of type string"
        yield Fault(path, "", said, blocking=True)
    elif not _TIME_FORM.fullmatch(value):
        # What Go says depends on where its parser stops; here it is said for all of the text.
        said = f'parsing time {quote(value)} as "2006-01-02T15:04:05Z07:00": cannot parse {quote(value)} as "2006"'
        yield Fault(path, "", said, blocking=True)
