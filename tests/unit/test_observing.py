"""Small pure parts between informers and decisions: pods, trims, drift, profiles, events."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import make
import pytest
from harness import NOW, SETTINGS, stores, world

from inferfleet.catalog import loader
from inferfleet.fleet.drift import contains, needs_apply
from inferfleet.fleet.observe import ledger, node, observe
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.pods import boot_seconds, doing, failure
from inferfleet.fleet.profile_status import profile_status
from inferfleet.fleet.profiles import profile_objects
from inferfleet.fleet.trim import same, same_but_status, trim_node, trim_pod
from inferfleet.fleet.validate import validate
from inferfleet.planning.types import Measured


def pod(name: str = "p", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}, "status": status}


def container(**state: Any) -> dict[str, Any]:
    return {"name": "serve", "state": state}


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient cpu."}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"conditions": [UNSCHEDULABLE]}, "cannot be scheduled: 0/1 nodes"),
        (
            {"initContainerStatuses": [container(waiting={"reason": "ErrImagePull", "message": "no"})]},
            "ErrImagePull: no",
        ),
        (
            {"containerStatuses": [container(terminated={"exitCode": 1, "message": "bad digest\n"})]},
            "code 1: bad digest",
        ),
        ({"containerStatuses": [container(waiting={"reason": "ContainerCreating"})]}, ""),
        ({"containerStatuses": [container(terminated={"exitCode": 0})]}, ""),
        ({}, ""),
    ],
)
def test_a_pod_says_what_keeps_it_from_starting(status: dict[str, Any], words: str) -> None:
    found = failure([pod(**status)])
    assert words in found
    assert bool(words) == bool(found)


def stage(name: str, **state: Any) -> dict[str, Any]:
    return pod(initContainerStatuses=[{"name": name, "state": state}])


def test_pods_that_are_not_ready_say_what_they_are_at() -> None:
    fetching, quantizing = stage("fetch", running={}), stage("quantize", running={})
    assert doing([fetching, quantizing, fetching, pod()]) == "2 fetching weights, 1 quantizing"
    assert doing([stage("fetch", terminated={"exitCode": 0}), stage("sidecar", running={})]) == ""


def test_a_pod_that_leaves_is_at_nothing() -> None:
    leaving = stage("fetch", running={})
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:01:00Z"
    assert doing([leaving]) == ""
    assert doing([leaving, stage("fetch", running={})]) == "1 fetching weights"


def test_a_crash_loop_tells_the_last_words_and_not_only_the_back_off() -> None:
    crashed = container(waiting={"reason": "CrashLoopBackOff", "message": "back-off 5m0s"})
    crashed["lastState"] = {"terminated": {"exitCode": 1, "message": "no such file m.gguf"}}
    assert "no such file m.gguf" in failure([pod(containerStatuses=[crashed])])


def test_boot_time_is_from_creation_to_ready_and_none_for_a_pod_that_became_ready_again() -> None:
    def ready(at: str) -> dict[str, Any]:
        return pod(conditions=[{"type": "Ready", "status": "True", "lastTransitionTime": at}])

    assert boot_seconds(ready("2026-01-01T00:00:20Z")) == 20
    assert boot_seconds(ready("2026-01-01T07:00:00Z")) is None
    assert boot_seconds(pod()) is None


def test_a_cordoned_or_unready_node_is_not_usable() -> None:
    cordoned = make.node() | {"spec": {"unschedulable": True}}
    assert [node(o).usable for o in (make.node(), make.node(ready=False), cordoned)] == [True, False, False]


def test_a_node_of_unreadable_size_is_not_usable_and_no_exception() -> None:
    assert not node(make.node(memory="a lot")).usable


@pytest.mark.parametrize("missing", ["pool", "class", "variant", "engine", "placement"])
def test_a_deployment_without_one_of_our_labels_is_no_placement_and_stops_nobody(missing: str) -> None:
    labels = {f"inferfleet.io/{name}": "x" for name in ("pool", "class", "variant", "engine", "placement")}
    labels |= {"inferfleet.io/model": "demo"}
    del labels[f"inferfleet.io/{missing}"]
    meddled = {"metadata": {"name": "d", "namespace": "default", "labels": labels}, "spec": {}}
    held = stores(world(make.node(), make.pool(), make.workload_class(), make.model()))
    seen = observe(("default", "demo"), replace(held, deployments={("default", "d"): meddled}), NOW, 1)
    assert seen
    assert seen.live == ()
    assert seen.held == {}


def test_the_heartbeat_of_a_node_wakes_nobody() -> None:
    first, second = make.node(), make.node()
    first["status"]["conditions"][0]["lastHeartbeatTime"] = "1"
    second["status"]["conditions"][0]["lastHeartbeatTime"] = "2"
    first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"] = "1", "2"
    assert same(trim_node(first), trim_node(second))
    assert not same(trim_node(first), trim_node(make.node(cpu="8")))
    assert not same(None, trim_node(first))


def test_a_status_of_a_pool_is_no_news_for_models_and_a_new_spec_is() -> None:
    plain = make.pool()
    judged = make.pool() | {"status": {"nodes": 1}}
    judged["metadata"]["resourceVersion"] = "2"
    assert same_but_status(plain, judged)
    assert not same_but_status(plain, make.pool(price="0.06") | {"status": {"nodes": 1}})
    assert not same_but_status(plain, None)
    assert not same_but_status(None, plain)


def test_a_trimmed_pod_keeps_what_is_decided_on_and_no_spec() -> None:
    full = pod(podIP="10.0.0.1", qosClass="Guaranteed", containerStatuses=[container(running={}) | {"image": "x"}])
    trimmed = trim_pod(full | {"spec": {"containers": []}})
    assert trimmed["status"] == {"podIP": "10.0.0.1", "containerStatuses": [container(running={})]}
    assert "spec" not in trimmed


@pytest.mark.parametrize(
    ("live", "desired", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 2}, {"a": 1}, False),
        ({}, {"a": 1}, False),
        ({"l": [{"n": 1, "x": 0}, {"n": 2}]}, {"l": [{"n": 1}]}, True),
        ({"l": [{"n": 2}]}, {"l": [{"n": 1}]}, False),
        ({"l": []}, {"l": [1]}, False),
        ({"a": None}, {"a": {}}, False),
    ],
)
def test_drift_is_a_difference_in_what_we_own(live: Any, desired: Any, expected: bool) -> None:
    assert contains(live, desired) is expected


def test_other_content_is_applied_even_where_the_old_contains_the_new() -> None:
    def child(hash_: str, **spec: Any) -> dict[str, Any]:
        return {"metadata": {"annotations": {"inferfleet.io/desired-hash": hash_}}, "spec": spec}

    assert needs_apply(child("new", a=1), child("old", a=1, removed=2))
    assert not needs_apply(child("same", a=1), child("same", a=1, theirs=2))
    assert needs_apply(child("same", a=1), None)


PROFILE = {
    "architecture": "llama-3.2-1b",
    "quantization": "Q8_0",
    "engine": "llama-cpp",
    "accelerator": "cpu-x86-avx2",
    "accelerators": "500m",
    "slots": 4,
    "inputTokens": 48,
    "outputTokens": 64,
}


def profile(speed: int, at: datetime, **changes: Any) -> dict[str, Any]:
    status = {"tokensPerSecond": speed, "source": "Observed", "measuredAt": at.isoformat()}
    return {"spec": PROFILE | changes, "status": status}


def test_an_old_measurement_is_not_believed() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    old = profile(6, now - timedelta(days=40), slots=8)
    half = {"spec": PROFILE | {"slots": 2}, "status": {"tokensPerSecond": 5, "source": "Observed"}}
    found = ledger([profile(5, now - timedelta(days=1)), old, {}, half], now, 30 * 86400)
    assert list(found.values()) == [Measured(5, "Observed")]


def test_a_declared_capacity_holds_until_the_operator_has_measured() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)

    def declared(day: str) -> dict[str, Any]:
        return {"spec": PROFILE | {"declared": {"tokensPerSecond": 9, "asOf": day, "source": "our own bench"}}}

    measured = profile(5, now - timedelta(days=1))
    assert list(ledger([declared("2026-01-20")], now, 30 * 86400).values()) == [Measured(9, "Declared")]
    for order in ([declared("2026-01-20"), measured], [measured, declared("2026-01-20")]):
        assert list(ledger(order, now, 30 * 86400).values()) == [Measured(5, "Observed")]
    assert not ledger([declared("2025-11-20"), declared("2026-02-31")], now, 30 * 86400)


def declared(name: str, speed: int, day: str, **changes: Any) -> dict[str, Any]:
    said = {"tokensPerSecond": speed, "asOf": day, "source": "our own bench"}
    return {"metadata": {"name": name}, "spec": PROFILE | {"declared": said} | changes}


def test_of_two_declarations_the_newest_holds_and_then_the_first_by_name_in_whatever_order() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    newer, older = declared("b", 9, "2026-01-20"), declared("a", 100, "2026-01-10")
    same_day = declared("c", 900, "2026-01-20")
    for order in permutations([newer, older, same_day]):
        assert list(ledger(order, now, 30 * 86400).values()) == [Measured(9, "Declared")]


@pytest.mark.parametrize(("day", "believed"), [("2026-01-31", True), ("2026-02-01", True), ("2026-02-02", False)])
def test_a_declaration_of_the_future_is_not_believed_but_for_days_that_begin_earlier_in_the_east(
    day: str, believed: bool
) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert bool(ledger([declared("a", 9, day)], now, 30 * 86400)) is believed
    assert not ledger([profile(5, now + timedelta(days=2))], now, 30 * 86400)


def test_a_profile_whose_accelerators_are_no_number_is_of_no_use() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    assert not ledger([declared("a", 9, "2026-01-20", accelerators="two cores")], now, 30 * 86400)


def test_a_profile_is_written_for_a_change_and_not_for_noise() -> None:
    seen = observe(
        ("default", "demo"), stores(world(make.node(), make.pool(), make.workload_class(), make.model())), NOW, 1
    )
    assert seen
    ((name, obj),) = profile_objects(make_plan(seen, validate(seen, loader.load(), SETTINGS), {})).items()
    stored = {name: Measured(100, "Benchmarked")}
    assert profile_status(obj, Measured(108, "Observed"), stored, NOW, 86400) is None
    changed = profile_status(obj, Measured(163, "Observed", 4.0), stored, NOW, 30 * 86400)
    assert changed
    assert changed["status"] == {
        "tokensPerSecond": 160,
        "source": "Observed",
        "measuredAt": "2026-01-01T12:00:00Z",
        "expiresAt": "2026-01-31T12:00:00Z",
        "confidence": "High",
        "errorPercent": 5,
        "observations": 4,
    }
    assert profile_status(obj, Measured(0.4, "Observed"), {}, NOW, 86400) is None
