"""pydantic types to CustomResourceDefinitions. Pure.

Turns pydantic's JSON Schema into what Kubernetes calls a structural schema: references inlined,
`anyOf [X, null]` reduced to X, titles and examples dropped. Defaults are not written into the
schema: they apply when the operator reads, so that nothing changes a user's object.
"""

from typing import Any

from inferfleet.api.base import GROUP, VERSION, Resource
from inferfleet.api.capacity_profile import CAPACITY_PROFILE
from inferfleet.api.hardware_pool import HARDWARE_POOL
from inferfleet.api.model import MODEL
from inferfleet.api.workload_class import WORKLOAD_CLASS

RESOURCES = (MODEL, WORKLOAD_CLASS, HARDWARE_POOL, CAPACITY_PROFILE)

Schema = dict[str, Any]
_DROPPED = {"title", "default", "examples", "additionalProperties", "const", "$defs", "exclusiveMinimum"}


def crd(resource: Resource) -> Schema:
    """The CustomResourceDefinition of one kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short],
                "categories": ["inferfleet"],
            },
            "versions": [_version(resource)],
        },
    }


def _version(resource: Resource) -> Schema:
    columns = [
        {"name": c.name, "type": c.type, "jsonPath": c.path} | ({"priority": c.priority} if c.priority else {})
        for c in resource.columns
    ]
    version: Schema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root(resource)},
        "additionalPrinterColumns": columns,
    }
    if resource.status:
        version["subresources"] = {"status": {}}
    return version


def _root(resource: Resource) -> Schema:
    properties: Schema = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": structural(resource.spec.model_json_schema(mode="validation")),
    }
    if resource.status:
        properties["status"] = structural(resource.status.model_json_schema(mode="validation"))
    return {
        "type": "object",
        "description": resource.description,
        "required": ["spec"],
        "properties": properties,
        "x-kubernetes-validations": [{"rule": r.rule, "message": r.message} for r in resource.rules],
    }


def structural(schema: Schema) -> Schema:
    """A self-contained structural schema of a pydantic JSON Schema."""
    return _convert(schema, schema.get("$defs", {}))


def _convert(node: Schema, defs: Schema) -> Schema:
    if "$ref" in node:
        outer = {key: value for key, value in node.items() if key != "$ref"}
        return _convert({**defs[node["$ref"].rsplit("/", 1)[1]], **outer}, defs)
    if _is_optional(node):
        (inner,) = [option for option in node["anyOf"] if option != {"type": "null"}]
        outer = {key: value for key, value in node.items() if key != "anyOf"}
        return _convert({**inner, **outer}, defs)
    out = {key: value for key, value in node.items() if key not in _DROPPED}
    if "properties" in node:
        out["properties"] = {name: _convert(child, defs) for name, child in node["properties"].items()}
    if "items" in node:
        out["items"] = _convert(node["items"], defs)
    if isinstance(node.get("additionalProperties"), dict):
        out["additionalProperties"] = _convert(node["additionalProperties"], defs)
    if "enum" in node:
        out["type"] = "string"
    return out


def _is_optional(node: Schema) -> bool:
    return "anyOf" in node and {"type": "null"} in node["anyOf"]
