"""One object against its CRD: the words of the API server, as the table of wrong manifests has recorded them."""

from collections.abc import Iterator
from typing import Any

import pytest
from apiserver import bad_input_table
from apiserver.bad_input_table import Case
from linting import Linter, document

from inferfleet.lint import cel, structural
from inferfleet.lint.types import Position, Schema

CASES = [case for case in bad_input_table.cases() if case.old is None]
BASES = [(kind, name, obj) for kind, bases in bad_input_table.bases().items() for name, obj in bases.items()]


@pytest.fixture(scope="module")
def linter() -> Linter:
    return Linter()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_a_wrong_manifest_is_told_as_the_api_server_tells_it(case: Case, linter: Linter) -> None:
    assert linter.lines_of(case.manifest) == tuple(sorted(set(case.messages)))


@pytest.mark.parametrize(("kind", "name", "obj"), BASES)
def test_nothing_is_wrong_with_a_right_manifest(kind: str, name: str, obj: Any, linter: Linter) -> None:
    assert linter.lines_of(obj) == ()


def test_every_rule_of_our_kinds_can_be_evaluated(linter: Linter) -> None:
    for known in linter.definitions.values():
        for rule in cel.rules(known.schema):
            linter.engine.program(cel.expression(rule))
            if "messageExpression" in rule:
                linter.engine.program(rule["messageExpression"])


def schemas(schema: Schema) -> Iterator[Schema]:
    yield schema
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for child in [*inner, *schema.get("anyOf", ())]:
        if isinstance(child, dict):
            yield from schemas(child)


def test_every_keyword_of_our_schemas_is_known(linter: Linter) -> None:
    for known in linter.definitions.values():
        for schema in schemas(known.schema):
            assert set(schema) <= structural.KEYWORDS


def test_no_field_of_a_spec_has_a_format(linter: Linter) -> None:
    """The API server checks formats, and lint does not."""
    for known in linter.definitions.values():
        assert not [schema for schema in schemas(known.schema["properties"]["spec"]) if "format" in schema]


METADATA = [
    ({"labels": {"a": 1}}, "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"),
    ({"name": 5}, "json: cannot unmarshal number into Go struct field ObjectMeta.name of type string"),
    ({"finalizers": "a"}, "json: cannot unmarshal string into Go struct field ObjectMeta.finalizers of type []string"),
    ({"nam": "x"}, 'strict decoding error: unknown field "metadata.nam"'),
    ({"ownerReferences": [{"a": 1}]}, 'strict decoding error: unknown field "metadata.ownerReferences[0].a"'),
    ({"name": "", "generateName": ""}, "metadata.name: Required value: name or generateName is required"),
    ({"labels": {"a": "x" * 64}}, "must be no more than 63 bytes"),
    ({"labels": {"/a": ""}}, 'metadata.labels: Invalid value: "/a": prefix part must be non-empty'),
    ({"annotations": {"a": "x" * 262144}}, "metadata.annotations: Too long: may not be more than 262144 bytes"),
    ({"name": "A"}, "a lowercase RFC 1123 subdomain must consist of"),
]


@pytest.mark.parametrize(("metadata", "words"), METADATA, ids=[words for _, words in METADATA])
def test_metadata_is_checked_as_go_reads_it(metadata: dict[str, Any], words: str, linter: Linter) -> None:
    obj = {"apiVersion": "lint.example.com/v1", "kind": "Gadget", "spec": {"flag": True}}
    assert words in "\n".join(linter.lines_of({**obj, "metadata": {"name": "g"} | metadata}))


def gadget(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "lint.example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": spec}


SPECS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"flag": True}, ()),
    ({"num": -1}, ("spec.num: Invalid value: must be positive",)),
    ({"min": 1, "max": 200, "name": "ab"}, ("spec: Invalid value: the span of ab is too long",)),
    ({"min": 1, "max": 200}, ("spec: Invalid value: too long a span",)),
    ({"max": 3}, ('spec: Invalid value: "object": no such key: min evaluating rule: max must not be below min',)),
    ({"mode": "B"}, ("spec.mode: Forbidden: B is gone",)),
    ({"optional": "new"}, ("spec: Invalid value: not at first",)),
    (
        {"namespace": "a", "namespace__x": "b"},
        ("spec: Invalid value: failed rule: !(has(self.namespace__underscores__x) && has(self.__namespace__))",),
    ),
    ({"name": "a\n"}, ("spec.name: Invalid value: \"a\\n\": spec.name in body should match '^[a-z]+$'",)),
    ({"name": "a"}, ('spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long',)),
    ({"rate": "1.5"}, ()),
    ({"rate": -1}, ("spec.rate: Invalid value: -1: must be a rate",)),
    ({"size": "1M"}, ('spec.size: Invalid value: "1M": must be a size',)),
    ({"size": "1Mi"}, ()),
    ({"wait": "2h"}, ('spec.wait: Invalid value: "2h": at most an hour',)),
    (
        {"wait": "3000000h"},
        (
            "spec.wait: Invalid value: \"string\": type conversion error from 'string' to 'google.protobuf.Duration' "
            "evaluating rule: at most an hour",
        ),
    ),
    ({"tags": ["t", "t"]}, ('spec.tags[1]: Duplicate value: "t"',)),
    ({"nums": [2, 3]}, ("spec.nums[1]: Invalid value: 3: must be even",)),
    ({"list": [{"a": "1", "b": 1}] * 2}, ('spec.list[1]: Duplicate value: {"a":"1","b":1}',)),
    ({"list": [{"a": "1", "b": 1, "c": None}]}, ()),
    ({"labels": {"a": "b"}}, ('spec.labels[a]: Duplicate value: "b"',)),
    ({"free": {"any": {"thing": [1]}}}, ()),
    ({"empty": None}, ()),
    ({"num": 1e7}, ("spec.num: Invalid value: 10000000: spec.num in body should be less than or equal to 1000000",)),
    (
        {"num": 1234567.5},
        ("spec.num: Invalid value: 1.2345675e+06: spec.num in body should be less than or equal to 1e+06",),
    ),
]


@pytest.mark.parametrize(("spec", "lines"), SPECS, ids=[str(spec) for spec, _ in SPECS])
def test_every_feature_of_schemas_and_rules_is_obeyed(
    spec: dict[str, Any], lines: tuple[str, ...], linter: Linter
) -> None:
    assert linter.lines_of(gadget(**spec)) == lines


def test_where_the_structure_is_wrong_no_rule_is_evaluated_and_that_is_said(linter: Linter) -> None:
    lines = linter.lines_of(gadget(flag=3, mode="B"))
    assert lines == (
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct "
        "the existing errors to complete validation",
        'spec.flag: Invalid value: "integer": spec.flag in body must be of type boolean: "integer"',
    )


def test_unknown_fields_hide_everything_else(linter: Linter) -> None:
    obj = gadget(flag=3, flog=True)
    obj["metadata"]["colour"] = "red"
    handled = 'Gadget in version "v1" cannot be handled as a Gadget: strict decoding error: '
    assert linter.lines_of(obj) == (f'{handled}unknown field "metadata.colour", unknown field "spec.flog"',)


def test_the_status_of_what_is_created_counts_for_nothing_but_its_field_names(linter: Linter) -> None:
    assert linter.lines_of(gadget(flag=True) | {"status": {}}) != ()
    model = next(obj for kind, _, obj in BASES if kind == "Model")
    assert linter.lines_of({**model, "status": {"observedGeneration": "x"}}) == ()


def test_a_transition_rule_needs_the_stored_object() -> None:
    assert cel.is_transition({"rule": "self == oldSelf"})
    assert not cel.is_transition({"rule": "self == oldSelf.value()", "optionalOldSelf": True})
    assert not cel.is_transition({"rule": "self.oldSelfish > 0"})


def test_a_fault_is_found_at_the_line_of_its_field(linter: Linter) -> None:
    found = document(gadget(flag=True))
    assert found.position(("spec", "flag", "deeper")) == found.position(("spec", "flag"))
    assert found.position(()) == Position(1, 1)
