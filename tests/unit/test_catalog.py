"""The bundled catalog: every number has a source with a date, and the files agree with each other and with the code."""

import re
from datetime import date

import pytest

from inferfleet.catalog import loader
from inferfleet.catalog.engine_entries import GGUF
from inferfleet.catalog.entry import Entry
from inferfleet.catalog.hardware_entries import Accelerator
from inferfleet.catalog.quantization_entries import Quantization
from inferfleet_runtime.engines import ENGINES

CATALOG = loader.load()
ENTRIES = [(kind, entry) for kind, entries in CATALOG.kinds.items() for entry in entries.values()]
every_entry = pytest.mark.parametrize(("kind", "entry"), ENTRIES, ids=[f"{kind}/{e.name}" for kind, e in ENTRIES])
every_accelerator = pytest.mark.parametrize("accelerator", CATALOG.accelerators.values(), ids=lambda a: a.name)


@every_entry
def test_every_number_has_a_source_with_a_date(kind: str, entry: Entry) -> None:
    assert entry.sources
    for path in entry.numbers():
        source = entry.source_of(path)
        assert source is not None, path
        assert date.fromisoformat(source.as_of) >= date(2023, 1, 1)


@every_entry
def test_no_more_than_one_source_is_of_everything_else(kind: str, entry: Entry) -> None:
    assert sum(not source.covers for source in entry.sources.values()) <= 1


def test_a_number_without_a_source_is_found() -> None:
    bare = Accelerator(name="x", kind="GPU", memory_bandwidth=1e12, operations={"BF16": 1e12}, tdp_watts="NotPublished")
    assert bare.unsourced() == ["memoryBandwidth", "operations.BF16"]


def test_the_most_precise_source_is_the_one_of_a_number() -> None:
    b200 = CATALOG.accelerators["nvidia-b200-180gb"]
    price, specification = b200.source_of("onDemandPrice"), b200.source_of("operations.FP8")
    assert price
    assert specification
    assert "p6-b200" in price.text
    assert "aiconfigurator" in specification.text


WANTED_HARDWARE = {
    *("nvidia-h100-80gb", "nvidia-h200-141gb", "nvidia-b200-180gb", "nvidia-b300-288gb", "nvidia-a100-40gb"),
    *("nvidia-a100-80gb", "nvidia-l40s", "nvidia-l4", "amd-mi300x", "aws-inferentia2", "aws-trainium1"),
    *("aws-trainium2", "aws-trainium3", "google-tpu-v5e", "google-tpu-v5p", "google-tpu-v6e", "intel-gaudi3"),
    *("qualcomm-ai100-standard", "qualcomm-ai100-pro", "qualcomm-ai100-ultra-soc", "groq-lp30", "cerebras-cs3"),
    *("apple-m4-max", "apple-m3-ultra", "cpu-x86-avx2", "cpu-x86-avx512", "cpu-x86-amx", "cpu-arm-graviton3"),
    "cpu-arm-graviton4",
}
WANTED_ENGINES = {
    *("vllm", "sglang", "tensorrt-llm", "triton", "llama-cpp", "openvino", "tgi", "lmdeploy", "max", "mlx", "nim"),
    *("diffusers", "transformers", "vllm-omni", "ray-serve", "openvino-genai"),
}
WANTED_QUANTIZATIONS = {
    *("F16", "BF16", "FP8", "INT8", "INT4-GPTQ", "INT4-AWQ", "NF4", "NVFP4", "MXFP4", "Q8_0", "Q6_K", "Q5_K_M"),
    *("Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K", "IQ2_XXS", "IQ1_S", "TQ1_0", "TQ2_0"),
}


def test_what_users_look_for_is_there() -> None:
    assert set(CATALOG.accelerators) >= WANTED_HARDWARE
    assert set(CATALOG.engines) >= WANTED_ENGINES
    assert set(CATALOG.quantizations) >= WANTED_QUANTIZATIONS


@every_accelerator
def test_power_price_and_link_are_given_or_said_to_be_unknown(accelerator: Accelerator) -> None:
    assert accelerator.tdp_watts is not None
    assert accelerator.on_demand_price is not None
    assert accelerator.operations
    assert accelerator.kind == "CPU" or accelerator.link_bandwidth is not None


@every_accelerator
def test_the_default_selector_selects_by_labels_of_kubernetes(accelerator: Accelerator) -> None:
    label = re.compile(r"([a-z0-9][-a-z0-9.]*/)?[A-Za-z0-9][-A-Za-z0-9_.]*")
    for key, value in accelerator.default_selector.items():
        assert label.fullmatch(key), key
        assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value), value


@every_accelerator
def test_hardware_with_a_device_plugin_is_tolerated_by_its_taint(accelerator: Accelerator) -> None:
    if accelerator.resource_name and "Nodes" in accelerator.access:
        wanted = {"key": accelerator.resource_name, "operator": "Exists", "effect": "NoSchedule"}
        assert wanted in [dict(toleration) for toleration in accelerator.tolerations]


@every_accelerator
def test_node_patterns_are_regular_expressions_that_fit_their_own_labels(accelerator: Accelerator) -> None:
    patterns = [(match.key, re.compile(match.pattern)) for match in accelerator.node_match if match.pattern]
    for key, pattern in patterns:
        for match in accelerator.node_match:
            if match.key == key:
                assert all(pattern.search(value) for value in match.values), pattern.pattern


@every_accelerator
def test_an_engine_listed_for_hardware_knows_its_architecture(accelerator: Accelerator) -> None:
    for name in accelerator.engines:
        assert accelerator.architecture in CATALOG.engines[name].architectures, name


def test_the_bundled_engines_are_those_that_the_runtime_has() -> None:
    bundled = {name for name, profile in ENGINES.items() if profile.shape == "Bundled"}
    assert {name for name, engine in CATALOG.engines.items() if engine.bundled} == bundled


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_what_the_runtime_serves_the_catalog_documents(name: str) -> None:
    profile, entry = ENGINES[name], CATALOG.engines[name]
    assert profile.platforms <= {platform.kind.lower() for platform in entry.platforms}
    assert profile.modalities <= set(entry.modalities)
    for quantization in sorted(profile.serves & set(CATALOG.quantizations)):
        for accelerator in CATALOG.accelerators.values():
            listed = profile.shape == "Bundled" or name in accelerator.engines
            listed = listed and (accelerator.architecture or "").startswith(profile.built_for)
            if listed and accelerator.kind.lower() in profile.platforms and accelerator.architecture:
                status = entry.status(accelerator.architecture, CATALOG.quantizations[quantization])
                assert status == "Documented", (quantization, accelerator.name)


def test_engines_described_in_full_say_how_they_are_deployed_and_measured() -> None:
    for name in ("vllm", "sglang", "tensorrt-llm", "llama-cpp", "openvino"):
        engine = CATALOG.engines[name]
        assert engine.tier == "Full"
        assert {"model", "servedName", "maxRequests", "kvCacheType", "prefixCache"} <= set(engine.flags), name
        assert engine.quirks
        assert engine.weight_formats
        assert "running" in engine.metrics.series
        assert engine.speculation
        assert any(platform.kv_cache_types for platform in engine.platforms)
    assert {name for name, engine in CATALOG.engines.items() if engine.tier == "Second"} == WANTED_ENGINES - {
        "vllm",
        "sglang",
        "tensorrt-llm",
        "llama-cpp",
        "openvino",
    }


@pytest.mark.parametrize(
    ("engine", "architecture", "quantization", "status"),
    [
        ("vllm", "sm100", "INT8", "Unsupported"),
        ("vllm", "sm90", "INT8", "Documented"),
        ("vllm", "sm80", "FP8", "Experimental"),
        ("vllm", "sm90", "Q4_K_M", "PluginNeeded"),
        ("sglang", "sm90", "Q4_K_M", "Documented"),
        ("tensorrt-llm", "sm90", "Q4_K_M", "Unsupported"),
        ("tensorrt-llm", "gfx942", "BF16", "NotVerified"),
        ("llama-cpp", "x86-64-v3", "IQ2_XS", "Documented"),
    ],
)
def test_what_runs_where(engine: str, architecture: str, quantization: str, status: str) -> None:
    assert CATALOG.engines[engine].status(architecture, CATALOG.quantizations[quantization]) == status


BLOCKS = {"Q8_0": 8.5, "Q6_K": 6.5625, "Q4_0": 4.5, "MXFP4": 4.25, "NVFP4": 4.5, "TQ1_0": 1.6875, "TQ2_0": 2.0625}


@pytest.mark.parametrize(("name", "bits"), BLOCKS.items())
def test_bytes_per_weight_include_the_scales(name: str, bits: float) -> None:
    assert CATALOG.quantizations[name].bytes_per_weight * 8 == bits


def test_blocks_are_those_of_the_gguf_package() -> None:
    constants = pytest.importorskip("gguf.constants")
    for name, quantization in CATALOG.quantizations.items():
        kind = getattr(constants.GGMLQuantizationType, name, None)
        if kind is not None and quantization.block:
            weights, size = constants.GGML_QUANT_SIZES[kind]
            assert quantization.bytes_per_weight == size / weights, name


def test_every_quantization_stands_for_a_block_or_a_mixture_and_names_its_arithmetic() -> None:
    for quantization in CATALOG.quantizations.values():
        assert (quantization.block is None) == bool(quantization.mixture), quantization.name
        assert quantization.compute_type
        assert quantization.loss
        assert quantization.title


def test_more_nominal_bits_never_take_fewer_bytes_within_a_family() -> None:
    for family in {q.family for q in CATALOG.quantizations.values()}:
        of_family = [q for q in CATALOG.quantizations.values() if q.family == family]
        for a in of_family:
            for b in of_family:
                if (a.bits or 0) < (b.bits or 0):
                    assert a.bytes_per_weight < b.bytes_per_weight, (a.name, b.name)


def test_names_and_aliases_of_quantizations_are_unique() -> None:
    names = [*CATALOG.quantizations, *(alias for q in CATALOG.quantizations.values() for alias in q.aliases)]
    assert len(names) == len(set(names))
    assert GGUF not in names


def operations(accelerator: str, quantization: str) -> float | None:
    return CATALOG.accelerators[accelerator].operations_for(CATALOG.quantizations[quantization])


@pytest.mark.parametrize(
    ("accelerator", "quantization", "expected"),
    [
        ("cpu-x86-avx2", "Q4_0", 124.0e9),
        ("cpu-x86-avx2", "BF16", 68.0e9),
        ("cpu-x86-avx2", "Q4_K_M", None),
        ("nvidia-h100-80gb", "FP8", 1978.0e12),
        ("nvidia-h100-80gb", "Q4_K_M", 1978.0e12),
        ("nvidia-h100-80gb", "NVFP4", 989.0e12),
        ("nvidia-a100-80gb", "FP8", 312.0e12),
        ("nvidia-b200-180gb", "NVFP4", 9000.0e12),
        ("google-tpu-v5e", "F16", None),
        ("cpu-x86-amx", "BF16", None),
    ],
)
def test_measured_operations_come_before_peaks_and_unknown_ones_are_none(
    accelerator: str, quantization: str, expected: float | None
) -> None:
    assert operations(accelerator, quantization) == expected


def test_the_measured_processors_are_as_they_were_measured() -> None:
    avx2, avx512 = CATALOG.accelerators["cpu-x86-avx2"], CATALOG.accelerators["cpu-x86-avx512"]
    assert (avx2.memory_bandwidth, avx512.memory_bandwidth) == (13.0e9, 14.5e9)
    assert avx2.operations == {"F16": 68.0e9, "BF16": 68.0e9, "Q8_0": 108.0e9, "Q4_0": 124.0e9}
    assert avx512.operations == {"F16": 188.0e9, "BF16": 188.0e9, "Q8_0": 145.0e9, "Q4_0": 274.0e9}
    assert avx2.default_selector == avx512.default_selector == {}


def test_watts_are_known_only_where_the_vendor_gives_them() -> None:
    assert CATALOG.accelerators["nvidia-h100-80gb"].watts == 700
    assert CATALOG.accelerators["google-tpu-v6e"].watts is None


def test_a_block_that_contradicts_the_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"bytesPerWeight is 0\.5, but block makes it 0\.5625"):
        Quantization.model_validate(
            {"name": "X", "bytesPerWeight": 0.5, "layout": "", "block": {"weights": 32, "bytes": 18}}
        )
