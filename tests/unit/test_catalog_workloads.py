"""The presets of WorkloadClass: valid, with a source for every choice, and with targets that can be met together."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from inferfleet.catalog import loader
from inferfleet.catalog.workload_entries import WorkloadPreset

CATALOG = loader.load()
NAMES = {
    "realtime-chat",
    "code-completion",
    "code-generation",
    "agents",
    "batch",
    "translation",
    "voice",
    "image",
    "video",
    "embeddings",
    "edge",
}
PRESETS = [pytest.param(preset, id=preset.name) for preset in CATALOG.workloads.values()]


def test_there_is_a_preset_for_every_usual_kind_of_traffic() -> None:
    assert set(CATALOG.workloads) == NAMES


@pytest.mark.parametrize("preset", PRESETS)
def test_every_number_and_every_target_has_a_source(preset: WorkloadPreset) -> None:
    slo = preset.spec.slo.model_dump(by_alias=True, exclude_none=True)
    assert preset.unsourced() == []
    assert [name for name in slo if preset.source_of(f"spec.slo.{name}") is None] == []
    assert preset.source_of("spec.priority") is not None


@pytest.mark.parametrize("preset", PRESETS)
def test_a_class_has_either_a_deadline_or_latency_targets(preset: WorkloadPreset) -> None:
    slo = preset.spec.slo
    assert (slo.deadline is None) == any((slo.ttft, slo.tpot, slo.end_to_end))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_request_that_meets_ttft_and_tpot_meets_the_target_of_the_whole(preset: WorkloadPreset) -> None:
    slo, tokens = preset.spec.slo, preset.spec.traffic.output.p50
    whole = (slo.ttft or timedelta()) + (slo.tpot or timedelta()) * (tokens - 1)
    assert slo.end_to_end is None or whole <= slo.end_to_end


@pytest.mark.parametrize("preset", PRESETS)
def test_lengths_fit_the_modality(preset: WorkloadPreset) -> None:
    spec = preset.spec
    assert (spec.traffic.output_tokens is not None) == (spec.modality in ("Text", "Audio"))
    assert (spec.traffic.media is not None) == (spec.modality in ("Image", "Video", "Audio"))


@pytest.mark.parametrize("preset", PRESETS)
def test_the_allowed_quantizations_are_in_the_catalog(preset: WorkloadPreset) -> None:
    policy = preset.spec.quantization
    assert policy is None or set(policy.allow or ()) <= set(CATALOG.quantizations)


def test_people_who_wait_go_before_batch() -> None:
    priorities = {name: preset.spec.priority for name, preset in CATALOG.workloads.items()}
    assert min(priorities, key=lambda name: priorities[name]) == "batch"
    assert {"realtime-chat", "code-completion", "translation", "voice"} == {
        n for n, p in priorities.items() if p == 1000
    }


def test_code_completion_is_done_in_200_ms() -> None:
    assert CATALOG.workloads["code-completion"].spec.slo.end_to_end == timedelta(milliseconds=200)


def test_a_preset_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"spec\.traffic\.inputToken"):
        WorkloadPreset.model_validate(
            {"name": "x", "title": "X", "spec": {"traffic": {"inputToken": {"p50": 1, "p95": 2}}}}
        )
