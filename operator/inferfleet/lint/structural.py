"""A value against the structural schema of a CRD: types, bounds, enums, required fields. Pure.

The checks, their order and their words are those of kube-apiserver 1.36 (`k8s.io/kube-openapi/pkg/validation` and
`apiextensions-apiserver/pkg/apiserver/validation`), for the keywords in `KEYWORDS`.
"""

import re
from collections.abc import Iterator

from inferfleet.lint.gotext import bad, number, quote
from inferfleet.lint.scalars import INT64
from inferfleet.lint.types import NOWHERE, Fault, Json, Path, Schema

CHECKED = {
    "type",
    "nullable",
    "anyOf",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "additionalProperties",
    "required",
    "minProperties",
    "maxProperties",
    "x-kubernetes-int-or-string",
}
OTHERS = {
    "default",
    "description",
    "format",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
}
"""Checked elsewhere, or not at all: there is no format in `spec`, and the only default is of `status`."""
KEYWORDS = CHECKED | OTHERS
LARGEST_WHOLE = 2**53 - 1
"""Floating point numbers above it are not taken for integers."""


def check(value: Json, schema: Schema) -> list[Fault]:
    """All that is wrong with an object; the same words are said once."""
    return list({fault.text: fault for fault in _check(value, schema, (), "")}.values())


def _check(value: Json, schema: Schema, path: Path, name: str) -> Iterator[Fault]:
    types = ["integer", "string"] if schema.get("x-kubernetes-int-or-string") else [schema["type"]] * ("type" in schema)
    yield from _type(value, types, schema, path, name)
    if value is not None:
        yield from _any_of(value, schema, path, name)
    if isinstance(value, str):
        yield from _string(value, schema, path, name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from _whole(value, types, path, name)
        yield from _number(value, schema, path, name)
    if isinstance(value, list):
        yield from _list(value, schema, path, name)
    yield from _enum(value, schema, path, name)
    if isinstance(value, dict):
        yield from _object(value, schema, path, name)


def type_of(value: Json) -> str:
    """In the words of JSON Schema."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return names[type(value)]


def _type(value: Json, types: list[str], schema: Schema, path: Path, name: str) -> Iterator[Fault]:
    actual = type_of(value)
    if not types or actual in types or (value is None and schema.get("nullable")):
        return
    if actual == "integer" and "number" in types:
        return
    if isinstance(value, float) and "integer" in types and value.is_integer() and abs(value) <= LARGEST_WHOLE:
        return
    said = f'{name} in body must be of type {",".join(types)}: "{actual}"'
    yield Fault(path, name, f"Invalid value: {quote(actual)}: {said}", blocking=True)


def _any_of(value: Json, schema: Schema, path: Path, name: str) -> Iterator[Fault]:
    """Where no alternative fits, the first one's faults are told: ours differ in type alone."""
    alternatives = [list(_check(value, option, path, name)) for option in schema.get("anyOf", ())]
    if alternatives and all(alternatives):
        yield Fault(path, NOWHERE, f'Invalid value: "": {quote(name)} must validate at least one schema (anyOf)')
        yield from alternatives[0]


def _string(value: str, schema: Schema, path: Path, name: str) -> Iterator[Fault]:
    most, least, pattern = (schema.get(key) for key in ("maxLength", "minLength", "pattern"))
    if most is not None and len(value) > most:
        yield Fault(path, name, f"Too long: may not be more than {most} byte{'' if most == 1 else 's'}", blocking=True)
    elif least is not None and len(value) < least:
        yield _invalid(value, path, name, f"should be at least {least} chars long")
    elif pattern is not None and not re.search(_anchored(pattern), value):
        yield _invalid(value, path, name, f"should match '{pattern}'")


def _anchored(pattern: str) -> str:
    """`$` is the end of the text in Go, while Python lets a line break follow it."""
    return re.sub(r"(?<!\\)\$$", r"\\Z", pattern)


def _whole(value: float, types: list[str], path: Path, name: str) -> Iterator[Fault]:
    if isinstance(value, float) and types == ["integer"] and not (value.is_integer() and int(value) in INT64):
        said = f"Checked value must be of type integer (default format) in {name}"
        yield Fault(path, NOWHERE, f'Invalid value: "": {said}')


def _number(value: float, schema: Schema, path: Path, name: str) -> Iterator[Fault]:
    most, least = (type(value)(schema[key]) if key in schema else None for key in ("maximum", "minimum"))
    if most is not None and value > most:
        yield _invalid(value, path, name, f"should be less than or equal to {number(most)}")
    if least is not None and value < least:
        yield _invalid(value, path, name, f"should be greater than or equal to {number(least)}")


def _enum(value: Json, schema: Schema, path: Path, name: str) -> Iterator[Fault]:
    allowed = schema.get("enum")
    if allowed and value not in allowed:
        supported = ", ".join(quote(option if isinstance(option, str) else bad(option)) for option in allowed)
        yield Fault(path, name, f"Unsupported value: {bad(value)}: supported values: {supported}", blocking=True)


def _list(value: list[Json], schema: Schema, path: Path, name: str) -> Iterator[Fault]:
    if items := schema.get("items"):
        for i, item in enumerate(value):
            yield from _check(item, items, (*path, i), f"{name}[{i}]")
    most, least = schema.get("maxItems"), schema.get("minItems")
    if least is not None and len(value) < least:
        yield _invalid(len(value), path, name, f"should have at least {least} items")
    if most is not None and len(value) > most:
        yield _too_many(len(value), most, path, name)


def _object(value: dict[str, Json], schema: Schema, path: Path, name: str) -> Iterator[Fault]:
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if least is not None and len(value) < least:
        yield _invalid(len(value), path, name, f"should have at least {least} properties")
    if most is not None and len(value) > most:
        yield _too_many(len(value), most, path, name)
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key, item in value.items():
        inner = properties.get(key, others)
        if isinstance(inner, dict):
            yield from _check(item, inner, (*path, key), f"{name}.{key}" if name else key)
    for key in schema.get("required", ()):
        if key not in value:
            yield Fault(path, f"{name}.{key}" if name else key, "Required value", blocking=True)


def _too_many(count: int, most: int, path: Path, name: str) -> Fault:
    return Fault(
        path, name, f"Too many: {count}: must have at most {most} item{'' if most == 1 else 's'}", blocking=True
    )


def _invalid(value: Json, path: Path, name: str, said: str) -> Fault:
    return Fault(path, name, f"Invalid value: {bad(value)}: {name} in body {said}")
