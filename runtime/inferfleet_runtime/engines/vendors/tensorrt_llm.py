"""TensorRT-LLM's `trtllm-serve` with its PyTorch backend, on CUDA. Pure.

Facts: the 1.3 line's command line and llm-args (August 2026). There is no engine to be built any more.
"""

from types import MappingProxyType
from typing import Any

from inferfleet_runtime.contract import MODEL_DIR, PORT, Device, Metric, RuntimeConfig, Speculation
from inferfleet_runtime.engines.vendors.vendor import (
    DRAFT_DIR,
    FILES_DIR,
    Container,
    Method,
    Series,
    VendorEngine,
    adapter_dir,
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
    modality = config.modality or "Text"
    require(modality == "Text", "tensorrt-llm", f"serves Text here, not {modality}")
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
    asked = config.kv_cache.dtype if config.kv_cache else None
    require(asked in (None, *_CACHE), "tensorrt-llm", f"has no KV cache in {asked} (kvCache.dtype)")
    cache: dict[str, Any] = {"enable_block_reuse": config.prefix_cache != "Off"}
    if asked:
        cache["dtype"] = _CACHE[asked]
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


def _named(name: str) -> Series:
    return Series((f"trtllm_{name}",))


TENSORRT_LLM = VendorEngine(
    name="tensorrt-llm",
    title="TensorRT-LLM",
    version="1.3",
    images=MappingProxyType({"cuda": "nvcr.io/nvidia/tensorrt-llm/release:1.3.0rc29"}),
    series=MappingProxyType(
        {
            Metric.REQUESTS_RUNNING: _named("num_requests_running"),
            Metric.REQUESTS_WAITING: _named("num_requests_waiting"),
            Metric.KV_CACHE_USAGE: _named("kv_cache_utilization"),
            Metric.PROMPT_TOKENS: _named("prompt_tokens_total"),
            Metric.GENERATION_TOKENS: _named("generation_tokens_total"),
            Metric.REQUEST_SUCCESS: _named("request_success_total"),
            Metric.TTFT: _named("time_to_first_token_seconds"),
            Metric.INTER_TOKEN_LATENCY: _named("time_per_output_token_seconds"),
            Metric.E2E_LATENCY: _named("e2e_request_latency_seconds"),
            Metric.QUEUE_TIME: _named("request_queue_time_seconds"),
            "vllm:spec_decode_num_draft_tokens_total": _named("spec_decode_num_draft_tokens_total"),
            "vllm:spec_decode_num_accepted_tokens_total": _named("spec_decode_num_accepted_tokens_total"),
        }
    ),
    render=render,
    # /metrics is JSON
    metrics_path="/prometheus/metrics",
    startup_seconds=MappingProxyType({"cuda": 1800.0}),
    speculation=MappingProxyType({"cuda": _METHODS}),
    lacks=("Medusa", "GGUF", "bitsandbytes", "a second served name"),
)
