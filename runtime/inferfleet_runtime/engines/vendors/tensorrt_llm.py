"""TensorRT-LLM's `trtllm-serve` with its PyTorch backend, on CUDA. Pure.

Facts: the 1.3 line's command line and llm-args (August 2026). There is no engine to be built any more.
"""

from types import MappingProxyType
from typing import Any

from inferfleet_runtime.contract import MODEL_DIR, PORT, Device, RuntimeConfig, Speculation
from inferfleet_runtime.engines import metric_names
from inferfleet_runtime.engines.vendors.vendor import (
    DRAFT_DIR,
    FILES_DIR,
    Container,
    Method,
    VendorEngine,
    adapter_dir,
    cache_dtype,
    check,
    compact,
    homeless,
    more_than_one,
    options,
    require,
    step_tokens,
)

CONFIG = "trtllm.yaml"
_CACHE = MappingProxyType({"FP8": "fp8"})
_METHODS: frozenset[Method] = frozenset({"Draft", "EAGLE3", "MTP", "NGram"})


def render(config: RuntimeConfig) -> Container:
    """The container. Raises UnsupportedError."""
    device = check(config, TENSORRT_LLM)
    spread = device.parallelism
    require(spread.data == 1, "tensorrt-llm", "spreads data in attention only (device.parallelism.data)")
    args = {
        "--host": "0.0.0.0",  # noqa: S104 - its default is localhost
        "--port": PORT,
        "--served_model_name": config.served_model_name,
        "--max_batch_size": config.slots,
        "--max_num_tokens": step_tokens(config),
        "--max_seq_len": config.context_tokens,
        "--tp_size": more_than_one(spread.tensor),
        "--pp_size": more_than_one(spread.pipeline),
        "--ep_size": more_than_one(spread.tensor) if spread.expert else None,
        "--kv_cache_free_gpu_memory_fraction": device.memory_share,
        "--enable_chunked_prefill": config.chunked_prefill != "Off",
        "--config": str(FILES_DIR / CONFIG),
    }
    # JSON is YAML, too
    files = {CONFIG: compact(settings(config, device)) + "\n"}
    image = TENSORRT_LLM.images["cuda"]
    return Container(image, ("trtllm-serve", str(MODEL_DIR)), options(args), homeless(), files)


def settings(config: RuntimeConfig, device: Device) -> dict[str, Any]:
    """What the command line has no options for. Raises UnsupportedError."""
    cache: dict[str, Any] = {"enable_block_reuse": config.prefix_cache != "Off"}
    if dtype := cache_dtype(config, "tensorrt-llm", _CACHE):
        cache["dtype"] = dtype
    # without these two there are no series under /prometheus/metrics
    found: dict[str, Any] = {"kv_cache_config": cache, "return_perf_metrics": True, "enable_iter_perf_stats": True}
    if config.speculation:
        found["speculative_config"] = speculative(config.speculation)
    if config.adapters:
        folders = [str(adapter_dir(a.name)) for a in config.adapters]
        found["lora_config"] = {"lora_dir": folders, "max_loras": len(folders)}
    return found


def speculative(asked: Speculation) -> dict[str, Any]:
    """The value of `speculative_config`."""
    if asked.method == "MTP":
        return {"decoding_type": "MTP", "num_nextn_predict_layers": asked.tokens}
    if asked.method == "NGram":
        return {"decoding_type": "NGram", "max_draft_len": asked.tokens, "max_matching_ngram_size": 4}
    kind = "Eagle3" if asked.method == "EAGLE3" else "Draft_Target"
    return {"decoding_type": kind, "max_draft_len": asked.tokens, "speculative_model": str(DRAFT_DIR)}


TENSORRT_LLM = VendorEngine(
    name="tensorrt-llm",
    title="TensorRT-LLM",
    version="1.3",
    images=MappingProxyType({"cuda": "nvcr.io/nvidia/tensorrt-llm/release:1.3.0rc29"}),
    series=metric_names.TENSORRT_LLM,
    render=render,
    # /metrics is JSON
    metrics_path="/prometheus/metrics",
    startup_seconds=MappingProxyType({"cuda": 1800.0}),
    speculation=MappingProxyType({"cuda": _METHODS}),
    lacks=("Medusa", "GGUF", "bitsandbytes", "a second served name"),
)
