import pytest
from fakes.configs import runtime_config

from inferfleet_runtime.engines import cpu
from inferfleet_runtime.engines.llama_cpp import SpeculationSettings, server_settings
from inferfleet_runtime.errors import ConfigError
from inferfleet_runtime.hosts.llama.server import params
from inferfleet_runtime.hosts.variants import environment

AVX512 = "avx512f avx512bw avx512dq avx512vl avx512_vnni avx512_bf16"
SOURCE = {"uri": "file:///m.gguf"}


def settings(tmp_path, **changes):
    config = runtime_config(**{"slots": 4, "threads": 2} | changes)
    return server_settings(config, tmp_path / "model.gguf")


def test_nothing_that_is_not_asked_for_changes_the_engine(tmp_path):
    plain = settings(tmp_path)
    assert (plain.kv_type, plain.sinks, plain.embedding, plain.speculation) == ("F16", None, False, None)
    p = params(plain)
    assert (p.n_ctx, p.n_batch, p.n_ubatch, p.ctx_shift, p.embedding) == (4096, 512, 512, False, False)
    assert p.slot_save_path == f"{tmp_path}/prefixes/"
    assert not p.lora_adapters


def test_without_a_prefix_cache_nothing_is_kept(tmp_path):
    p = params(settings(tmp_path, prefixCache="Off"))
    assert (p.cache_prompt, p.slot_save_path) == (False, "")


def test_a_prefill_that_must_not_be_cut_gets_a_batch_of_a_whole_context(tmp_path):
    p = params(settings(tmp_path, chunkedPrefill="Off"))
    assert p.n_batch == p.n_ubatch == 1024


def test_a_quantized_kv_cache_needs_flash_attention(tmp_path):
    p = params(settings(tmp_path, kvCache={"dtype": "Q8_0"}))
    assert p.cache_type_k.name == p.cache_type_v.name == "GGML_TYPE_Q8_0"
    assert p.flash_attn_type.name == "LLAMA_FLASH_ATTN_TYPE_ENABLED"


def test_a_sliding_context_keeps_four_tokens(tmp_path):
    p = params(settings(tmp_path, kvCache={"overflow": "SlideWithSinks"}))
    assert (p.ctx_shift, p.n_keep) == (True, 4)


def test_a_step_holds_all_tokens_that_are_proposed_for_every_slot(tmp_path):
    made = settings(tmp_path, slots=64, speculation={"method": "NGram", "tokens": 15})
    assert made.batch_tokens == 64 * 16


def test_adapters_lie_beside_the_model_and_are_off(tmp_path):
    p = params(settings(tmp_path, adapters=[{"name": "legal", "source": SOURCE}]))
    (adapter,) = p.lora_adapters
    assert (adapter.path, adapter.scale) == (f"{tmp_path}/adapters/legal.gguf", 0.0)


def test_a_draft_model_proposes_what_was_asked_for(tmp_path):
    made = settings(tmp_path, speculation={"method": "Draft", "tokens": 3, "source": SOURCE})
    assert made.speculation == SpeculationSettings(("DRAFT_SIMPLE",), f"{tmp_path}/draft.gguf", 3)
    p = params(made)
    assert [t.name for t in p.speculative.types] == ["COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE"]
    assert (p.speculative.draft.n_max, p.speculative.draft.cpuparams.n_threads) == (3, 2)
    assert p.speculative.draft.mparams.path == f"{tmp_path}/draft.gguf"


@pytest.mark.parametrize(
    ("method", "name"), [("NGram", "NGRAM_SIMPLE"), ("EAGLE3", "DRAFT_EAGLE3"), ("MTP", "DRAFT_MTP")]
)
def test_every_method_has_the_librarys_own_name(tmp_path, method, name):
    p = params(settings(tmp_path, speculation={"method": method, "source": SOURCE}))
    assert [t.name for t in p.speculative.types] == [f"COMMON_SPECULATIVE_TYPE_{name}"]
    assert p.load_mtp is (method == "MTP")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"speculation": {"method": "Medusa"}}, r"speculation\.method: llama-cpp has no Medusa; it has Draft, EAGLE3"),
        ({"speculation": {"method": "Draft"}}, r"speculation\.source: Draft proposes with weights of its own"),
        ({"kvCache": {"dtype": "FP8"}}, r"kvCache\.dtype: llama-cpp has no FP8; it has BF16, F16, Q4_0, Q8_0"),
        ({"kvCache": {"dtype": "Q8_0", "overflow": "SlideWithSinks"}}, r"kvCache\.overflow: .* in F16 and not in Q8_0"),
    ],
)
def test_what_the_engine_lacks_is_refused_by_name(tmp_path, changes, says):
    with pytest.raises(ConfigError, match=says):
        settings(tmp_path, **changes)


@pytest.mark.parametrize(
    ("flags", "present", "variant", "why"),
    [
        (f"{AVX512} amx_tile amx_int8 amx_bf16", ["avx512", "amx"], "amx", "all that the amx build needs"),
        (f"{AVX512} amx_tile amx_int8 amx_bf16", ["avx512"], "avx512", "all that the avx512 build needs"),
        (AVX512, ["avx512", "amx"], "avx512", "all that the avx512 build needs"),
        (AVX512, [], "generic", "could run a build for avx512, and there is none here"),
        (AVX512.replace("avx512_bf16", ""), ["avx512"], "generic", "neither AVX-512 with VNNI and BF16 nor AMX"),
        ("", ["avx512"], "generic", "neither"),
    ],
)
def test_a_build_is_used_only_where_the_processor_has_all_it_needs(flags, present, variant, why):
    chosen = cpu.build(flags.split(), present)
    assert chosen.variant == variant
    assert why in chosen.why


def test_flags_are_those_of_the_first_processor():
    assert cpu.flags("processor\t: 0\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nflags\t\t: fpu\n") == {"fpu", "avx2"}
    assert cpu.flags("processor\t: 0\nFeatures\t: fp asimd\n") == frozenset()


def builds(tmp_path, flags):
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    (tmp_path / "engines/avx512/xllamacpp").mkdir(parents=True, exist_ok=True)
    return tmp_path / "cpuinfo", str(tmp_path / "engines")


def test_the_engines_process_finds_the_chosen_build_first(tmp_path):
    cpuinfo, prefix = builds(tmp_path, AVX512)
    found = environment({"INFERFLEET_ENGINE_DIR": prefix, "PYTHONPATH": "/mine"}, cpuinfo)
    assert found["PYTHONPATH"] == f"{prefix}/avx512:/mine"
    assert environment({"INFERFLEET_ENGINE_DIR": prefix}, cpuinfo)["PYTHONPATH"] == f"{prefix}/avx512"


def test_another_processor_gets_the_generic_build(tmp_path):
    cpuinfo, prefix = builds(tmp_path, "avx2")
    assert "PYTHONPATH" not in environment({"INFERFLEET_ENGINE_DIR": prefix}, cpuinfo)
    assert "PYTHONPATH" not in environment({"INFERFLEET_ENGINE_DIR": str(tmp_path)}, tmp_path / "none")


def test_kernels_are_loaded_before_whichever_build_is_chosen(tmp_path):
    cpuinfo, prefix = builds(tmp_path, "avx2 fma f16c")
    assert "LD_PRELOAD" not in environment({"INFERFLEET_ENGINE_DIR": prefix}, cpuinfo)
    (tmp_path / "engines/kernels.so").touch()
    assert environment({"INFERFLEET_ENGINE_DIR": prefix}, cpuinfo)["LD_PRELOAD"] == f"{prefix}/kernels.so"
    both = environment({"INFERFLEET_ENGINE_DIR": prefix, "LD_PRELOAD": "/mine.so"}, cpuinfo)["LD_PRELOAD"]
    assert both == f"{prefix}/kernels.so:/mine.so"


def test_kernels_at_a_path_that_the_linker_would_split_are_not_loaded(tmp_path):
    cpuinfo, prefix = builds(tmp_path / "my engines", "avx2 fma f16c")
    (tmp_path / "my engines/engines/kernels.so").touch()
    assert "LD_PRELOAD" not in environment({"INFERFLEET_ENGINE_DIR": prefix}, cpuinfo)


def test_a_processor_that_cannot_run_the_kernels_does_not_load_them(tmp_path):
    cpuinfo, prefix = builds(tmp_path, "avx2 fma")
    (tmp_path / "engines/kernels.so").touch()
    assert "LD_PRELOAD" not in environment({"INFERFLEET_ENGINE_DIR": prefix}, cpuinfo)


def test_threads_wait_shortly_unless_the_pod_says_otherwise(tmp_path):
    assert environment({}, tmp_path / "none")["GOMP_SPINCOUNT"] == "1000"
    assert environment({"GOMP_SPINCOUNT": "7"}, tmp_path / "none")["GOMP_SPINCOUNT"] == "7"
