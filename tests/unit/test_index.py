"""What informers hold by Model: one Model sees what it would find by looking through the whole fleet."""

import asyncio
from datetime import timedelta
from typing import Any

import make
import pytest
from harness import NOW, settled, stores
from hypothesis import given
from hypothesis import strategies as st

from inferfleet import names
from inferfleet.fleet.gather import gather
from inferfleet.fleet.index import AGED, Index
from inferfleet.fleet.observe import Stores, observe
from inferfleet.fleet.types import Key, Obj, Observed
from inferfleet.kube import kinds
from inferfleet.kube.kinds import KINDS, Kind, key_of

MAX_AGE = 1000.0
MODELS = ("a", "b")
OWNED = (
    kinds.DEPLOYMENT,
    kinds.SERVICE,
    kinds.CONFIG_MAP,
    kinds.POD_DISRUPTION_BUDGET,
    kinds.NETWORK_POLICY,
    kinds.POD,
)
PLACED = dict.fromkeys(names.PLACEMENT_LABELS, "x")


class Held:
    """Informers of a fleet and the index that hears of their changes."""

    def __init__(self) -> None:
        self.objects: dict[Kind, dict[Key, Obj]] = {kind: {} for kind in KINDS.values()}
        self.index = Index(MAX_AGE)
        for name in MODELS:
            self.put(kinds.MODEL, make.model(name) | {"metadata": {"name": name, "namespace": "default", "uid": name}})

    def put(self, kind: Kind, obj: Obj) -> None:
        old = self.objects[kind].get(key_of(obj))
        self.objects[kind][key_of(obj)] = obj
        self.index.changed(kind, old, obj)

    def remove(self, kind: Kind, key: Key) -> None:
        if old := self.objects[kind].pop(key, None):
            self.index.changed(kind, old, None)

    @property
    def whole(self) -> Stores:
        return gather(lambda kind: self.objects[kind])

    def seen(self, name: str, after: timedelta = timedelta(0)) -> tuple[Observed | None, Observed | None]:
        """By the index, and by looking through the fleet."""
        key, now = ("default", name), NOW + after
        mine = self.index.stores(key, self.whole, now)
        return observe(key, mine, now, MAX_AGE), observe(key, self.whole, now, MAX_AGE)


def child(kind: Kind, name: str, labels: dict[str, str], replicas: int) -> Obj:
    """An object of a Model, or of nobody without its label."""
    metadata = {"name": name, "namespace": "default", "labels": labels}
    spec = {"replicas": replicas} if kind == kinds.DEPLOYMENT else {}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}


def labels() -> st.SearchStrategy[dict[str, str]]:
    whose = st.sampled_from(MODELS).map(lambda model: {**PLACED, names.LABEL_MODEL: model})
    return st.one_of(whose, whose.map(lambda found: found | {names.LABEL_POOL: "other"}), st.just({}))


CHANGES = st.lists(
    st.tuples(st.sampled_from(OWNED), st.sampled_from("pqr"), st.one_of(st.none(), labels()), st.integers(0, 3)),
    max_size=30,
)


@given(CHANGES)
def test_a_model_sees_the_same_as_in_the_whole_fleet_whatever_came_went_and_changed_hands(
    changes: list[tuple[Kind, str, dict[str, str] | None, int]],
) -> None:
    held = Held()
    for kind, name, found, replicas in changes:
        if found is None:
            held.remove(kind, ("default", name))
        else:
            held.put(kind, child(kind, name, found, replicas))
        mine, whole = held.seen("a")
        assert mine == whole


def profile(name: str, speed: float, at: str) -> Obj:
    spec = {
        "architecture": name,
        "quantization": "Q4_0",
        "engine": "llama-cpp",
        "accelerator": "cpu-x86-avx2",
        "accelerators": "1",
        "slots": 4,
        "inputTokens": 48,
        "outputTokens": 64,
    }
    status = {"tokensPerSecond": speed, "source": "Observed", "measuredAt": at}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        (kinds.NODE, make.node(), make.node(cpu="8")),
        (kinds.HARDWARE_POOL, make.pool(), make.pool(price="9")),
        (kinds.WORKLOAD_CLASS, make.workload_class(), make.workload_class(objective="Latency")),
        (kinds.CAPACITY_PROFILE, profile("p", 1, "2026-01-01T11:59:59Z"), profile("p", 2, "2026-01-01T11:59:59Z")),
    ],
)
def test_what_all_share_is_read_again_when_it_changes(kind: Kind, first: Any, second: Any) -> None:
    held, found = Held(), []
    for change in (first, second):
        held.put(kind, change)
        mine, whole = held.seen("a")
        assert mine == whole
        found.append(mine)
    held.remove(kind, key_of(second))
    mine, whole = held.seen("a")
    assert mine == whole
    assert mine not in found
    assert found[0] != found[1]


def test_what_did_not_change_is_not_read_again() -> None:
    held = Held()
    held.put(kinds.HARDWARE_POOL, make.pool())
    first, _ = held.seen("a")
    held.put(kinds.NODE, make.node())
    second, _ = held.seen("b")
    assert first
    assert second
    assert second.pools is first.pools
    assert second.nodes != first.nodes


def test_measurements_get_too_old_though_nobody_writes() -> None:
    held = Held()
    held.put(kinds.CAPACITY_PROFILE, profile("p", 1, "2026-01-01T12:00:00Z"))
    young, _ = held.seen("a")
    old, whole = held.seen("a", timedelta(seconds=MAX_AGE + 1))
    assert young
    assert old
    assert young.ledger
    assert old.ledger == {}
    assert old == whole
    assert timedelta(0) < AGED < timedelta(seconds=MAX_AGE)


def test_what_was_seen_does_not_change_when_replicas_do() -> None:
    held = Held()
    held.put(kinds.DEPLOYMENT, child(kinds.DEPLOYMENT, "d", {**PLACED, names.LABEL_MODEL: "a"}, 1))
    before, _ = held.seen("b")
    held.put(kinds.DEPLOYMENT, child(kinds.DEPLOYMENT, "d", {**PLACED, names.LABEL_MODEL: "a"}, 5))
    after, _ = held.seen("b")
    assert before
    assert after
    assert before.held == {("default", "a", "x"): {"x": 1}}
    assert after.held == {("default", "a", "x"): {"x": 5}}


def test_a_model_that_serves_is_seen_whole() -> None:
    cluster = asyncio.run(settled(make.pool(), make.workload_class(), make.model()))
    whole, index = stores(cluster), Index(1e9)
    for kind in KINDS.values():
        for obj in cluster.all(kind):
            index.changed(kind, None, obj)
    found = observe(("default", "demo"), index.stores(("default", "demo"), whole, NOW), NOW, 1e9)
    assert found
    assert found.live
    assert {kind for kind, _ in found.children} >= {"Deployment", "Service", "ConfigMap"}
