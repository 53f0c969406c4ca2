"""The CRDs that are generated from the types."""

import json
from typing import Any

import pytest

from inferfleet.api.crdgen import RESOURCES, crd
from inferfleet.cli.crds import files

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
