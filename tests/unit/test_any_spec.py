"""Whatever is stored, the operator finds words for it: no exception, no reason InternalError, no illegal object.

An API server refuses most of this; what is older than its rules, or was restored past them, is stored all the same.
INFERFLEET_FUZZ_CASES says how many worlds are tried; each is the same in every run.
"""

import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import make
import pytest
from apiserver import bad_input_table
from fakes.cluster import FakeCluster
from from_schema import anything, grafted, problems
from harness import NOW, SETTINGS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from inferfleet import names
from inferfleet.api.crdgen import RESOURCES, crd
from inferfleet.catalog import loader
from inferfleet.fleet.acceptance import class_verdicts, pool_verdicts, stamped
from inferfleet.fleet.decisions import with_decisions
from inferfleet.fleet.events import events
from inferfleet.fleet.observe import Stores, node, observe, read_classes, read_pools
from inferfleet.fleet.profiles import profile_objects
from inferfleet.fleet.reconcile import Context, Decided, decide
from inferfleet.fleet.status import compute_status, settled, to_json, without_wording
from inferfleet.fleet.types import Applied
from inferfleet.kube.kinds import Obj
from inferfleet.names import Reason
from inferfleet.scaling.law import Decision

CASES = int(os.environ.get("INFERFLEET_FUZZ_CASES", "300"))
KEY = ("default", "demo")
CRDS = {r.kind: crd(r)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"] for r in RESOURCES}
NODES = (
    make.node(),
    make.node("node-2", cpu="1900m", memory="3Gi"),
    make.node("node-3", cpu="lots", memory="-1"),
    make.node("node-4", ready=False),
    make.node("node-5", **{"example.com/region": "eu"}),
)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """A bug is met by hundreds of worlds while a failure is made small, and each time it is logged."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@dataclass(frozen=True)
class World:
    """Everything that is stored, and what happens to it after the first reconcile."""

    model: Any
    status: Any
    classes: dict[str, Any]
    pools: dict[str, Any]
    profiles: list[tuple[Any, Any]]
    nodes: list[Obj]
    decided: int | None
    ready: bool
    lost: str
    """What vanishes once something runs: pools, classes, nodes or nothing."""


@cache
def specs(kind: str) -> st.SearchStrategy[Any]:
    """Of one kind: made from the schema, or right in most places."""
    simple = {"Model": make.model, "WorkloadClass": make.workload_class, "HardwarePool": make.pool}
    known = [base["spec"] for base in bad_input_table.bases()[kind].values()]
    known = [simple[kind]()["spec"], *known] if kind in simple else known
    schema = CRDS[kind]["spec"]
    right, junk = grafted(schema, known), grafted(schema, known, junk=True)
    # Mostly right, since one wrong part hides what the others would have done.
    return st.one_of(st.just(known[0]), right, right, grafted(schema, known[:1]), anything(schema), junk)


@cache
def worlds() -> st.SearchStrategy[World]:
    """Worlds around the Model default/demo."""
    status = CRDS["Model"]["status"]
    measured = st.tuples(specs("CapacityProfile"), anything(CRDS["CapacityProfile"]["status"]))
    return st.builds(
        World,
        model=specs("Model"),
        status=st.one_of(st.just({}), anything(status), grafted(status, [{}], junk=True)),
        classes=st.fixed_dictionaries({"chat": specs("WorkloadClass")}, optional={"batch": specs("WorkloadClass")}),
        pools=st.fixed_dictionaries({"cpu": specs("HardwarePool")}, optional={"gpu": specs("HardwarePool")}),
        profiles=st.lists(measured, max_size=2),
        nodes=st.lists(st.sampled_from(NODES), unique_by=id, max_size=3).map(lambda some: [NODES[0], *some]),
        decided=st.one_of(st.none(), st.integers(0, 2000)),
        ready=st.booleans(),
        lost=st.sampled_from(["", "pools", "classes", "nodes"]),
    )


def obj(kind: str, name: str, spec: Any, status: Any = None) -> Obj:
    """As an informer holds it."""
    metadata: Obj = {"name": name, "uid": f"uid-{name}", "generation": 1, "labels": {"example.com/region": "eu"}}
    metadata |= {"namespace": KEY[0]} if kind == "Model" else {}
    return {"kind": kind, "metadata": metadata, "spec": spec, "status": {} if status is None else status}


def stored(world: World) -> Stores:
    """What the informers hold."""
    return Stores(
        models={KEY: obj("Model", KEY[1], world.model, world.status)},
        classes={("", name): obj("WorkloadClass", name, spec) for name, spec in world.classes.items()},
        pools={("", name): obj("HardwarePool", name, spec) for name, spec in world.pools.items()},
        profiles={("", f"p{i}"): obj("CapacityProfile", f"p{i}", *p) for i, p in enumerate(world.profiles)},
        nodes={("", n["metadata"]["name"]): n for n in world.nodes},
        namespaces={("", KEY[0]): {"metadata": {"name": KEY[0], "labels": {"example.com/tier": "production"}}}},
    )


def reconciled(stores: Stores, world: World) -> tuple[Obj, list[Obj]]:
    """The status and the children of one reconcile, both checked."""
    seen = observe(KEY, stores, NOW, SETTINGS.capacity_max_age)
    assert seen
    decisions = {} if world.decided is None else {"chat": decision(world.decided)}
    context = Context(FakeCluster(), SETTINGS, loader.load(), lambda _: None)
    plan, desired = decide(seen, Decided(decisions), context)
    status = compute_status(seen, plan, Applied(0), decisions, {"chat": 1.5} if world.ready else None, NOW)
    status = with_decisions(status, seen.status, {})
    assert events(seen, status) is not None
    assert settled(without_wording(status))
    body = to_json(status)
    assert [c.message for c in status.conditions if c.reason == Reason.INTERNAL_ERROR] == []
    assert list(problems(CRDS["Model"]["status"], json.loads(json.dumps(body, allow_nan=False)))) == []
    for profile in profile_objects(plan).values():
        assert list(problems(CRDS["CapacityProfile"]["spec"], profile["spec"])) == []
        check_names(profile)
    for child in desired:
        check_names(child)
    return body, desired


def decision(replicas: int) -> Decision:
    """What the scaling loop says."""
    return Decision(replicas, replicas, Reason.DEMAND, "the test says so", True, ())


def judged(stores: Stores) -> None:
    """The statuses of pools and classes, checked."""
    nodes = tuple(node(n) for n in stores.nodes.values())
    for kind, found, there in (
        ("HardwarePool", pool_verdicts(read_pools(stores), nodes, loader.load()), stores.pools),
        ("WorkloadClass", class_verdicts(read_classes(stores), loader.load()), stores.classes),
    ):
        for name, status in found.items():
            body = stamped(status, there[("", name)], NOW)
            assert list(problems(CRDS[kind]["status"], json.loads(json.dumps(body)))) == []


SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def check_names(child: Obj) -> None:
    """Names and labels that an API server accepts."""
    name, kind = child["metadata"]["name"], child["kind"]
    assert (LABEL if kind == "Service" else SUBDOMAIN).fullmatch(name), (kind, name)
    assert len(name) <= {"Deployment": 52, "Service": 63}.get(kind, 253), (kind, name)
    for key, value in child["metadata"].get("labels", {}).items():
        assert len(key) <= 317, key
        assert LABEL_VALUE.fullmatch(value), (key, value)


def running(desired: list[Obj], ready: bool) -> dict[tuple[str, str], Obj]:
    """The Deployments, started."""
    found = {}
    for child in desired:
        if child["kind"] == "Deployment":
            count = child["spec"].get("replicas", 1)
            status = {"replicas": count, "readyReplicas": count if ready else 0, "updatedReplicas": count}
            metadata = child["metadata"] | {"uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
            found[(KEY[0], child["metadata"]["name"])] = child | {"metadata": metadata, "status": status}
    return found


ALWAYS_THE_SAME = settings(
    max_examples=CASES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@ALWAYS_THE_SAME
@given(worlds())
def test_any_world_is_told_in_words(world: World) -> None:
    stores = stored(world)
    judged(stores)
    status, desired = reconciled(stores, world)
    again = replace(stores, deployments=running(desired, world.ready))
    again = replace(again, models={KEY: again.models[KEY] | {"status": status}})
    if world.lost:
        again = replace(again, **{world.lost: {}})
    reconciled(again, world)


def test_the_worlds_that_the_fuzz_begins_from_are_planned() -> None:
    world = World(
        make.model()["spec"],
        {},
        {"chat": make.class_spec()},
        {"cpu": make.pool()["spec"]},
        [],
        [NODES[0]],
        None,
        True,
        "",
    )
    status, desired = reconciled(stored(world), world)
    assert {c["type"]: c["status"] for c in status["conditions"]}[names.Cond.PLANNED] == "True"
    assert {child["kind"] for child in desired} >= {"Deployment", "Service", "ConfigMap"}


RULES_BETWEEN_FIELDS = {("nodes", "replica")}
"""Where the types repeat a rule of the CRD that no single field can break."""


@ALWAYS_THE_SAME
@given(st.one_of([st.tuples(st.just(r.kind), anything(CRDS[r.kind]["spec"])) for r in RESOURCES]))
def test_the_types_read_whatever_the_forms_of_the_crd_allow(given: tuple[str, Any]) -> None:
    assert unread(*given) == []


def unread(kind: str, spec: Any) -> list[str]:
    """What the types refuse of a spec."""
    (resource,) = [r for r in RESOURCES if r.kind == kind]
    try:
        resource.spec.model_validate(spec)
    except ValidationError as error:
        return [f"{e['loc']}: {e['msg']}" for e in error.errors() if e["loc"] not in RULES_BETWEEN_FIELDS]
    return []
