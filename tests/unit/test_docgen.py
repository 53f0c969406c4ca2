"""The reference page: everything of the types is there, and every link leads somewhere."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from inferfleet.api.bounds import described
from inferfleet.api.crdgen import RESOURCES
from inferfleet.api.docgen import Words, bounds, reference, slug, table, type_of
from inferfleet.api.schemagen import RULES, Schema, children, inlined
from inferfleet.names import Cond, Reason
from inferfleet.reasons import CONDITIONS, REASONS

WORDS = Words(
    conditions=CONDITIONS,
    reasons=REASONS,
    unobeyed={"Model": {"spec.adapters": "adapters will be served"}},
    examples={"model-minimal": "kind: Model\n", "workloadclass-full": "kind: WorkloadClass\n"},
)
PAGE = reference(RESOURCES, WORDS)


def sections(page: str) -> dict[str, str]:
    """Heading to the text below it."""
    parts = re.split(r"^#+ (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def objects(path: str, node: Schema) -> Iterator[tuple[str, Schema]]:
    if node.get("properties"):
        yield path, node
    for suffix, child in children(node):
        yield from objects(path + suffix, child)


ALL = [
    (f"{resource.kind} {path}", node)
    for resource in RESOURCES
    for part, type_ in (("spec", resource.spec), ("status", resource.status))
    if type_
    for path, node in objects(part, inlined(type_))
]


@pytest.mark.parametrize(("heading", "node"), ALL, ids=[heading for heading, _ in ALL])
def test_every_field_and_rule_of_every_object_is_told(heading: str, node: Schema) -> None:
    section = sections(PAGE)[heading]
    rows = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    assert rows == list(node["properties"])
    for rule in node.get(RULES, ()):
        assert f"- {rule['message']}" in section


def test_every_link_leads_to_a_heading() -> None:
    anchors = [slug(heading) for heading in sections(PAGE)]
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\(#([^)]+)\)", PAGE)) <= set(anchors)


def test_a_required_field_and_a_default_are_told_apart() -> None:
    traffic = sections(PAGE)["WorkloadClass spec"]
    assert re.search(r"^\| `traffic` \| object \| required \|", traffic, flags=re.MULTILINE)
    assert re.search(r"^\| `modality` \| string \| `Text` \|", traffic, flags=re.MULTILINE)
    assert "| `5m` |" in sections(PAGE)["WorkloadClass spec.scaling"]


def test_a_rule_about_changes_says_so() -> None:
    assert "or back: create another one (checked when an object changes)" in sections(PAGE)["HardwarePool spec"]


def test_examples_columns_conditions_and_fields_without_effect_are_there() -> None:
    found = sections(PAGE)
    assert "```yaml\nkind: Model\n```" in found["Model, minimal"]
    assert "```yaml\nkind: WorkloadClass\n```" in found["WorkloadClass, full"]
    assert "| Tok/s | `.status.summary.tokensPerSecond` | always |" in found["Columns of `kubectl get mdl`"]
    assert "`SignalFresh`" in found["Conditions of a Model"]
    assert "| `spec.adapters` | adapters will be served |" in found["Model: accepted, not acted on yet"]


def test_without_words_the_page_holds_what_the_types_say() -> None:
    assert set(sections(reference(RESOURCES, Words()))) < set(sections(PAGE))


def codes(holder: type) -> set[str]:
    return {value for name, value in vars(holder).items() if name.isupper()}


def test_every_reason_has_a_meaning_and_every_meaning_a_reason() -> None:
    assert set(REASONS) == codes(Reason)
    assert all(meaning.endswith(".") for meaning in REASONS.values())


def test_every_condition_type_has_a_meaning() -> None:
    assert codes(Cond) <= {type_ for of_kind in CONDITIONS.values() for type_ in of_kind}


TYPES: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "integer", "minimum": 1, "maximum": 4096}, "integer", "1 to 4,096"),
    ({"type": "integer", "minimum": 1}, "integer", "at least 1"),
    ({"type": "string", "enum": ["A", "B"]}, "string", "`A`, `B`"),
    ({"type": "string", "const": "OpenAI"}, "string", "`OpenAI`"),
    ({"type": "string", "maxLength": 9}, "string", "at most 9 characters"),
    ({"type": "string", "maxLength": 9, "x-message": "must be short"}, "string", "must be short"),
    ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "integer or string", ""),
    (
        {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 4},
        "list of string",
        "at most 4 items; each at most 3 characters",
    ),
    (
        {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1, "maxProperties": 2},
        "map to integer",
        "1 to 2 entries",
    ),
    ({"type": "object", "additionalProperties": True}, "object with any fields", ""),
]


@pytest.mark.parametrize(("node", "type_", "limits"), TYPES)
def test_types_and_bounds_are_told_in_words(node: Schema, type_: str, limits: str) -> None:
    assert (type_of(node), bounds(node)) == (type_, limits)


def test_what_would_break_a_table_is_escaped() -> None:
    assert table(("a",), [("x | <y>\nz",)]) == "| a |\n|---|\n| x \\| &lt;y> z |"


@pytest.mark.parametrize(
    ("node", "text"),
    [
        ({"description": "Layers.", "minimum": 1, "maximum": 1000}, "Layers. 1 to 1,000."),
        ({"description": "Layers. At most 1,000.", "maximum": 1000}, "Layers. At most 1,000."),
        ({"description": "Adapters.", "maxItems": 64}, "Adapters. At most 64 items."),
        (
            {"description": "A text of at most 640 words.", "maxItems": 64},
            "A text of at most 640 words. At most 64 items.",
        ),
        ({"description": "A name.", "maxLength": 63}, "A name."),
    ],
)
def test_a_description_gets_the_bounds_that_it_does_not_tell(node: Schema, text: str) -> None:
    assert described(node) == text
