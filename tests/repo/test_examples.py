"""The examples, and the manifests in the documentation: what the types say, and what belongs together."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from pydantic import BaseModel

from inferfleet.api.base import GROUP, VERSION
from inferfleet.api.crdgen import RESOURCES
from inferfleet.api.schemagen import editor_schema
from inferfleet.catalog import loader

ROOT = Path(__file__).parents[2]
SPECS = {resource.kind: resource.spec for resource in RESOURCES}
FLEETS = sorted(
    p for p in (ROOT / "examples").iterdir() if p.is_dir() and p.name not in ("reference", "gitops", "tutorial", "ci")
)
KIND_OF_PAGE = {"add-a-pool.md": "HardwarePool", "add-a-class.md": "WorkloadClass", "add-a-model.md": "Model"}
PAGES = sorted(p for p in (ROOT / "docs").glob("*.md") if p.name != "reference.md")

Obj = dict[str, Any]


def ours(text: str) -> list[Obj]:
    found = [o for o in yaml.safe_load_all(text) if isinstance(o, dict)]
    return [o for o in found if o.get("apiVersion") == f"{GROUP}/{VERSION}"]


def fleet(folder: Path, kind: str) -> dict[str, Obj]:
    """Objects of a kind by name."""
    found = [o for path in sorted(folder.glob("*.yaml")) for o in ours(path.read_text()) if o["kind"] == kind]
    return {o["metadata"]["name"]: o["spec"] for o in found}


def snippets(page: Path) -> list[str]:
    return re.findall(r"^```yaml\n(.+?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda p: str(p.relative_to(ROOT)))
def test_an_example_is_what_the_types_say(path: Path) -> None:
    for obj in ours(path.read_text()):
        SPECS[obj["kind"]].model_validate(obj["spec"])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_manifest_in_the_documentation_is_what_the_types_say(page: Path) -> None:
    for text in snippets(page):
        for obj in ours(text):
            SPECS[obj["kind"]].model_validate(obj["spec"])


def partial(schema: Any) -> Any:
    """Of a part of a manifest: nothing is required."""
    if isinstance(schema, list):
        return [partial(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: partial(value) for key, value in schema.items() if key not in ("required", "allOf")}


@pytest.mark.parametrize(("page", "kind"), KIND_OF_PAGE.items())
def test_every_part_of_a_manifest_in_the_documentation_has_known_fields(page: str, kind: str) -> None:
    (resource,) = [r for r in RESOURCES if r.kind == kind]
    parts = [yaml.safe_load(text) for text in snippets(ROOT / "docs" / page) if "apiVersion" not in text]
    assert parts
    for part in parts:
        assert [e.message for e in Draft7Validator(partial(editor_schema(resource))).iter_errors(part)] == []


def test_the_tutorial_adds_what_belongs_to_the_quickstart() -> None:
    quickstart, tutorial = ROOT / "examples/quickstart", ROOT / "examples/tutorial"
    (before,), (after,) = fleet(quickstart, "Model").values(), fleet(tutorial, "Model").values()
    assert before == {**after, "workloads": after["workloads"][:1]}
    classes = {**fleet(quickstart, "WorkloadClass"), **fleet(tutorial, "WorkloadClass")}
    assert [workload["class"] for workload in after["workloads"]] == list(classes)


@pytest.mark.parametrize("folder", FLEETS, ids=lambda p: p.name)
def test_the_objects_of_a_fleet_belong_together(folder: Path) -> None:
    """A fleet is whole: its Models name only classes that are beside them."""
    classes = fleet(folder, "WorkloadClass")
    models = fleet(folder, "Model")
    assert models
    assert fleet(folder, "HardwarePool")
    named = {workload["class"] for model in models.values() for workload in model["workloads"]}
    assert named == set(classes)


@pytest.mark.parametrize("kind", ["HardwarePool", "WorkloadClass"])
def test_fleets_do_not_overwrite_each_others_objects_of_the_cluster(kind: str) -> None:
    names = [name for folder in [*FLEETS, ROOT / "examples/tutorial"] for name in fleet(folder, kind)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("folder", FLEETS, ids=lambda p: p.name)
def test_what_a_fleet_takes_from_the_catalog_is_in_it(folder: Path) -> None:
    catalog = loader.load()
    for model in fleet(folder, "Model").values():
        assert model["architecture"].get("preset") in {None, *catalog.models}
        assert {variant["quantization"] for variant in model["variants"]} <= set(catalog.quantizations)
    for pool in fleet(folder, "HardwarePool").values():
        assert pool.get("accelerator") in {None, *catalog.accelerators}


def fields(type_: type[BaseModel], value: Obj, path: str) -> set[str]:
    return {f"{path}.{name}" for name in type_.model_validate(value).model_fields_set}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.kind)
def test_the_full_example_of_a_kind_has_every_field_of_its_spec(resource: Any) -> None:
    text = (ROOT / f"examples/reference/{resource.kind.lower()}-full.yaml").read_text()
    given = {name for obj in ours(text) for name in resource.spec.model_validate(obj["spec"]).model_fields_set}
    left_out = {"preset"} | ({"accelerator"} if resource.kind == "HardwarePool" else set())
    assert set(resource.spec.model_fields) - given <= left_out
