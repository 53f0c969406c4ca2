"""A measured capacity is about what was measured: settings that change the speed are part of its key."""

from dataclasses import replace
from typing import Any

import make
import pytest
from harness import NOW, built, planned
from make import parsed_class
from questions import Q4, make_pool, question

from inferfleet.fleet.build.dialect import CURRENT, FIRST
from inferfleet.fleet.profiles import ledger, profile_objects
from inferfleet.fleet.types import Obj, Plan
from inferfleet.planning.choose import candidates, profile_name
from inferfleet.planning.content import alternatives, settings

RELEASED = "llama-3-2-1b-q4-0-cpu-x86-avx2-baed078452"
"""The name that releases without settings gave to the measurement that `name()` is about."""


def name(serving: dict[str, Any] | None = None, engines: tuple[str, ...] = ("llama-cpp",), **changes: Any) -> str:
    """Of four slots on four cores."""
    workload = parsed_class(serving={"maxBatchSize": 4, **(serving or {})})
    asked = question([make_pool(cores=4.0, engines=engines)], (Q4,), workload=workload, **changes)
    (candidate,) = [c for c in candidates(asked) if c.engine == "llama-cpp"]
    return profile_name(candidate, asked, 4)


def test_what_sets_nothing_apart_keeps_the_measurements_of_earlier_releases() -> None:
    spelled = {"kvCache": {"overflow": "SlideWithSinks"}, "prefixCache": "On", "chunkedPrefill": "On"}
    assert name() == name(spelled) == name({"speculation": "Off"}) == name(trusted_headers=True) == RELEASED
    assert name(speculators={"EAGLE3": "of an engine that this is not"}) == RELEASED


def test_whatever_changes_the_speed_is_measured_by_itself() -> None:
    both = ("llama-cpp", "openvino-genai")
    apart = [
        name({"kvCache": {"dtype": "Q8_0"}}),
        name({"kvCache": {"dtype": "Q4_0"}}),
        name({"prefixCache": "Off"}),
        name({"chunkedPrefill": "Off"}),
        name({"speculation": "NGram"}),
        name(speculators={"Draft": "one"}),
        name(speculators={"Draft": "another"}),
        name(adapted=True),
        name(engines=both),
        name(engines=both, trusted_headers=True),
    ]
    assert len({RELEASED, *apart}) == 1 + len(apart)


def test_a_speculator_that_the_class_switches_off_changes_nothing() -> None:
    assert name({"speculation": "Off"}, speculators={"Draft": "one"}) == RELEASED


@pytest.mark.parametrize(
    ("quantization", "modality", "others"),
    [("Q4_0", "Text", ("openvino-genai",)), ("TQ2_0", "Text", ()), ("Q4_0", "Embedding", ())],
)
def test_a_pod_may_choose_only_what_could_serve(quantization: str, modality: str, others: tuple[str, ...]) -> None:
    asked = question([make_pool(engines=("llama-cpp", "openvino-genai"))], (replace(Q4, quantization=quantization),))
    assert alternatives(candidates(asked)[0], modality) == others


DRAFT = {"method": "Draft", "source": {"uri": "https://models.example.com/draft.gguf"}}


def world(*more: Obj, **model: Any) -> tuple[Obj, ...]:
    class_ = make.workload_class(serving={"maxBatchSize": 4, "kvCache": {"dtype": "Q8_0"}})
    return make.node(), make.pool(), class_, make.model(**model), *more


def measured(objects: tuple[Obj, ...]) -> Obj:
    """The profile of the one placement, with a measurement."""
    (profile,) = profile_objects(planned(*objects)[1]).values()
    return profile | {"status": {"tokensPerSecond": 123, "source": "Benchmarked", "measuredAt": NOW.isoformat()}}


def capacity(objects: tuple[Obj, ...]) -> str | None:
    """What pods are told that others have measured."""
    (config,) = [o for o in built(*objects) if o["kind"] == "ConfigMap"]
    found: str | None = config["data"].get("capacity.json")
    return found


def test_a_profile_says_what_its_name_stands_for() -> None:
    profile = measured(world(speculators=[DRAFT]))
    assert profile["spec"]["settings"].keys() == {"kvCache", "speculation", "speculator"}
    assert list(ledger([profile], NOW, 1e9)) == [profile["metadata"]["name"]]
    assert "settings" not in measured((make.node(), make.pool(), make.workload_class(), make.model()))["spec"]


def test_what_was_measured_without_speculation_is_not_told_to_pods_that_speculate() -> None:
    plain = measured(world())
    assert capacity(world(plain))
    assert capacity(world(plain, speculators=[DRAFT])) is None
    assert capacity(world(measured(world(speculators=[DRAFT])), speculators=[DRAFT]))


def test_an_image_that_was_never_told_of_the_settings_measures_nothing_about_them() -> None:
    def recorded(dialect: int, *objects: Obj) -> int:
        (workload,) = planned(*objects)[1].workloads
        kept = tuple(replace(p, runs=("inferfleet.local/runtime:old", dialect)) for p in workload.placements)
        return len(profile_objects(Plan((replace(workload, placements=kept),))))

    plain = (make.node(), make.pool(), make.workload_class(), make.model())
    assert (recorded(FIRST, *world()), recorded(CURRENT, *world()), recorded(FIRST, *plain)) == (0, 1, 1)


def test_another_draft_is_another_content_and_the_same_file_under_another_name_is_not() -> None:
    def speculator(**source: str) -> Any:
        found = measured(world(speculators=[DRAFT | {"source": source}]))
        return found["spec"]["settings"]["speculator"]

    same = "5" * 64
    one, other = "https://models.example.com/a.gguf", "https://mirror.example.com/a.gguf"
    assert speculator(uri=one) != speculator(uri=other)
    assert speculator(uri=one, sha256=same) == speculator(uri=other, sha256=same)


def test_settings_of_a_question_without_any_are_empty() -> None:
    asked = question(variants=(Q4,))
    assert settings(candidates(asked)[0], asked) == {}
