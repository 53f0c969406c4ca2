"""vLLM on CUDA, ROCm, TPU, Neuron, Gaudi and CPU. Pure.

Facts: options of the 0.33.0 wheel's own parser; the serving documentation and plug-ins' repositories as of August 2026.
"""

from math import ceil
from types import MappingProxyType
from typing import Any

from inferfleet_runtime.contract import MODEL_DIR, PORT, Device, RuntimeConfig, Speculation
from inferfleet_runtime.engines import metric_names
from inferfleet_runtime.engines.profile import SCHEMES, EngineProfile
from inferfleet_runtime.engines.vendors.vendor import (
    ALL_METHODS,
    DRAFT_DIR,
    SCRATCH_DIR,
    Container,
    Kind,
    Method,
    VendorEngine,
    check,
    homeless,
    more_than_one,
    names_of,
    options,
    require,
    step_tokens,
)

GIB = 2**30
LORA_RANK = 64
"""Adapters of a higher rank are refused by the engine with words; a higher bound costs memory on every request."""
NOT_IN_THE_IMAGE = MappingProxyType({"NF4": "vllm-bnb-plugin", "GGUF": "vllm-gguf-plugin"})
_DTYPE = MappingProxyType({"BF16": "bfloat16", "F16": "float16", "F32": "float32"})
_METHODS = MappingProxyType(
    {"Draft": "draft_model", "EAGLE3": "eagle3", "Medusa": "medusa", "MTP": "mtp", "NGram": "ngram"}
)
_FP8_CACHE: MappingProxyType[Kind, str] = MappingProxyType(
    {"cuda": "fp8", "rocm": "fp8_e4m3", "neuron": "fp8_e4m3", "gaudi": "fp8_inc"}
)
_EAGLE: frozenset[Method] = frozenset({"EAGLE3"})


def render(config: RuntimeConfig) -> Container:
    """The container. Raises UnsupportedError."""
    device = check(config, VLLM)
    _refuse(config, device)
    given = _model(config, device) | _batching(config) | _parallel(device) | _features(config)
    args = (str(MODEL_DIR), *options(given))
    return Container(VLLM.images[device.kind], ("vllm", "serve"), args, _environment(config, device))


def _refuse(config: RuntimeConfig, device: Device) -> None:
    plugin = NOT_IN_THE_IMAGE.get(device.quantization)
    require(plugin is None, "vllm", f"serves {device.quantization} only with {plugin}, which its image lacks")
    both = bool(config.speculation and config.adapters)
    require(not both, "vllm", "cannot speculate and serve LoRA adapters at once (speculation, adapters)")
    pipeline = device.parallelism.pipeline
    require(device.kind != "neuron" or pipeline == 1, "vllm", "has no pipeline parallelism on neuron")


def _model(config: RuntimeConfig, device: Device) -> dict[str, Any]:
    return {
        "--host": "0.0.0.0",  # noqa: S104 - a pod's address is not known to it
        "--port": PORT,
        "--served-model-name": names_of(config),
        "--dtype": _DTYPE.get(device.quantization, "auto"),
        "--runner": "pooling" if config.modality == "Embedding" else None,
        "--max-model-len": config.context_tokens,
        "--kv-cache-dtype": kv_cache_dtype(config, device),
        # 0.92 of the device by default; a CPU has VLLM_CPU_KVCACHE_SPACE instead
        "--gpu-memory-utilization": device.memory_share if device.kind != "cpu" else None,
    }


def _batching(config: RuntimeConfig) -> dict[str, Any]:
    return {
        "--max-num-seqs": config.slots,
        "--max-num-batched-tokens": step_tokens(config),
        "--max-num-queued-tokens": config.admission.max_queued_tokens,
        "--disable-chunked-prefill": config.chunked_prefill == "Off",
        "--disable-prefix-caching": config.prefix_cache == "Off",
        # without it SIGTERM cuts streams; the sidecar has waited for them before, this is for other signals' sake
        "--shutdown-timeout": config.drain_seconds,
        "--enable-prompt-tokens-details": True,
    }


def _parallel(device: Device) -> dict[str, Any]:
    spread = device.parallelism
    return {
        "--tensor-parallel-size": more_than_one(spread.tensor),
        "--pipeline-parallel-size": more_than_one(spread.pipeline),
        "--data-parallel-size": more_than_one(spread.data),
        "--enable-expert-parallel": spread.expert,
    }


def _features(config: RuntimeConfig) -> dict[str, Any]:
    adapters = len(config.adapters or ())
    return {
        "--speculative-config": speculative(config.speculation) if config.speculation else None,
        "--enable-lora": bool(adapters),
        "--max-loras": adapters or None,
        # each under two names, see `sidecar`
        "--max-cpu-loras": 2 * adapters or None,
        "--max-lora-rank": LORA_RANK if adapters else None,
    }


def speculative(asked: Speculation) -> dict[str, Any]:
    """The value of `--speculative-config`."""
    found: dict[str, Any] = {"method": _METHODS[asked.method], "num_speculative_tokens": asked.tokens}
    if asked.method == "NGram":
        return found | {"prompt_lookup_min": 2, "prompt_lookup_max": 4}
    return found if asked.method == "MTP" else found | {"model": str(DRAFT_DIR)}


def engine_arguments(config: RuntimeConfig, device: Device, engine: str) -> dict[str, Any]:
    """By the names of vLLM's own arguments, for the servers that run it inside. Raises UnsupportedError."""
    spread = device.parallelism
    found: dict[str, Any] = {
        "max_model_len": config.context_tokens,
        "max_num_seqs": config.slots,
        "max_num_batched_tokens": step_tokens(config),
        "tensor_parallel_size": spread.tensor,
        "pipeline_parallel_size": spread.pipeline,
        "enable_expert_parallel": spread.expert,
        "gpu_memory_utilization": device.memory_share,
        "kv_cache_dtype": kv_cache_dtype(config, device, engine),
        "enable_prefix_caching": config.prefix_cache != "Off",
        "enable_chunked_prefill": config.chunked_prefill != "Off",
        "speculative_config": speculative(config.speculation) if config.speculation else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def kv_cache_dtype(config: RuntimeConfig, device: Device, engine: str = "vllm") -> str | None:
    """The value of `--kv-cache-dtype`; None leaves the model's own. `engine` wraps vLLM. Raises UnsupportedError."""
    asked = config.kv_cache.dtype if config.kv_cache else None
    if asked is None:
        return None
    if asked == "FP8":
        require(device.kind in _FP8_CACHE, engine, f"has no KV cache in FP8 on {device.kind} (kvCache.dtype)")
        return _FP8_CACHE[device.kind]
    require(asked in _DTYPE, engine, f"has no KV cache in {asked} (kvCache.dtype)")
    return _DTYPE[asked]


def _environment(config: RuntimeConfig, device: Device) -> dict[str, str]:
    found = homeless() | {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_CACHE_ROOT": str(SCRATCH_DIR / "vllm"),
        "TORCHINDUCTOR_CACHE_DIR": str(SCRATCH_DIR / "inductor"),
    }
    if config.adapters:
        found["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "True"
    if device.kind == "cpu":
        found |= _cpu(config, device)
    if device.kind == "neuron":
        # compiles for fixed shapes at its first start: tens of minutes
        found |= {"NEURON_COMPILED_ARTIFACTS": str(SCRATCH_DIR / "neuron"), "VLLM_NEURON_COMPILATION_TIMEOUT": "3600"}
    return found


def _cpu(config: RuntimeConfig, device: Device) -> dict[str, str]:
    # `auto` binds to cores of the node, whichever the pod may use, and leaves one of them idle
    found = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(config.threads)}
    if device.kv_cache_bytes:
        found["VLLM_CPU_KVCACHE_SPACE"] = str(ceil(device.kv_cache_bytes / GIB))
    return found


VLLM = VendorEngine(
    name="vllm",
    title="vLLM",
    version="0.33.0",
    images=MappingProxyType(
        {
            "cuda": "vllm/vllm-openai:v0.33.0",
            "rocm": "vllm/vllm-openai-rocm:v0.33.0",
            "cpu": "vllm/vllm-openai-cpu:v0.33.0-{arch}",
            "tpu": "vllm/vllm-tpu:v0.30.0",
            "neuron": "public.ecr.aws/neuron/pytorch-inference-vllm-neuronx:"
            "0.24.0.1.1.0-neuronx-py313-sdk2.32.0-ubuntu24.04",
            # its tags name a PyTorch release that must fit the node's driver: the pool's patch has to name one
            "gaudi": "",
        }
    ),
    series=metric_names.VLLM,
    render=render,
    modalities=("Text", "Embedding"),
    startup_seconds=MappingProxyType(
        {"cuda": 900.0, "rocm": 900.0, "tpu": 1800.0, "neuron": 3600.0, "gaudi": 1800.0, "cpu": 600.0}
    ),
    # on TPU and Neuron EAGLE3 alone; on Gaudi experimental, on CPUs nothing
    speculation=MappingProxyType(
        {"cuda": ALL_METHODS, "rocm": ALL_METHODS, "gaudi": ALL_METHODS, "tpu": _EAGLE, "neuron": _EAGLE}
    ),
    load_adapter_path="/v1/load_lora_adapter",
    lacks=("sliding context with attention sinks", "GGUF and bitsandbytes without plug-ins", "speculation beside LoRA"),
)

VLLM_CPU = EngineProfile(
    name="vllm",
    serves=frozenset({"BF16"}),
    quantizes_to=frozenset(),
    platforms=frozenset({"cpu"}),
    modalities=frozenset({"Text"}),
    schemes=SCHEMES,
    # 0.32.0 with 1.1 billion parameters in BF16: 5.6 GB resident in three processes, of which 2.2 GB weights and
    # 1.07 GB KV cache; and the sidecar beside it
    process_overhead_bytes=2_350_000_000 + 128 * 2**20,
    kv_bytes_per_element=2,
    # blocks of the CPU's attention kernels
    context_step_tokens=128,
    kv_cache_step_bytes=GIB,
    startup_budget_seconds=VLLM.startup_seconds["cpu"],
    version=VLLM.version,
    first_version="0.33.0",
    adapters=True,
    wants="directory",
    shape="Beside",
    image=VLLM.images["cpu"],
)
"""What is planned with: on CPUs. Other devices wait for pools of accelerators to be placed on."""
