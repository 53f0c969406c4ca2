"""Wrong manifests made from the schema: every field, every bound on both sides. Pure.

The messages are not made here: the API server gives them, and `bad_input/<kind>.fields.yaml` keeps them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.bad_input_table import Long

from inferfleet.api.crdgen import RESOURCES, crd
from inferfleet.kube.kinds import Obj

Schema = Mapping[str, Any]
RULES = "x-kubernetes-validations"


@dataclass(frozen=True)
class Field:
    """A place in the schema, and where a base has it."""

    path: str
    """`spec.models[].name`; `{}` is any key of a map."""
    schema: Schema
    base: str
    pointer: str
    value: Any
    """What the base has there."""


def spec_schema(kind: str) -> Schema:
    """The generated schema of a kind's spec."""
    (resource,) = [r for r in RESOURCES if r.kind == kind]
    root: Schema = crd(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found: Schema = root["properties"]["spec"]
    return found


def paths(schema: Schema, path: str = "spec") -> Iterator[tuple[str, Schema]]:
    """Every place of a schema, itself first."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from paths(child, f"{path}.{name}")
    if "items" in schema:
        yield from paths(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from paths(schema["additionalProperties"], f"{path}{{}}")


def fields(kind: str, bases: Mapping[str, Obj]) -> list[Field]:
    """Every place that some base has, once; ValueError names what no base has."""
    schema = spec_schema(kind)
    found: dict[str, Field] = {}
    for name, base in bases.items():
        for field in _present(Field("spec", schema, name, "/spec", base["spec"])):
            found.setdefault(field.path, field)
    lacking = [path for path, _ in paths(schema) if path not in found]
    if lacking:
        raise ValueError(f"add to a base of {kind} in bases.yaml: {', '.join(lacking)}")
    return list(found.values())


def _present(field: Field) -> Iterator[Field]:
    yield field
    schema, value = field.schema, field.value
    for name, child in schema.get("properties", {}).items():
        if name in value:
            yield from _present(_under(field, child, f".{name}", name, value[name]))
    if "items" in schema:
        for index, item in enumerate(value):
            yield from _present(_under(field, schema["items"], "[]", str(index), item))
    if isinstance(schema.get("additionalProperties"), Mapping) and value:
        key = next(iter(value))
        yield from _present(_under(field, schema["additionalProperties"], "{}", _escaped(key), value[key]))


def _under(field: Field, schema: Schema, path: str, key: str, value: Any) -> Field:
    return Field(field.path + path, schema, field.base, f"{field.pointer}/{key}", value)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def generated(kind: str, bases: Mapping[str, Obj]) -> list[dict[str, Any]]:
    """The cases of a kind, without messages."""
    return [
        {"name": f"{field.path} {what}", "base": field.base} | change
        for field in fields(kind, bases)
        for what, change in _wrong(field)
    ]


Wrong = tuple[str, dict[str, Any]]
"""What is wrong, and the change that makes it so."""


def _wrong(field: Field) -> Iterator[Wrong]:
    yield from _types(field)
    yield from _members(field)
    yield from _bounds(field)
    yield from _lengths(field)
    yield from _forms(field)


def _set(field: Field, value: Any, key: str = "") -> dict[str, Any]:
    return {"set": {field.pointer + (f"/{key}" if key else ""): value}}


def _types(field: Field) -> Iterator[Wrong]:
    type_ = field.schema.get("type", "integer or string")
    wrong = {"string": 7, "integer": "7", "boolean": "yes", "integer or string": True}.get(type_, "text")
    yield f"that is no {type_}", _set(field, wrong)
    if type_ == "integer":
        yield "with a fraction", _set(field, 1.5)
    if _is_number(field.schema):
        yield "as a float", _set(field, 0.4)


def _is_number(schema: Schema) -> bool:
    return any("USD" in rule["message"] or "number" in rule["message"] for rule in schema.get(RULES, ()))


def _members(field: Field) -> Iterator[Wrong]:
    schema = field.schema
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        yield "with an unknown field", _set(field, "x", "aTypo")
    for name in schema.get("required", ()):
        yield f"without {name}", {"remove": [f"{field.pointer}/{name}"]}


def _bounds(field: Field) -> Iterator[Wrong]:
    schema = field.schema
    if "minimum" in schema:
        yield f"below {schema['minimum']}", _set(field, schema["minimum"] - 1)
    if "maximum" in schema:
        yield f"above {schema['maximum']}", _set(field, schema["maximum"] + 1)
    if "enum" in schema:
        yield "with a value that there is not", _set(field, "Fame")


def _lengths(field: Field) -> Iterator[Wrong]:
    schema = field.schema
    if schema.get("minLength"):
        yield "that is empty", _set(field, "")
    if "maxLength" in schema:
        longest = schema["maxLength"]
        yield f"of more than {longest} characters", _set(field, Long("!times", ["1", longest + 1]))
    if schema.get("minItems"):
        yield "without an item", _set(field, [])
    if "maxItems" in schema:
        item, key = field.value[0], next(iter(schema.get("x-kubernetes-list-map-keys", ())), None)
        yield f"of more than {schema['maxItems']}", _set(field, Long("!items", [schema["maxItems"] + 1, key, item]))
    if "x-kubernetes-list-map-keys" in schema:
        yield "with one item twice", _set(field, field.value[0], "-")
    if schema.get("minProperties"):
        yield "without a key", _set(field, {})
    if "maxProperties" in schema:
        yield f"of more than {schema['maxProperties']}", _set(field, Long("!keys", schema["maxProperties"] + 1))


_UNFORMED = {
    "duration": ("100", "1 s", "1d", "-5s", "1.5", "500us"),
    "USD": ("-1", "1e3", "0,40", "$1", "1.2.3", "free"),
    "quantity": ("5Gb", "1 Gi", "-1", "1,5Gi", "many"),
    "fraction": ("1.2", "0", "80%", ".8", "-0.5"),
    "above 0": ("0", "-1", "1,5", "3.35TB/s"),
    "number": ("-1", "1e3", "0,5", "+1", "\u0661"),
    "date": ("yesterday", "2026-13-01", "20.07.2026", "2026-7-1"),
    "URI": ("ftp://example.com/x", "example.com/x", "oci://with space"),
    "": ("not valid!", "a\tb", "caf\u00e9", "\u200bhidden", "a\u0000b"),
}
"""By a word of the message: wrong units, signs, floats, and characters that are not seen."""


def _forms(field: Field) -> Iterator[Wrong]:
    """Where a rule is about the form of one value, or of a map's keys: each field gets another usual mistake."""
    for rule in field.schema.get(RULES, ()):
        if rule["rule"].startswith("self.all(k, "):
            yield from _keys(field, rule["rule"])
        elif re.search(r"self\)?\.(matches|charAt)\(", rule["rule"]) and "properties" not in field.schema:
            values = next(values for word, values in _UNFORMED.items() if word in rule["message"])
            value = values[sum(field.path.encode()) % len(values)]
            yield f"as {value!a}", _set(field, value)


def _keys(field: Field, rule: str) -> Iterator[Wrong]:
    value = next(iter(field.value.values()))
    if longest := re.search(r"size\(k\) <= (\d+)", rule):
        yield f"with a key of more than {longest[1]} characters", _set(field, {"k" * (int(longest[1]) + 1): value})
    if "k.matches(" in rule:
        yield "with a key of another form", _set(field, {"not valid!": value})
