"""`inferfleet lint` and a real API server say the same of the same objects, word for word."""

import copy
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from apiserver import bad_input_table
from apiserver.bad_input_table import Case
from apiserver.control_plane import ControlPlane
from apiserver.server import JSON, Server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linting import Linter, document, gadget_crd

from inferfleet.kube import kinds
from inferfleet.kube.kinds import Kind

GADGET = Kind("lint.example.com/v1", "Gadget", "gadgets", namespaced=True)
KIND_OF = {kind.kind: kind for kind in (*kinds.OURS, GADGET)}
CASES = [case for case in bad_input_table.cases() if case.old is None]
BASES = [obj for bases in bad_input_table.bases().values() for obj in bases.values()]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ESTABLISHED_SECONDS = 60.0
CALM = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False)


@pytest.fixture(scope="module")
def linter() -> Linter:
    return Linter()


@pytest.fixture(scope="module")
def newest(control_plane: ControlPlane) -> Iterator[Server]:
    """The newest supported API server: lint speaks as it does."""
    with closing(Server(control_plane, "newest")) as server:
        yield server


@pytest.fixture(scope="module")
def with_gadgets(newest: Server) -> Iterator[Server]:
    """One that knows the kind with every feature."""
    crd = gadget_crd()
    name = f"{CRDS}/{crd['metadata']['name']}"
    made = newest.send("POST", CRDS, crd, {}, JSON)
    assert made.ok, made.lines
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    while not _served(newest):
        assert time.monotonic() < deadline, newest.get(name).body
        time.sleep(0.1)
    yield newest
    newest.send("DELETE", name, None, {})


def _served(server: Server) -> bool:
    try:
        return server.get(GADGET.path("default")).ok
    except ValueError:  # an answer that is not JSON: no such path yet
        return False


def assert_agree(obj: Any, server: Server, linter: Linter) -> None:
    """About the object as kubectl would send it."""
    sent = document(obj)
    kind = KIND_OF[sent.value["kind"]]
    assert linter.lines(sent) == tuple(sorted(set(server.create(kind, sent.value).lines)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_they_agree_about_a_wrong_manifest(case: Case, newest: Server, linter: Linter) -> None:
    assert_agree(case.manifest, newest, linter)


METADATA: list[dict[str, Any]] = [
    {"foo": 1, "labels": {"a": "b"}},
    {"labels": {"a": 1}},
    {"labels": [1]},
    {"labels": {"a": None}},
    {"annotations": {"a": {"b": 1}}},
    {"name": 5},
    {"name": 0.5},
    {"name": True},
    {"name": None},
    {"name": ""},
    {"name": "A"},
    {"name": "a/b"},
    {"name": ".."},
    {"name": "a" * 254},
    {"name": None, "generateName": "a-"},
    {"finalizers": "a"},
    {"finalizers": [1]},
    {"finalizers": ["a b"]},
    {"ownerReferences": [{"foo": 1}]},
    {"ownerReferences": "x"},
    {"generation": "x"},
    {"generation": 1.5},
    {"creationTimestamp": "x"},
    {"creationTimestamp": None},
    {"uid": 3},
    {"managedFields": "x"},
    {"labels": {"a b": "c d", "x/y/z": "", "/a": "", "Ä": "x", "a": "x" * 64, "A.b/c": "", "": "x", "c" * 64: ""}},
    {"labels": {f"{'d' * 254}/a": ""}},
    {"annotations": {"a b": "x", "A": "y"}},
    {"annotations": {"a": "x" * 262144}},
]


@pytest.mark.parametrize("metadata", METADATA, ids=lambda metadata: str(metadata)[:60])
def test_they_agree_about_metadata(metadata: dict[str, Any], newest: Server, linter: Linter) -> None:
    base = next(obj for obj in BASES if obj["kind"] == "WorkloadClass")
    assert_agree({**base, "metadata": {"name": "chat"} | metadata}, newest, linter)


@pytest.mark.parametrize("spec", [None, 3, "x", [], {}])
def test_they_agree_about_a_spec_that_is_none(spec: Any, newest: Server, linter: Linter) -> None:
    for base in BASES:
        assert_agree({**base, "spec": spec}, newest, linter)
        assert_agree({key: value for key, value in base.items() if key != "spec"}, newest, linter)


VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 7, 16, 17, 10**6, 10**7, 10**12, 2**63, 0.5, 1.5, -0.0001, 1e-7, 1e300, 1e5,
    "", 123456.5, "a", "A", "chat", "f16", "F16", "FP8", "x" * 64, "x" * 317, "x" * 1100, "1d", "5Gb", "0.5", "-1",
    "1.0", "0", "100ms", "500m", "2Gi", "10m", "3000000h", "99999999999h", "1e3", "ß", "a b", "a\nb", "a\n", 'quo"te',
    "\u2028<>&", "\x01\x7f", "\x00", "\U0001f600", [], {}, [1], ["a"], ["a", "a"], [None], [{}], {"a": 1}, {"a": "b"},
    {"a": None},
    [{"name": "f16"}, {"name": "f16"}], {"p50": 3, "p95": 2}, "2026-01-01", "2026-13-01", "oci://a/b", "https://x",
    "0" * 64, {f"k{i}": "v" for i in range(17)},
]  # fmt: skip
KEYS = ["a", "foo", "name", "min", "preset", "layers", "source", "quantizeFrom", "class", "spec", "é", "a.b", "a/b", ""]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of every field and item below a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(obj: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        obj = obj[key]
    return obj


@st.composite
def mutated(draw: st.DrawFn, bases: list[Any]) -> Any:
    """A right manifest of which one to three fields are dropped, replaced, added or doubled."""
    obj = copy.deepcopy(draw(st.sampled_from(bases)))
    for _ in range(draw(st.integers(1, 3))):
        found = [path for path in places(obj) if path[0] == "spec"]
        if not found:
            break
        path = draw(st.sampled_from(found))
        parent, value = at(obj, path[:-1]), copy.deepcopy(draw(st.sampled_from(VALUES)))
        change = draw(st.sampled_from(["drop", "replace", "replace", "add"]))
        if change == "drop":
            del parent[path[-1]]
        elif change == "add" and isinstance(at(obj, path), dict):
            at(obj, path)[draw(st.sampled_from(KEYS))] = value
        elif change == "add" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[path[-1]]))
        else:
            parent[path[-1]] = value
    return obj


@settings(CALM, max_examples=200)
@given(obj=mutated(BASES))
def test_they_agree_about_manifests_with_some_mistakes(obj: Any, newest: Server, linter: Linter) -> None:
    assert_agree(obj, newest, linter)


FIELDS = sorted(gadget_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"])
GADGET_VALUES = [
    *VALUES, "t", "tt", "ab", "abcdefghijk", "B", "C", "1m", "2h", "1Mi", "1Gi", 5000, 150, -7.25, ["t", "t"],
    ["ta", "x"], [2, 4], [3], [{"a": "1", "b": 1}], [{"a": "1", "b": 1}] * 2, [{"a": "1"}, {"a": "1"}], [{}, {}],
    [{"a": "1", "b": 1, "c": None}], [{"a": "1", "b": 1, "c": "x"}], {"A": "bb"}, {"a": 1, "b": {"c": [1]}}, "new",
    {"a": "bb"}, {"x": "yy", "y": "zz", "z": "ww", "v": "uu"},
]  # fmt: skip
SPECS = st.dictionaries(st.sampled_from([*FIELDS, "bogus"]), st.sampled_from(GADGET_VALUES), min_size=1, max_size=4)


@settings(CALM, max_examples=300)
@given(spec=SPECS, name=st.sampled_from(["g", "g", "a" * 21]), least=st.booleans())
def test_they_agree_about_every_feature_of_schemas_and_rules(
    spec: dict[str, Any], name: str, least: bool, with_gadgets: Server, linter: Linter
) -> None:
    metadata = {"name": name, "namespace": "default"}
    body = {"min": 1} | spec if least else spec
    obj = {"apiVersion": GADGET.api_version, "kind": GADGET.kind, "metadata": metadata, "spec": body}
    assert_agree(obj, with_gadgets, linter)
