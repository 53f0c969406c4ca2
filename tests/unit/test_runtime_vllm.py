"""vLLM's command line, against the options of its own parser."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from fakes.vendor_configs import configs, vendor_config
from hypothesis import given, settings

from inferfleet_runtime.contract import PORT, RuntimeConfig
from inferfleet_runtime.engines.vendors.vendor import UnsupportedError
from inferfleet_runtime.engines.vendors.vllm import VLLM, VLLM_CPU, render

RECORDED = json.loads((Path(__file__).parent / "data" / "vllm_options.json").read_text())
SWITCHES = {
    *("--disable-chunked-prefill", "--disable-prefix-caching", "--enable-prompt-tokens-details"),
    *("--enable-expert-parallel", "--enable-lora"),
}
LISTS = {"--served-model-name"}


def parser() -> argparse.ArgumentParser:
    """As strict as vLLM's: nothing abbreviated, nothing unknown."""
    made = argparse.ArgumentParser(allow_abbrev=False, add_help=False, exit_on_error=False)
    made.add_argument("model_tag", nargs="?")
    for option in RECORDED["options"]:
        if option in SWITCHES:
            made.add_argument(option, action="store_true")
        else:
            made.add_argument(option, nargs="+" if option in LISTS else None)
    return made


def parsed(config: RuntimeConfig) -> dict[str, Any]:
    found, unknown = parser().parse_known_args(list(render(config).args))
    assert not unknown
    return vars(found)


def refusal(config: RuntimeConfig) -> str:
    """The words with which it is refused; empty where it is rendered."""
    try:
        render(config)
    except UnsupportedError as error:
        return str(error)
    return ""


@settings(max_examples=300, deadline=None)
@given(configs("vllm"))
def test_whatever_is_asked_becomes_options_that_the_recorded_parser_knows_or_words(config: RuntimeConfig) -> None:
    if words := refusal(config):
        assert words.startswith("vllm ")
        return
    found = parsed(config)
    assert found["model_tag"] == "/var/lib/inferfleet/weights/model"
    assert found["max_num_seqs"] == str(config.slots)
    assert found["max_model_len"] == str(config.context_tokens)
    # vLLM refuses to start where a step cannot hold one token of every request, or, unchunked, a whole prompt
    assert int(found["max_num_batched_tokens"]) >= config.slots
    if found["disable_chunked_prefill"]:
        assert int(found["max_num_batched_tokens"]) >= config.context_tokens


def test_the_model_has_its_full_and_its_bare_name() -> None:
    found = parsed(vendor_config("vllm", served_model_name="team/llama"))
    assert found["served_model_name"] == ["team/llama", "llama"]
    assert found["port"] == str(PORT)


def test_what_batching_asks_for_is_said() -> None:
    found = parsed(vendor_config("vllm", slots=8, prefill_chunk_tokens=128, prefix_cache="Off", drain_seconds=45))
    assert found["max_num_batched_tokens"] == "136"
    assert found["disable_prefix_caching"]
    assert not found["disable_chunked_prefill"]
    assert found["shutdown_timeout"] == "45"


def test_a_cpu_gets_its_threads_and_the_memory_of_its_kv_cache_by_environment() -> None:
    device = {"kind": "cpu", "quantization": "BF16", "kvCacheBytes": 3 * 2**30 + 1}
    env = render(vendor_config("vllm", threads=6, device=device)).env
    assert (env["VLLM_CPU_OMP_THREADS_BIND"], env["OMP_NUM_THREADS"]) == ("nobind", "6")
    assert env["VLLM_CPU_KVCACHE_SPACE"] == "4"


def test_parallelism_is_spread_as_asked() -> None:
    parallelism = {"tensor": 4, "pipeline": 2, "data": 2, "expert": True}
    device = {"kind": "cuda", "quantization": "FP8", "memoryShare": 0.85, "parallelism": parallelism}
    found = parsed(vendor_config("vllm", device=device))
    assert (found["tensor_parallel_size"], found["pipeline_parallel_size"]) == ("4", "2")
    assert (found["data_parallel_size"], found["enable_expert_parallel"]) == ("2", True)
    assert found["gpu_memory_utilization"] == "0.85"
    assert found["dtype"] == "auto"


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("Draft", {"method": "draft_model", "model": "/var/lib/inferfleet/weights/draft"}),
        ("EAGLE3", {"method": "eagle3", "model": "/var/lib/inferfleet/weights/draft"}),
        ("Medusa", {"method": "medusa", "model": "/var/lib/inferfleet/weights/draft"}),
        ("MTP", {"method": "mtp"}),
        ("NGram", {"method": "ngram", "prompt_lookup_min": 2, "prompt_lookup_max": 4}),
    ],
)
def test_every_method_of_speculation_is_rendered(method: str, expected: dict[str, Any]) -> None:
    asked = {"method": method, "tokens": 3}
    if "model" in expected:
        asked["source"] = {"uri": "hf://a/b"}
    config = vendor_config("vllm", speculation=asked, device={"kind": "cuda", "quantization": "BF16"})
    assert json.loads(parsed(config)["speculative_config"]) == expected | {"num_speculative_tokens": 3}


ADAPTER = {"name": "sql", "source": {"uri": "hf://a/b"}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"device": {"kind": "cpu", "quantization": "BF16"}, "speculation": {"method": "NGram"}}, "NGram on cpu"),
        ({"device": {"kind": "tpu", "quantization": "BF16"}, "speculation": {"method": "Medusa"}}, "it has EAGLE3"),
        ({"device": {"kind": "cuda", "quantization": "NF4"}}, "only with vllm-bnb-plugin"),
        ({"device": {"kind": "cpu", "quantization": "BF16"}, "kvCache": {"dtype": "FP8"}}, "FP8 on cpu"),
        ({"kvCache": {"dtype": "Q4_0"}}, "no KV cache in Q4_0"),
        ({"kvCache": {"overflow": "SlideWithSinks"}}, "kvCache.overflow"),
        ({"modality": "Image"}, "not Image"),
        ({"quantize": {"type": "Q8_0"}}, "checkpoints as they are"),
        ({"adapters": [ADAPTER], "speculation": {"method": "NGram"}}, "at once"),
        (
            {"device": {"kind": "neuron", "quantization": "BF16", "parallelism": {"pipeline": 2}}},
            "no pipeline parallelism on neuron",
        ),
        ({"device": None}, "needs `device`"),
    ],
)
def test_what_it_lacks_is_refused_with_its_name_and_the_field(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedError, match="vllm .*" + words.replace(".", r"\.")):
        render(vendor_config("vllm", **({"device": {"kind": "cuda", "quantization": "BF16"}} | changes)))


def test_adapters_are_allowed_at_run_time_under_two_names_each() -> None:
    config = vendor_config("vllm", adapters=[ADAPTER, ADAPTER | {"name": "law"}])
    found = parsed(config)
    assert (found["enable_lora"], found["max_loras"], found["max_cpu_loras"]) == (True, "2", "4")
    assert render(config).env["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"


def test_embeddings_are_served_by_the_pooling_runner() -> None:
    assert parsed(vendor_config("vllm", modality="Embedding"))["runner"] == "pooling"


def test_every_device_has_a_budget_to_start_in_and_the_plan_is_for_cpus() -> None:
    assert set(VLLM.startup_seconds) == set(VLLM.images) == {"cuda", "rocm", "cpu", "tpu", "neuron", "gaudi"}
    assert VLLM_CPU.shape == "Beside"
    assert VLLM_CPU.platforms == {"cpu"}
    assert VLLM_CPU.image == VLLM.images["cpu"]
