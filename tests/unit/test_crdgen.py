"""The CRDs that are generated from the types."""

import json
from typing import Any

import pytest

from inferfleet.api.base import WAITS
from inferfleet.api.crdgen import RESOURCES, crd
from inferfleet.cli.crds import files
from inferfleet.fleet.unobeyed import CLASS_FIELDS, MODEL_FIELDS, POOL_FIELDS, WORKLOAD_FIELDS

CRDS = {r.kind: crd(r) for r in RESOURCES}


def _walk(node: Any, path: str = "") -> Any:
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from _walk(value, f"{path}.{key}")


def _schemas(kind: str) -> list[tuple[str, dict[str, Any]]]:
    schema = CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return [(path, node) for path, node in _walk(schema) if isinstance(node.get("type"), str)]


@pytest.mark.parametrize("kind", CRDS)
def test_every_crd_is_under_100_kb_minified(kind: str) -> None:
    assert len(json.dumps(CRDS[kind], separators=(",", ":"))) < 100_000


@pytest.mark.parametrize("kind", CRDS)
def test_every_string_list_and_map_of_a_spec_is_bounded(kind: str) -> None:
    for path, node in _schemas(kind):
        if node["type"] == "string":
            assert "maxLength" in node or "enum" in node, path
        if node["type"] == "array":
            assert "maxItems" in node, path
        if node["type"] == "object" and "additionalProperties" in node:
            assert "maxProperties" in node, path


@pytest.mark.parametrize("kind", CRDS)
def test_every_field_of_a_spec_is_described(kind: str) -> None:
    for path, node in _schemas(kind):
        for name, child in node.get("properties", {}).items():
            assert child.get("description"), f"{path}.{name}"


@pytest.mark.parametrize("kind", CRDS)
def test_no_defaults_are_written_into_users_objects(kind: str) -> None:
    for path, node in _walk(CRDS[kind]):
        assert "default" not in node or path.endswith((".properties", ".properties.status")), path


def test_all_kinds_are_listed_by_one_word() -> None:
    assert all(c["spec"]["names"]["categories"] == ["inferfleet"] for c in CRDS.values())
    assert {c["spec"]["names"]["shortNames"][0] for c in CRDS.values()} == {"mdl", "wlc", "hwp", "cap"}


def test_files_are_named_after_the_plural() -> None:
    assert set(files()) == {"models.yaml", "workloadclasses.yaml", "hardwarepools.yaml", "capacityprofiles.yaml"}


def _described(kind: str, path: str) -> str:
    """The description of a field as `spec.variants[].source.revision` names it."""
    node = CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for part in path.removeprefix("spec.").split("."):
        node = node["properties"][part.removesuffix("[]")]
        node = node["items"] if part.endswith("[]") else node
    return str(node["description"])


OF_SOME = ("spec.variants[].source.credentials", "spec.variants[].source.revision")
"""Fields that have an effect for some kinds of source, as their descriptions say."""
OF_MODALITIES = ("traffic.media", "traffic.outputTokens")
"""The same for some modalities."""


def test_a_field_without_effect_says_so_where_it_is_explained() -> None:
    tables = {"Model": (*MODEL_FIELDS, *WORKLOAD_FIELDS), "WorkloadClass": CLASS_FIELDS, "HardwarePool": POOL_FIELDS}
    for kind, table in tables.items():
        for field, _ in table:
            path, _, value = field.path.partition(": ")
            if path not in (*OF_MODALITIES, *OF_SOME):
                words = _described(kind, path)
                assert WAITS.strip() in words or (value and f"In this release {value} counts" in words), field.path
