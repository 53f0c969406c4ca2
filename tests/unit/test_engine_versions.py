"""A measurement is about a version of the engine: a newer one inherits none, and an image that stays keeps its own."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import make
import pytest
from harness import NOW, SETTINGS, planned, stores, world
from questions import Q4, make_pool, question

from inferfleet import names
from inferfleet.catalog import loader
from inferfleet.fleet.build import build
from inferfleet.fleet.build.dialect import versions
from inferfleet.fleet.observe import live, observe
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.profiles import ledger, profile_objects
from inferfleet.fleet.reconcile import view
from inferfleet.fleet.types import Obj
from inferfleet.fleet.validate import validate
from inferfleet.planning.candidates.enumerate import candidates
from inferfleet.planning.content import version
from inferfleet.planning.evaluate.evaluate import profile_names
from inferfleet.planning.types import Candidate, Question
from inferfleet_runtime.engines import ENGINES

ROOT = Path(__file__).parents[2]
NEWER = {**ENGINES, "llama-cpp": replace(ENGINES["llama-cpp"], version="2027.1.1")}
BOTH = ("llama-cpp", "openvino-genai")


def asked(offered: tuple[str, ...] = ("llama-cpp",), **changes: Any) -> tuple[Candidate, Question]:
    """The candidate with llama.cpp, which may choose between these engines."""
    q = question([make_pool(engines=offered)], (Q4,), **changes)
    (candidate,) = [c for c in candidates(q) if c.engine == "llama-cpp"]
    return candidate, q


def name(*found: Any) -> str:
    return profile_names(*found, [4])[0]


@pytest.mark.parametrize(("engine", "package"), [("llama-cpp", "xllamacpp"), ("openvino-genai", "openvino-genai")])
def test_the_version_is_that_of_the_package_which_the_runtime_brings(engine: str, package: str) -> None:
    pinned = re.findall(rf'"{package}==([0-9.]+)', (ROOT / "pyproject.toml").read_text())
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(pinned) == {ENGINES[engine].version}


def test_a_newer_engine_inherits_no_measurement() -> None:
    assert name(*asked()) != name(*asked(engines=NEWER))


def test_neither_does_one_among_which_the_pod_may_choose() -> None:
    newer = {**ENGINES, "openvino-genai": replace(ENGINES["openvino-genai"], version="2027.1")}
    assert name(*asked(BOTH)) != name(*asked(BOTH, engines=newer))
    assert name(*asked()) == name(*asked(engines=newer)), "this pod has no choice"
    assert version(*asked(BOTH, engines=newer)) == f"{ENGINES['llama-cpp'].version}_2027.1"


def test_what_keeps_its_image_keeps_its_engine_and_what_was_measured_of_it() -> None:
    candidate, _ = asked()
    kept = {candidate.identity: ""}
    assert name(*asked(engines=NEWER, versions=kept)) == name(*asked())
    assert name(*asked(versions={candidate.identity: "2027.1.1"})) == name(*asked(engines=NEWER))


def placement(image: str, noted: str = "") -> Any:
    """As it runs."""
    labels = dict.fromkeys(names.PLACEMENT_LABELS, "x")
    notes = {names.ANNOTATION_IMAGE: image, names.ANNOTATION_ENGINE_VERSION: noted}
    return live("p", {"metadata": {"labels": labels, "annotations": notes}, "spec": {}}, [])


def test_images_stay_where_no_other_comes_or_where_the_model_says_so() -> None:
    here, older = placement(SETTINGS.runtime_image, "7"), placement("an-older-one", "6")
    assert versions([here], SETTINGS, keeps_image=False) == {here.identity: "7"}
    assert versions([older], SETTINGS, keeps_image=False) == {}
    assert versions([older], SETTINGS, keeps_image=True) == {older.identity: "6"}


def measured(spec: Obj, **changes: Any) -> Obj:
    status = {"tokensPerSecond": 5, "source": "Observed", "measuredAt": NOW.isoformat()}
    return {"metadata": {"name": "a"}, "spec": spec | changes, "status": status}


def spec_of() -> tuple[str, Obj]:
    objects = make.node(), make.pool(), make.workload_class(), make.model()
    ((found, profile),) = profile_objects(planned(*objects)[1]).items()
    spec: Obj = profile["spec"]
    return found, spec


def test_a_measurement_without_a_version_is_of_the_first_and_no_other() -> None:
    found, spec = spec_of()
    assert spec["engineVersion"] == ENGINES["llama-cpp"].first_version
    plain = {key: value for key, value in spec.items() if key != "engineVersion"}
    for engines in (ENGINES, NEWER):
        assert list(ledger([measured(plain)], NOW, 1e9, engines)) == [found]
        assert list(ledger([measured(spec)], NOW, 1e9, engines)) == [found]
        assert list(ledger([measured(spec, engineVersion="2027.1.1")], NOW, 1e9, engines)) != [found]


def test_what_an_administrator_declares_is_taken_for_this_releases() -> None:
    found, spec = spec_of()
    declared = {"spec": spec | {"declared": {"tokensPerSecond": 9, "asOf": "2025-12-30", "source": "our bench"}}}
    assert list(ledger([declared], NOW, 1e9)) == [found]
    ((newer, capacity),) = ledger([declared], NOW, 1e9, NEWER).items()
    assert newer != found
    assert capacity.source == "Declared"


def test_a_vendors_image_of_another_tag_is_another_version_and_its_pods_say_so() -> None:
    def deployment(image: str) -> Obj:
        catalog = loader.load()
        entry = catalog.engines["vllm"].model_copy(update={"image": image})
        catalog = replace(catalog, engines={**catalog.engines, "vllm": entry})
        bf16 = {"name": "bf16", "quantization": "BF16", "source": {"uri": "hf://example/model"}}
        pool = make.pool(accelerator="cpu-x86-avx512", engines=["vllm"])
        pool["spec"]["nodes"]["replica"] = {"cpu": 2, "memory": "8Gi"}
        objects = make.node(memory="64Gi"), pool, make.workload_class(), make.model(variants=[bf16])
        seen = observe(("default", "demo"), stores(world(*objects)), NOW, 1e9)
        assert seen
        plan, model = make_plan(seen, validate(seen, catalog, SETTINGS), {}), view(seen)
        assert model
        (found,) = [o for o in build(model, plan, SETTINGS) if o["kind"] == "Deployment"]
        return found

    same, other = deployment("mirror.example.com/vllm:v0.33.0-{arch}"), deployment("mirror.example.com/vllm:v0.34.0")
    first = {names.ANNOTATION_ENGINE_VERSION, names.ANNOTATION_PROFILE} & same["metadata"]["annotations"].keys()
    assert first == {names.ANNOTATION_PROFILE}, "the name and the pods of earlier releases"
    assert other["metadata"]["annotations"][names.ANNOTATION_ENGINE_VERSION] == "0.34.0"
    hashes = [o["spec"]["template"]["metadata"]["annotations"][names.ANNOTATION_CONFIG] for o in (same, other)]
    assert hashes[0] != hashes[1]
