"""Everything generated is checked in and fresh: `make generate` would change nothing."""

from pathlib import Path

import pytest

from inferfleet.cli import crds, reference, schemas

ROOT = Path(__file__).parents[2]
STALE = "is stale: run `make generate`"


@pytest.mark.parametrize("folder", ["crds", "charts/inferfleet-crds/templates"])
def test_the_crds_are_fresh(folder: str) -> None:
    for name, text in crds.files().items():
        assert (ROOT / folder / name).read_text() == text, f"{folder}/{name} {STALE}"


def test_the_reference_is_fresh() -> None:
    page = reference.page(ROOT / "examples/reference")
    assert (ROOT / "docs/reference.md").read_text() == page, f"docs/reference.md {STALE}"


def test_the_schemas_for_editors_are_fresh_and_no_other_is_there() -> None:
    there = {path.name: path.read_text() for path in (ROOT / "docs/schemas").iterdir()}
    assert there == schemas.files(), f"docs/schemas {STALE}"


def test_every_kind_has_a_minimal_and_a_full_example_in_the_reference() -> None:
    wanted = {f"{r.kind.lower()}-{size}.yaml" for r in crds.RESOURCES for size in ("minimal", "full")}
    assert {path.name for path in (ROOT / "examples/reference").iterdir()} == wanted
