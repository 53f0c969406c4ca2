"""A measured capacity is about what was measured: settings that change the speed are part of its key."""

from dataclasses import replace
from typing import Any

import make
import pytest
from harness import NOW, built, planned
from make import parsed_class
from questions import Q4, make_pool, question

from inferfleet import names
from inferfleet.api.capacity_profile import SETTINGS
from inferfleet.fleet.profiles import ledger, profile_objects
from inferfleet.fleet.targets import targets
from inferfleet.fleet.types import Obj
from inferfleet.performance.types import Parallelism
from inferfleet.planning.candidates.enumerate import candidates
from inferfleet.planning.content import alternatives, settings
from inferfleet.planning.evaluate.evaluate import profile_names
from inferfleet.planning.types import Evaluated

RELEASED = "llama-3-2-1b-q4-0-cpu-x86-avx2-baed078452"
"""The name that releases without settings gave to the measurement that `name()` is about."""


def name(serving: dict[str, Any] | None = None, engines: tuple[str, ...] = ("llama-cpp",), **changes: Any) -> str:
    """Of four slots on four cores."""
    about = {"slo": {"tpot": "200ms"}} | changes.pop("about", {})
    workload = parsed_class(serving={"maxBatchSize": 4, **(serving or {})}, **about)
    asked = question([make_pool(cores=4.0, engines=engines)], (Q4,), workload=workload, **changes)
    (candidate,) = [c for c in candidates(asked) if c.engine == "llama-cpp"]
    return profile_names(candidate, asked, [4])[0]


def test_what_sets_nothing_apart_keeps_the_measurements_of_earlier_releases() -> None:
    spelled = {"kvCache": {"overflow": "SlideWithSinks"}, "prefixCache": "On", "chunkedPrefill": "On"}
    assert name() == name(spelled) == name({"speculation": "Off"}) == name(trusted_headers=True) == RELEASED
    assert name(speculators={"EAGLE3": "of an engine that this is not"}) == RELEASED
    assert name({"kvCache": {"dtype": "F16"}}) == RELEASED, "what the engine does anyway"
    assert name(about={"slo": {"ttft": "1s", "tpot": "1s"}}) == RELEASED


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
        name(about={"slo": {"ttft": "1s"}}),
    ]
    assert len({RELEASED, *apart}) == 1 + len(apart)


def test_a_prompt_that_is_not_cut_has_no_chunk() -> None:
    whole = {"chunkedPrefill": "Off"}
    assert name(whole) == name(whole, about={"slo": {}})


def test_what_is_about_prompts_of_text_sets_no_embeddings_apart() -> None:
    def of(slo: dict[str, Any], **serving: Any) -> str:
        traffic = {"inputTokens": {"p50": 120, "p95": 500}}
        return name(serving, about={"modality": "Embedding", "traffic": traffic, "slo": slo})

    assert len({of({}), of({"tpot": "1s"}), of({}, prefixCache="Off"), of({}, chunkedPrefill="Off")}) == 1
    assert of({}) != of({}, kvCache={"dtype": "Q8_0"})


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
    class_ = make.workload_class(slo={"tpot": "1s"}, serving={"maxBatchSize": 4, "kvCache": {"dtype": "Q8_0"}})
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
    plain = (make.node(), make.pool(), make.workload_class(slo={"tpot": "1s"}), make.model())
    assert "settings" not in measured(plain)["spec"]


def test_what_was_measured_without_speculation_is_not_told_to_pods_that_speculate() -> None:
    plain = measured(world())
    assert capacity(world(plain))
    assert capacity(world(plain, speculators=[DRAFT])) is None
    assert capacity(world(measured(world(speculators=[DRAFT])), speculators=[DRAFT]))


def running(objects: tuple[Obj, ...], *, told: bool) -> list[Obj]:
    """The Deployment of a world, as it runs in one where only its image is of an earlier release (or not, `told`)."""
    (found,) = [o for o in built(*objects) if o["kind"] == "Deployment"]
    if not told:
        del found["metadata"]["annotations"][names.ANNOTATION_DIALECT]
    return [found]


def placed(*objects: Obj) -> Evaluated:
    """What the one placement is built from."""
    (workload,) = planned(*objects)[1].workloads
    (placement,) = workload.placements
    assert placement.evaluated
    return placement.evaluated


BOTH = ["llama-cpp", "openvino-genai"]
STAYS: dict[str, Any] = {
    "engineUpdate": "Manual",
    "workloads": make.workloads(placement={"mode": "Pinned", "pool": "cpu", "variant": "q4-0", "engine": "llama-cpp"}),
}


@pytest.mark.parametrize(
    "changed",
    [
        (make.workload_class(serving={"maxBatchSize": 4, "kvCache": {"dtype": "Q8_0"}}),),
        (make.workload_class(), make.model(speculators=[DRAFT], **STAYS)),
        (make.workload_class(), make.pool(engines=BOTH)),
    ],
    ids=["KV cache", "speculator", "two engines"],
)
@pytest.mark.parametrize("told", [False, True])
def test_an_image_that_was_never_told_of_the_settings_goes_on_with_what_it_measured(
    changed: tuple[Obj, ...], told: bool
) -> None:
    plain = (make.node(), make.pool(engines=BOTH[:1]), make.workload_class(), make.model(**STAYS))
    known, live = measured(plain), running(plain, told=told)
    after = placed(*plain, known, *changed, *live)
    assert (after.capacity_source, after.tokens_per_second == 123) == (
        ("Estimated", False) if told else ("Benchmarked", True)
    )


def test_of_two_models_of_one_content_the_one_whose_image_is_kept_measures_another() -> None:
    asked, plain = world(speculators=[DRAFT], engineUpdate="Manual"), world(engineUpdate="Manual")
    kept, new = placed(*asked, *running(plain, told=False)), placed(*asked)
    (of_kept,), (of_new,) = (
        profile_objects(planned(*objects)[1]).values() for objects in ((*asked, *running(plain, told=False)), asked)
    )
    assert [t.profile for t in targets(planned(*asked, *running(plain, told=False))[1]).values()] == [kept.profile]
    assert (of_kept["metadata"]["name"], of_new["metadata"]["name"]) == (kept.profile, new.profile)
    assert kept.profile != new.profile
    assert "settings" not in of_kept["spec"]
    assert of_new["spec"]["settings"].keys() == {"kvCache", "speculation", "speculator"}


def test_an_image_of_an_earlier_release_that_is_replaced_is_planned_with_what_its_successor_is_told() -> None:
    asked = world(speculators=[DRAFT])
    live = running(asked, told=False)
    live[0]["metadata"]["annotations"][names.ANNOTATION_IMAGE] = "inferfleet.local/runtime:old"
    assert placed(*asked, *live).profile == placed(*asked).profile


def test_another_draft_is_another_content_and_the_same_file_under_another_name_is_not() -> None:
    def speculator(**source: str) -> Any:
        found = measured(world(speculators=[DRAFT | {"source": source}]))
        return found["spec"]["settings"]["speculator"]

    same = "5" * 64
    one, other = "https://models.example.com/a.gguf", "https://mirror.example.com/a.gguf"
    assert speculator(uri=one) != speculator(uri=other)
    assert speculator(uri=one, sha256=same) == speculator(uri=other, sha256=same)


def test_the_names_of_all_settings_are_those_that_a_profile_may_have() -> None:
    every = {"maxBatchSize": 4, "kvCache": {"dtype": "Q8_0"}, "prefixCache": "Off", "chunkedPrefill": "Off"}
    pools = [make_pool(engines=("llama-cpp", "openvino-genai"))]
    found = set[str]()
    for serving in (every, {}):
        asked = question(
            pools,
            (Q4,),
            workload=parsed_class(serving=serving),
            speculators={"Draft": "a digest"},
            adapted=True,
            trusted_headers=True,
        )
        candidate = candidates(asked)[0]
        for parallelism in (Parallelism(), Parallelism(pipeline=2)):
            found |= settings(replace(candidate, parallelism=parallelism), asked).keys()
    assert found == set(SETTINGS)


def test_settings_of_a_question_without_any_are_empty() -> None:
    asked = question(variants=(Q4,), workload=parsed_class(slo={"tpot": "200ms"}))
    assert settings(candidates(asked)[0], asked) == {}
