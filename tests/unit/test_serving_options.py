"""What a class's `serving` and a Model's speculators and adapters become in the pods' configuration."""

import json
from dataclasses import replace
from typing import Any

import make
import pytest
from harness import NOW, built, planned
from make import parsed_class
from questions import F16, question, reasons

from inferfleet.api.artifacts import Speculator
from inferfleet.fleet.build.serving import speculation
from inferfleet.fleet.profiles import profile_objects
from inferfleet.fleet.sources import unmounted
from inferfleet.fleet.types import Obj
from inferfleet.names import Reason
from inferfleet.planning.choose import choose

DRAFT = {"method": "Draft", "source": {"uri": "hf://org/draft/draft.gguf", "revision": "0e9e39f"}}
ADAPTER = {"name": "sql", "source": {"uri": "https://models.example.com/sql.gguf"}}


def told(class_: Obj, model: Obj) -> dict[str, Any]:
    """The configuration of the Model's one placement."""
    objects = built(make.node(), make.pool(), class_, model)
    (found,) = [o for o in objects if o["kind"] == "ConfigMap"]
    config: dict[str, Any] = json.loads(found["data"]["runtime.json"])
    return config


def test_settings_that_ask_for_nothing_new_leave_the_configuration_as_it_was() -> None:
    plain = told(make.workload_class(), make.model())
    spelled = {"prefixCache": "On", "chunkedPrefill": "On", "speculation": "Off", "maxBatchSize": 4}
    same = told(make.workload_class(serving=spelled), make.model())
    assert same == told(make.workload_class(serving={"maxBatchSize": 4}), make.model())
    assert not {"kvCache", "prefixCache", "speculation", "adapters", "device"} & set(plain)


def test_what_the_class_asks_for_reaches_the_pods() -> None:
    serving = {
        "kvCache": {"dtype": "F16", "overflow": "SlideWithSinks"},
        "prefixCache": "Off",
        "chunkedPrefill": "Off",
        "speculation": "NGram",
    }
    config = told(make.workload_class(serving=serving), make.model())
    assert config["kvCache"] == {"dtype": "F16", "overflow": "SlideWithSinks"}
    assert (config["prefixCache"], config["chunkedPrefill"]) == ("Off", "Off")
    assert config["speculation"]["method"] == "NGram"


def test_a_models_speculator_and_adapters_reach_the_pods_with_their_sources() -> None:
    config = told(make.workload_class(), make.model(speculators=[DRAFT], adapters=[ADAPTER]))
    assert config["speculation"]["source"] == DRAFT["source"]
    assert config["adapters"] == [ADAPTER]


@pytest.mark.parametrize(
    ("declared", "asked", "method"),
    [
        (["EAGLE3", "Draft"], "Auto", "Draft"),
        (["EAGLE3"], "Auto", None),
        (["Draft"], "Off", None),
        ([], "NGram", "NGram"),
        (["Draft", "NGram"], "NGram", "NGram"),
    ],
)
def test_the_first_speculator_that_the_engine_has_is_used(declared: list[str], asked: str, method: str | None) -> None:
    speculators = [
        Speculator.model_validate({"method": m} | ({} if m == "NGram" else {"source": DRAFT["source"]}))
        for m in declared
    ]
    found = speculation(speculators, parsed_class(serving={"speculation": asked}), "llama-cpp")
    assert (found.method if found else None) == method


@pytest.mark.parametrize(
    ("serving", "words"),
    [
        ({"kvCache": {"dtype": "FP8"}}, "llama-cpp has no KV cache in FP8"),
        ({"kvCache": {"dtype": "Q8_0", "overflow": "SlideWithSinks"}}, "no window that slides with a KV cache in Q8_0"),
        ({"speculation": "Medusa"}, "llama-cpp has no speculation by Medusa"),
        ({"speculation": "Draft"}, "the Model declares none (spec.speculators)"),
    ],
)
def test_what_the_engine_or_the_model_lacks_is_a_reason(serving: dict[str, Any], words: str) -> None:
    answer = choose(question(variants=(F16,), workload=parsed_class(serving=serving)))
    assert reasons(answer) == {("cpu", "f16"): Reason.SERVING_UNSUPPORTED}
    assert words in answer.rejected[0].message


def test_a_draft_that_the_model_declares_is_enough() -> None:
    asked = question(workload=parsed_class(serving={"speculation": "Draft"}), speculators={"Draft": "a"})
    assert choose(asked).chosen


def test_a_speculator_that_no_pod_could_mount_rejects_the_variant() -> None:
    problem = unmounted("pvc://drafts/d.gguf", "hf://org/model/m.gguf")
    answer = choose(question(variants=(replace(F16, companions=problem),)))
    assert reasons(answer) == {("cpu", "f16"): Reason.SOURCE_UNSUPPORTED}


@pytest.mark.parametrize(
    ("uri", "main", "fits"),
    [
        ("https://h.example.com/a.gguf", "oci://r.example.com/m:1", True),
        ("oci://r.example.com/m:1#draft.gguf", "oci://r.example.com/m:1#model.gguf", True),
        ("oci://r.example.com/d:1", "oci://r.example.com/m:1", True),
        ("pvc://models/draft.gguf", "pvc://models/model.gguf", True),
        ("pvc://others/draft.gguf", "pvc://models/model.gguf", False),
    ],
)
def test_a_pod_mounts_one_claim_and_pulls_other_images(uri: str, main: str, fits: bool) -> None:
    assert (unmounted(uri, main) == "") == fits


def test_a_kv_cache_of_fewer_bits_leaves_room_for_more_slots_or_less_memory() -> None:
    def memory(dtype: str) -> float:
        answer = choose(question(variants=(F16,), workload=parsed_class(serving={"kvCache": {"dtype": dtype}})))
        assert answer.chosen
        return answer.chosen.prediction.memory / answer.chosen.prediction.slots

    assert memory("Q4_0") < memory("Q8_0") < memory("Auto")


def test_a_capacity_that_somebody_measured_reaches_new_pods_and_replaces_none() -> None:
    world = (make.node(), make.pool(), make.workload_class(), make.model())
    before = {o["kind"]: o for o in built(*world)}
    assert set(before["ConfigMap"]["data"]) == {"runtime.json"}
    _, plan = planned(*world)
    (profile,) = profile_objects(plan).values()
    profile["status"] = {"tokensPerSecond": 123, "source": "Benchmarked", "measuredAt": NOW.isoformat()}
    after = {o["kind"]: o for o in built(*world, profile)}
    known = json.loads(after["ConfigMap"]["data"]["capacity.json"])
    assert known == {"slots": profile["spec"]["slots"], "tokensPerSecond": 123.0}
    assert after["Deployment"]["spec"]["template"] == before["Deployment"]["spec"]["template"]
