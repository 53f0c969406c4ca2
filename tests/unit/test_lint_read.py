"""Files as kubectl reads them, with the place of every key."""

import json
from typing import Any

import pytest
import yaml

from inferfleet.lint.gotext import bad, number, quote
from inferfleet.lint.read import TEMPLATE, read
from inferfleet.lint.scalars import resolve
from inferfleet.lint.types import Document, Position, Unreadable

SCALARS: list[tuple[str, Any]] = [
    ("12:30", "12:30"),
    ("2026-07-20", "2026-07-20"),
    ("2026-07-20T10:00:00Z", "2026-07-20T10:00:00Z"),
    ("yes", True),
    ("n", False),
    ("Off", False),
    ("~", None),
    ("", None),
    ("010", 8),
    ("0o17", 15),
    ("08", 8),
    ("0x1F", 31),
    ("-0b11", -3),
    ("1_000", 1000),
    ("1.50", 1.5),
    ("3.0", 3),
    ("1e3", 1000),
    (".5", 0.5),
    ("1e400", "1e400"),
    ("9223372036854775808", 9223372036854775808.0),
    ("9" * 500, "9" * 500),
    ("500m", "500m"),
    ("+", "+"),
    ("0.40", 0.4),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_a_plain_scalar_is_what_kubectl_makes_of_it(text: str, value: Any) -> None:
    found = resolve(text)
    assert (type(found), found) == (type(value), value)


def one(text: str) -> Document:
    (found,) = read("f.yaml", text)
    assert isinstance(found, Document), found
    return found


def wrong(text: str) -> Unreadable:
    *_, found = read("f.yaml", text)
    assert isinstance(found, Unreadable), found
    return found


def test_quoted_and_tagged_scalars_are_strings() -> None:
    assert one("a: '12'\nb: !!str 12\nc: \"yes\"\nd: !!int 12\ne: !!binary aGk=").value == {
        "a": "12",
        "b": "12",
        "c": "yes",
        "d": 12,
        "e": "hi",
    }


def test_keys_are_strings() -> None:
    assert one("1: a\ntrue: b").value == {"1": "a", "true": "b"}


def test_every_document_of_a_file_is_read_and_empty_ones_are_not() -> None:
    found = list(read("f.yaml", "---\na: 1\n---\n# nothing\n---\nb: 2\n"))
    assert [d.value for d in found if isinstance(d, Document)] == [{"a": 1}, {"b": 2}]


def test_the_place_of_a_key_is_known() -> None:
    found = one("a:\n  - b: 1\n    c: [x,\n      y]\n")
    assert found.position(("a", 0, "c")) == Position(3, 5)
    assert found.position(("a", 0, "c", 1)) == Position(4, 7)
    assert found.position(("a", 5)) == Position(1, 1)


def test_json_is_read_with_tabs_escapes_and_whole_characters() -> None:
    value = {"a": "\U0001f600", "b": "tab\there", "c": "a/b", "d": [None, True, 1.5]}
    assert one(json.dumps(value, indent="\t").replace("a/b", "a\\/b")).value == value


def test_half_a_character_becomes_the_replacement_character() -> None:
    assert one('{"a": "\\ud800"}').value == {"a": "\ufffd"}


def test_a_key_given_twice_is_found_where_it_is() -> None:
    found = one("spec:\n  a: 1\n  a: 2\n")
    assert found.duplicates == (("spec", "a"),)
    assert found.position(("spec", "a")) == Position(3, 3)


def test_merge_keys_give_what_is_not_given() -> None:
    assert one("x: &x {a: 1, b: 2}\nv: {<<: *x, b: 3}\nz: {<<: [*x, {c: 4}]}").value == {
        "x": {"a": 1, "b": 2},
        "v": {"a": 1, "b": 3},
        "z": {"a": 1, "b": 2, "c": 4},
    }


def test_a_list_of_objects_is_its_objects() -> None:
    found = list(read("f.yaml", "kind: List\nitems:\n- kind: A\n- kind: B\n  x: 1\n  x: 2\n"))
    assert [d.value["kind"] for d in found if isinstance(d, Document)] == ["A", "B"]
    assert isinstance(found[1], Document)
    assert found[1].position(("x",)) == Position(6, 3)
    assert found[1].duplicates == (("x",),)


WRONG = [
    ("a: [1,\nb: 2", Position(2, 5), "not YAML"),
    ("a:\n\t- 1", Position(2, 1), "not YAML"),
    ("a: \x01", Position(1, 4), "the character '\\x01' is not allowed"),
    ("a: .inf", Position(1, 4), "json: unsupported value"),
    ("a: !!binary '*'", Position(1, 4), "invalid base64"),
    ("? [a]\n: b", Position(1, 3), "a key must be a string"),
    ("a: &a [*a]", Position(1, 4), "an alias stands for what contains it"),
    ("a: {<<: 3}", Position(1, 9), "map merge requires map or sequence of maps"),
    ("a: *b", Position(1, 4), "found undefined alias"),
    ("a: {{ .Values.x }}", Position(1, 5), TEMPLATE),
    ("{{- if .Values.x }}\na: 1\n{{- end }}", Position(1, 3), TEMPLATE),
    ("[" * 1500, Position(1, 1), "nested too deep"),
]


@pytest.mark.parametrize(("text", "position", "words"), WRONG, ids=[text[:20] for text, _, _ in WRONG])
def test_what_cannot_be_read_is_told_with_its_place(text: str, position: Position, words: str) -> None:
    found = wrong(text)
    assert words in found.message
    assert found.position == position


def test_aliases_cannot_stand_for_more_than_can_be_read() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "aliases" in wrong("\n".join(lines)).message


def test_documents_before_a_broken_one_are_read() -> None:
    found = list(read("f.yaml", "a: 1\n---\nb: [\n"))
    assert isinstance(found[0], Document)
    assert isinstance(found[-1], Unreadable)


GO = [
    (quote('a"\\\n\x01\x7f\u2028\U000e0001ß'), '"a\\"\\\\\\n\\x01\\x7f\\u2028\\U000e0001ß"'),
    (number(4e6), "4e+06"),
    (number(123456.5), "123456.5"),
    (number(1e-05), "1e-05"),
    (number(0.0001), "0.0001"),
    (number(-1.5e300), "-1.5e+300"),
    (number(3), "3"),
    (
        bad({"b": [1.5, None, True], "a": "<&>", "c": 1e21, "d": 1e-7}),
        '{"a":"\\u003c\\u0026\\u003e","b":[1.5,null,true],"c":1e+21,"d":1e-7}',
    ),
    (bad(False), "false"),
    (bad(None), "null"),
]


@pytest.mark.parametrize(("ours", "gos"), GO)
def test_values_are_printed_as_go_prints_them(ours: str, gos: str) -> None:
    assert ours == gos


def test_what_pyyaml_writes_is_read_again() -> None:
    value = {"a": ["yes", "12", "1.5", "", "2026-01-01", "~", "0x1", 3, None, 1.5, True], "ü": {"b": "x\ny"}}
    assert one(yaml.safe_dump(value, allow_unicode=True)).value == value
