"""pydantic types to JSON Schemas for editors (draft-07, which every YAML language server reads). Pure.

Other than the CRDs these carry defaults, examples and patterns, and refuse unknown fields: an editor underlines
a typo while it is typed. What only CEL can say stands in the descriptions, as the sentence that the API server
would answer with.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from inferfleet.api.base import GROUP, VERSION, Resource
from inferfleet.api.quantities import format_duration
from inferfleet.api.strings import MESSAGE

Schema = dict[str, Any]
DRAFT = "http://json-schema.org/draft-07/schema#"
RULES = "x-kubernetes-validations"

_DROPPED = {"title", "$defs", "examples", "patternProperties"}
_INSIDE = ("items", "additionalProperties", "propertyNames")
_ONE_OF = re.compile(r"has\(self\.(\w+)\) != has\(self\.(\w+)\)")
_NAME_PATTERN = re.compile(r"self\.metadata\.name\.matches\('(.+)'\)")
_EXAMPLES = re.compile(r"(?:for example|such as) (\[[^\]]*\]|[^;,()]+?)(?:[;,()]|\. |\.$|$)")


def schemas(resources: tuple[Resource, ...]) -> dict[str, Schema]:
    """File name to schema: one for each kind, and `all.json` for files that mix them."""
    single = {file_name(resource): editor_schema(resource) for resource in resources}
    return {**single, "all.json": _any_of_them(resources)}


def file_name(resource: Resource) -> str:
    """`model_v1alpha1.json`, as collections of CRD schemas name them."""
    return f"{resource.kind.lower()}_{VERSION}.json"


def editor_schema(resource: Resource) -> Schema:
    """The schema of one kind, without references."""
    return {
        "$schema": DRAFT,
        "title": f"{resource.kind} {GROUP}/{VERSION}",
        "description": resource.description,
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {"const": f"{GROUP}/{VERSION}", "description": "Group and version of the kind."},
            "kind": {"const": resource.kind, "description": resource.description},
            "metadata": _metadata(resource),
            "spec": _for_editors(inlined(resource.spec)),
            "status": {"type": "object", "description": "Written by the operator; leave it out of your files."},
        },
    }


def _metadata(resource: Resource) -> Schema:
    """Only what the kind's own rules say about the name; the rest is Kubernetes'."""
    name: Schema = {"type": "string", "maxLength": 63, "description": "Name of the object."}
    for rule in resource.rules:
        if found := _NAME_PATTERN.fullmatch(rule.rule):
            name |= {"pattern": found[1], "patternErrorMessage": rule.message}
    labels: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
    properties = {"name": name, "labels": labels, "annotations": labels}
    if resource.namespaced:
        properties["namespace"] = {
            "type": "string",
            "maxLength": 63,
            "description": "Namespace; absent: your context's.",
        }
    return {"type": "object", "properties": properties}


def _any_of_them(resources: tuple[Resource, ...]) -> Schema:
    """By `if` and `then`, not `oneOf`: an editor then speaks of the field, not of four schemas that do not match."""
    branches = [
        {
            "if": {"properties": {"kind": {"const": resource.kind}}, "required": ["kind"]},
            "then": {"$ref": file_name(resource)},
        }
        for resource in resources
    ]
    return {
        "$schema": DRAFT,
        "title": f"Every kind of {GROUP}/{VERSION}",
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": [resource.kind for resource in resources]}},
        "allOf": branches,
    }


class _Generator(GenerateJsonSchema):
    """Defaults as a user would write them."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def inlined(type_: type[BaseModel]) -> Schema:
    """Without references and nulls: `anyOf [X, null]` is X, a default of null or of a whole object is none."""
    schema = type_.model_json_schema(mode="validation", schema_generator=_Generator)
    return _inline(schema, schema.get("$defs", {}))


def _inline(node: Schema, defs: Schema) -> Schema:
    if "$ref" in node:
        outer = {key: value for key, value in node.items() if key != "$ref"}
        return _inline({**defs[node["$ref"].rsplit("/", 1)[1]], **outer}, defs)
    if {"type": "null"} in node.get("anyOf", ()):
        (inner,) = [option for option in node["anyOf"] if option != {"type": "null"}]
        outer = {key: value for key, value in node.items() if key != "anyOf"}
        return _inline({**inner, **outer}, defs)
    out = {key: value for key, value in node.items() if key not in _DROPPED}
    if isinstance(out.get("default"), dict | list | None):
        out.pop("default", None)
    if "properties" in node:
        out["properties"] = {name: _inline(child, defs) for name, child in node["properties"].items()}
    for inside in _INSIDE:
        if isinstance(node.get(inside), dict):
            out[inside] = _inline(node[inside], defs)
    if "patternProperties" in node:  # how pydantic writes a map whose keys have a form
        ((keys, values),) = node["patternProperties"].items()
        out |= {"propertyNames": {"pattern": keys}, "additionalProperties": _inline(values, defs)}
    return out


def children(node: Schema) -> Iterator[tuple[str, Schema]]:
    """What is inside an inlined object, list or map, by the suffix of its path."""
    for name, child in node.get("properties", {}).items():
        yield f".{name}", child
    if "items" in node:
        yield "[]", node["items"]
    if isinstance(node.get("additionalProperties"), dict):
        yield ".*", node["additionalProperties"]


def examples(node: Schema) -> list[Any]:
    """The values that a field's description gives after `for example` or `such as`."""
    found = _EXAMPLES.search(node.get("description", ""))
    words = found[1].split(" or ") if found else []
    return [value for value in map(_value, words) if _fits(value, node)]


def _value(word: str) -> Any:
    """As it stands in a manifest; a date is a string there."""
    value = yaml.safe_load(word)
    return value if isinstance(value, str | int | list) else word


def _fits(value: Any, node: Schema) -> bool:
    """Whether it is a value of the field, and not part of a sentence about it."""
    if isinstance(value, str):
        takes = node.get("type") == "string" or "anyOf" in node
        return takes and bool(re.fullmatch(node.get("pattern", r"\S+"), value))
    if isinstance(value, list):
        return node.get("type") == "array"
    return node.get("type") == "integer" or "anyOf" in node


def _for_editors(node: Schema) -> Schema:
    out = {key: value for key, value in node.items() if not key.startswith("x-")}
    rules = node.get(RULES, ())
    if rules:
        words = "\n".join(f"- {rule['message']}" for rule in rules)
        out["description"] = f"{node.get('description', '')}\n\nRules:\n{words}".strip()
    if MESSAGE in node:
        out["patternErrorMessage"] = node[MESSAGE]
    if given := examples(node):
        out["examples"] = given
    if choices := [found for rule in rules if (found := _ONE_OF.fullmatch(rule["rule"]))]:
        out["allOf"] = [{"oneOf": [{"required": [name]} for name in choice.groups()]} for choice in choices]
    if "properties" in node:
        out["properties"] = {name: _for_editors(child) for name, child in node["properties"].items()}
    for inside in _INSIDE:
        if isinstance(node.get(inside), dict):
            out[inside] = _for_editors(node[inside])
    return out
