from dataclasses import replace

import pytest
from fakes.configs import runtime_config

from e2e.models import tiny
from inferfleet_runtime.engines.choice import File, Here, choose
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.gguf_header import read_header
from inferfleet_runtime.hosts import select

BOTH = frozenset({"llama-cpp", "openvino-genai"})
HERE = Here(machine="x86_64", cpu_flags=frozenset({"avx2", "avx512f"}), available=BOTH, memory_bytes=8 * 2**30)
FILE = File(
    architecture="llama",
    tokenizer="gpt2",
    file_type=2,
    tensor_types=frozenset({"F32", "Q4_0", "Q8_0"}),
    bytes=2**30,
    kv_elements_per_token=2 * 16 * 8 * 64,
)


def config(**changes):
    plain = {"mayUse": ["openvino-genai"], "slots": 8, "contextTokens": 1024, "threads": 2}
    return runtime_config(**plain | changes)


def test_several_requests_on_a_wide_processor_get_openvino():
    choice = choose(config(), HERE, FILE)
    assert choice.engine == "openvino-genai"
    assert "8 requests at once" in choice.reason


def test_amx_is_wide_enough():
    assert choose(config(), replace(HERE, cpu_flags=frozenset({"amx_tile"})), FILE).engine == "openvino-genai"


@pytest.mark.parametrize(
    ("changes", "here", "file", "reason"),
    [
        ({"slots": 3}, HERE, FILE, "from 4 requests at once on, here are at most 3"),
        ({}, replace(HERE, cpu_flags=frozenset({"avx2"})), FILE, "this one has neither"),
        ({}, replace(HERE, machine="aarch64"), FILE, "no build for aarch64"),
        ({}, replace(HERE, available=frozenset({"llama-cpp"})), FILE, "openvino_genai is not installed"),
        ({}, replace(HERE, memory_bytes=3 * 2**30), FILE, "the container has 3.0 GiB"),
        ({}, HERE, replace(FILE, architecture="gemma3"), "not gemma3"),
        ({}, HERE, replace(FILE, tokenizer="llama"), "the tokenizer llama"),
        ({}, HERE, replace(FILE, file_type=15), "general.file_type 15"),
        ({}, HERE, replace(FILE, tensor_types=frozenset({"Q4_0", "Q5_K"})), "tensors in Q5_K"),
        ({"adapters": [{"name": "a", "source": {"uri": "file:///a.gguf"}}]}, HERE, FILE, "LoRA adapters"),
        ({"modality": "Embedding"}, HERE, FILE, "the modality Embedding"),
        ({"kvCache": {"overflow": "SlideWithSinks"}}, HERE, FILE, "a context that slides"),
        ({"kvCache": {"dtype": "Q4_0"}}, HERE, FILE, "a KV cache in Q4_0"),
        ({"speculation": {"method": "MTP"}}, HERE, FILE, "speculation by MTP"),
        ({"speculation": {"method": "NGram"}}, HERE, FILE, "cannot tell whether n-grams pay"),
        ({"chunkedPrefill": "Off"}, HERE, FILE, "not cut into chunks"),
        ({"requests": {"trustedHeaders": True}}, HERE, FILE, "prefixes of tenants"),
        ({"mayUse": None}, HERE, FILE, "no other engine may serve"),
    ],
)
def test_llama_cpp_serves_where_openvino_cannot_or_does_not_pay(changes, here, file, reason):
    choice = choose(config(**changes), here, file)
    assert choice.engine == "llama-cpp"
    assert reason in choice.reason


def test_openvino_serves_alone_where_it_is_pinned_even_for_one_request():
    assert choose(config(engine="openvino-genai", mayUse=None, slots=1), HERE, FILE).engine == "openvino-genai"


def test_a_pinned_engine_that_cannot_run_here_is_an_error_that_says_why():
    with pytest.raises(CommandError, match=r"openvino-genai cannot serve this model here: .* not gemma3"):
        choose(config(engine="openvino-genai", mayUse=None), HERE, replace(FILE, architecture="gemma3"))


def test_which_of_two_is_named_first_makes_no_difference():
    turned = config(engine="openvino-genai", mayUse=["llama-cpp"], slots=2)
    assert choose(turned, HERE, FILE).engine == "llama-cpp"


def test_a_container_without_a_limit_has_room():
    huge = replace(FILE, bytes=2**40)
    assert choose(config(), replace(HERE, memory_bytes=None), huge).engine == "openvino-genai"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("model") / "tiny.gguf")


def test_the_head_of_a_model_tells_what_the_choice_needs(model):
    found = select.file(model)
    assert (found.architecture, found.tokenizer, found.file_type) == ("llama", "gpt2", 1)
    assert found.tensor_types == {"F32", "F16"}
    assert found.bytes == model.stat().st_size
    assert found.kv_elements_per_token == 2 * 8 * 2 * 32  # keys and values, layers, heads, width


@pytest.mark.parametrize("kept", [0, 3, 4, 20, 100, 3000, 30_000])
def test_a_file_that_is_cut_short_is_refused_with_its_name(model, tmp_path, kept):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(model.read_bytes()[:kept])
    with pytest.raises(CommandError, match=r"cut\.gguf: not a GGUF file that can be read"):
        read_header(cut)


def test_a_length_beyond_reason_is_refused_and_not_allocated(tmp_path):
    file = tmp_path / "long.gguf"
    file.write_bytes(
        b"GGUF" + (3).to_bytes(4, "little") + (0).to_bytes(8, "little") + (1).to_bytes(8, "little") + b"\xff" * 64
    )
    with pytest.raises(CommandError, match="beyond reason"):
        read_header(file)


def test_the_limit_of_the_container_is_read_and_may_be_absent(tmp_path):
    cpuinfo, limit = tmp_path / "cpuinfo", tmp_path / "memory.max"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512f\n")
    limit.write_text("1073741824\n")
    assert select.here(cpuinfo, limit).memory_bytes == 2**30
    assert "avx512f" in select.here(cpuinfo, limit).cpu_flags
    limit.write_text("max\n")
    assert select.here(cpuinfo, limit).memory_bytes is None
    assert select.here(cpuinfo, tmp_path / "none").memory_bytes is None
