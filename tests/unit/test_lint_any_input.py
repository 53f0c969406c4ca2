"""No text and no object makes lint fail: whatever comes, there is a report."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from apiserver import bad_input_table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linting import Linter

from inferfleet.cli.linting import BUG, adviser
from inferfleet.lint.files import Text
from inferfleet.lint.lint import Adviser, Report, lint
from inferfleet.lint.report import FORMATS

BASES = [obj for bases in bad_input_table.bases().values() for obj in bases.values()]
FRAGMENTS = [
    "a: ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "<<: ",
    "? ",
    ": ",
    "|\n",
    ">\n",
    "'",
    '"',
    "#",
    "\n",
    "  ",
    "\t",
    "!!int ",
    "!x ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "kind: Model\n",
    "kind: List\n",
    "items:\n",
    "apiVersion: inferfleet.io/v1alpha1\n",
    "metadata:\n",
    "spec:\n",
    "1",
    ".inf",
    "0x",
    "\\",
    "\ufeff",
    "{{ x }}",
]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
JUNK = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
CALM = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def linter() -> Linter:
    return Linter()


@pytest.fixture(scope="module")
def advice() -> Adviser:
    return adviser()


def report(linter: Linter, advice: Adviser, text: str) -> Report:
    """Of one file; it can be printed, and the operator's functions had no bug."""
    found = lint([Text("f.yaml", text)], linter.definitions, linter.engine, advice)
    assert not [finding for finding in found.findings if BUG in finding.message]
    for form in FORMATS.values():
        form(found).encode()
    return found


@settings(CALM, max_examples=300)
@given(text=st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join) | st.text(max_size=40))
def test_any_text_gives_a_report(text: str, linter: Linter, advice: Adviser) -> None:
    assert report(linter, advice, text).files == 1


@settings(CALM, max_examples=200)
@given(value=JUNK, kind=st.sampled_from(["Model", "WorkloadClass", "HardwarePool", "CapacityProfile", "Gadget"]))
def test_any_object_of_our_kinds_gives_a_report(value: Any, kind: str, linter: Linter, advice: Adviser) -> None:
    version = "lint.example.com/v1" if kind == "Gadget" else "inferfleet.io/v1alpha1"
    obj = {"apiVersion": version, "kind": kind, "metadata": value, "spec": value}
    assert report(linter, advice, json.dumps(obj)).objects <= 1


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of every field and item below a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def changed(obj: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a place."""
    copied = copy.deepcopy(obj)
    parent = copied
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return copied


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A right manifest with one to three wrong values."""
    obj = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(1, 3))):
        if found := list(places(obj)):
            obj = changed(obj, draw(st.sampled_from(found)), draw(JUNK))
    return obj


@settings(CALM, max_examples=60)
@given(objects=st.lists(mutated(), min_size=1, max_size=4))
def test_any_set_of_almost_right_manifests_gives_a_report(objects: list[Any], linter: Linter, advice: Adviser) -> None:
    text = yaml.safe_dump_all([json.loads(json.dumps(obj)) for obj in [*objects, *BASES]], allow_unicode=True)
    assert report(linter, advice, text).findings
