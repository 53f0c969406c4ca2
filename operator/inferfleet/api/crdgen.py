"""pydantic types to CustomResourceDefinitions. Pure.

Turns pydantic's JSON Schema into what Kubernetes calls a structural schema: references inlined,
`anyOf [X, null]` reduced to X, titles and examples dropped. Defaults are not written into the
schema: they apply when the operator reads, so that nothing changes a user's object.
"""

from typing import Any

from inferfleet.api.base import GROUP, VERSION, Resource
from inferfleet.api.bounds import described
from inferfleet.api.capacity_profile import CAPACITY_PROFILE
from inferfleet.api.hardware_pool import HARDWARE_POOL
from inferfleet.api.model import MODEL
from inferfleet.api.strings import MESSAGE
from inferfleet.api.workload_class import WORKLOAD_CLASS

RESOURCES = (MODEL, WORKLOAD_CLASS, HARDWARE_POOL, CAPACITY_PROFILE)

Schema = dict[str, Any]
_DROPPED = {"title", "default", "examples", "additionalProperties", "const", "$defs", "exclusiveMinimum"}
_PATTERN = {"pattern", "patternProperties", "propertyNames", MESSAGE}


def crd(resource: Resource) -> Schema:
    """The CustomResourceDefinition of one kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{GROUP}",
            # deleting a definition deletes every object of it: uninstalling a chart must not
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
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
        if "observedGeneration" in properties["status"]["properties"]:
            # tools that wait for conditions (kstatus, and Flux by it) take an object without a status for ready
            properties["status"]["default"] = {"observedGeneration": -1}
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
    out = {key: value for key, value in node.items() if key not in _DROPPED | _PATTERN} | _below(node, defs)
    if rules := [*node.get("x-kubernetes-validations", ()), *_own_rules(node)]:
        out["x-kubernetes-validations"] = rules
    if text := described(node):
        out["description"] = text
    if out.get("x-kubernetes-int-or-string"):
        del out["anyOf"]  # says the same, and makes the API server repeat its message
    if "const" in node:
        out["enum"] = [node["const"]]
    if "enum" in out:
        out["type"] = "string"
    return out


def _below(node: Schema, defs: Schema) -> Schema:
    """The schemas of what is inside."""
    out: Schema = {}
    if "properties" in node:
        out["properties"] = {name: _convert(child, defs) for name, child in node["properties"].items()}
    if "items" in node:
        out["items"] = _convert(node["items"], defs)
    values = node.get("additionalProperties")
    if "patternProperties" in node:  # how pydantic writes a map whose keys have a form
        (values,) = node["patternProperties"].values()
    if isinstance(values, dict):
        out["additionalProperties"] = _convert(values, defs)
    return out


def _own_rules(node: Schema) -> list[Schema]:
    """Patterns as CEL rules: the API server's own message for patterns shows people a regular expression."""
    if "propertyNames" in node:
        return [_keys(node["propertyNames"], next(iter(node.get("patternProperties", ())), None))]
    if "pattern" not in node:
        return []
    matches = f"self.matches(r'{node['pattern']}')"
    if node.get("x-kubernetes-int-or-string"):
        matches = f"type(self) == int ? self >= 0 : type(self) == string && {matches}"
    return [{"rule": matches, "message": node[MESSAGE]}]


def _keys(names: Schema, pattern: str | None) -> Schema:
    """What keys of a map must be like, which a structural schema cannot say."""
    length = f"size(k) <= {names['maxLength']}"
    if pattern is None:
        return {"rule": f"self.all(k, {length})", "message": f"keys must have at most {names['maxLength']} characters"}
    wanted = names[MESSAGE].removeprefix("must be ")
    return {"rule": f"self.all(k, {length} && k.matches(r'{pattern}'))", "message": f"each key must be {wanted}"}


def _is_optional(node: Schema) -> bool:
    return "anyOf" in node and {"type": "null"} in node["anyOf"]
