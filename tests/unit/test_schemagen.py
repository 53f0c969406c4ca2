"""The JSON Schemas for editors: what they accept, what they underline, and what they say."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from inferfleet.api.crdgen import RESOURCES
from inferfleet.api.schemagen import editor_schema, examples, schemas

ROOT = Path(__file__).parents[2]
SCHEMAS = schemas(RESOURCES)
BY_KIND = {resource.kind: editor_schema(resource) for resource in RESOURCES}
REGISTRY = Registry().with_resources(
    (name, Resource.from_contents(schema, default_specification=DRAFT7)) for name, schema in SCHEMAS.items()
)
ALL = Draft7Validator(SCHEMAS["all.json"], registry=REGISTRY)
FILES = sorted((ROOT / "examples").rglob("*.yaml"))


def objects(path: Path) -> list[dict[str, Any]]:
    return [o for o in yaml.safe_load_all(path.read_text()) if o["apiVersion"].startswith("inferfleet.io/")]


def full(kind: str) -> dict[str, Any]:
    return copy.deepcopy(objects(ROOT / f"examples/reference/{kind.lower()}-full.yaml")[0])


def complaints(obj: dict[str, Any]) -> list[tuple[str, str]]:
    """Path and keyword of each."""
    return [(e.json_path, str(e.validator)) for e in Draft7Validator(BY_KIND[obj["kind"]]).iter_errors(obj)]


def nodes(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of a field, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for inside in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(inside), dict):
            yield from nodes(schema[inside], f"{path}[{inside}]")


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_itself_valid(name: str) -> None:
    Draft7Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_example_is_accepted(path: Path) -> None:
    for obj in objects(path):
        assert complaints(obj) == []
        assert [e.message for e in ALL.iter_errors(obj)] == []


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_misspelt_field_is_refused_at_every_level(kind: str) -> None:
    def misspell(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
        if isinstance(value, dict) and schema.get("additionalProperties") is False:
            value["tpyo"] = 1
            yield path
        for name, child in value.items() if isinstance(value, dict) else ():
            if name in schema.get("properties", {}):
                yield from misspell(child, schema["properties"][name], f"{path}.{name}")
        for i, child in enumerate(value) if isinstance(value, list) else ():
            yield from misspell(child, schema["items"], f"{path}[{i}]")

    obj = full(kind)
    places = set(misspell(obj, BY_KIND[kind], "$"))
    assert "$.spec" in places
    assert {path for path, keyword in complaints(obj) if keyword == "additionalProperties"} == places


WRONG = [
    ("Model", "engineUpdate", "Sometimes", "enum"),
    ("Model", "serviceAccountName", "Not A Name", "pattern"),
    ("Model", "workloads", [], "minItems"),
    ("Model", "variants", [{"name": "a", "quantization": "F16"}], "oneOf"),
    ("Model", "variants", "f16", "type"),
    ("WorkloadClass", "priority", 2_000_000, "maximum"),
    ("WorkloadClass", "slo", {"ttft": "fast"}, "pattern"),
    ("WorkloadClass", "slo", {"ttft": 3}, "type"),
    ("WorkloadClass", "limits", {"costPer1MTokens": 0.4}, "type"),
    ("WorkloadClass", "traffic", {}, "required"),
    ("HardwarePool", "external", {}, "required"),
    ("HardwarePool", "price", {"perAcceleratorHour": "-1"}, "pattern"),
    ("HardwarePool", "nodes", {"selector": {"no good": "x"}}, "pattern"),
    ("HardwarePool", "nodes", {"replica": {"cpu": "a lot", "memory": "1Gi"}}, "pattern"),
    ("CapacityProfile", "slots", 0, "minimum"),
]


@pytest.mark.parametrize(("kind", "field", "value", "keyword"), WRONG, ids=[f"{w[1]}-{w[3]}" for w in WRONG])
def test_a_wrong_value_is_refused(kind: str, field: str, value: Any, keyword: str) -> None:
    obj = full(kind)
    obj["spec"][field] = value
    assert keyword in {found for _, found in complaints(obj)}


def test_one_of_two_alternatives_is_refused_when_both_or_none_is_given() -> None:
    both, neither = full("HardwarePool"), full("HardwarePool")
    both["spec"]["external"] = objects(ROOT / "examples/reference/hardwarepool-full.yaml")[1]["spec"]["external"]
    del neither["spec"]["nodes"]
    assert [keyword for _, keyword in complaints(both)] == ["oneOf"]
    assert [keyword for _, keyword in complaints(neither)] == ["oneOf"]


def test_a_name_that_no_service_can_have_is_refused() -> None:
    obj = full("Model")
    obj["metadata"]["name"] = "llama-3.1"
    assert complaints(obj) == [("$.metadata.name", "pattern")]


def test_the_schema_of_all_kinds_speaks_of_the_field_and_not_of_the_kinds() -> None:
    obj = full("WorkloadClass")
    obj["spec"]["objective"] = "Fame"
    (error,) = ALL.iter_errors(obj)
    assert error.json_path == "$.spec.objective"
    assert [e.validator for e in ALL.iter_errors({"kind": "Modle"})] == ["enum"]


@pytest.mark.parametrize("kind", BY_KIND)
def test_every_default_and_every_example_is_a_value_of_its_field(kind: str) -> None:
    for path, schema in nodes(BY_KIND[kind]):
        for value in [*schema.get("examples", ()), *([schema["default"]] if "default" in schema else ())]:
            assert list(Draft7Validator(schema).iter_errors(value)) == [], f"{path}: {value!r}"


@pytest.mark.parametrize("kind", BY_KIND)
def test_every_field_is_described_and_every_pattern_has_words(kind: str) -> None:
    for path, schema in nodes(BY_KIND[kind]["properties"]["spec"]):
        for name, child in schema.get("properties", {}).items():
            assert child.get("description"), f"{path}.{name}"
        if "pattern" in schema and not path.endswith("[propertyNames]"):
            assert schema.get("patternErrorMessage"), path


def test_rules_that_only_the_api_server_checks_are_told_in_the_description() -> None:
    spec = BY_KIND["HardwarePool"]["properties"]["spec"]
    assert "- give exactly one of nodes and external" in spec["description"]


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_schema_of_one_kind_needs_no_other_file(kind: str) -> None:
    assert '"$ref"' not in json.dumps(BY_KIND[kind])


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"type": "string", "description": 'USD, for example "0.40".'}, ["0.40"]),
        ({"type": "string", "description": "A day, for example 2026-07-20; in quotes."}, ["2026-07-20"]),
        ({"anyOf": [], "description": "Cores, for example 500m or 4. At least 50m."}, ["500m", 4]),
        (
            {"type": "array", "description": "Only these, for example [FP8, INT4-AWQ]; absent: all."},
            [["FP8", "INT4-AWQ"]],
        ),
        ({"type": "integer", "description": "Tokens that requests share, such as a system prompt."}, []),
        ({"type": "string", "description": "Whatever."}, []),
    ],
)
def test_examples_are_the_values_that_descriptions_give(node: dict[str, Any], expected: list[Any]) -> None:
    assert examples(node) == expected
