"""SGLang on CUDA and ROCm. Pure.

Facts: `launch_server`'s options, release 0.5.22 and the repository as of July 2026.
"""

from types import MappingProxyType
from typing import Any

from inferfleet_runtime.contract import MODEL_DIR, PORT, Device, RuntimeConfig, Speculation
from inferfleet_runtime.engines import metric_names
from inferfleet_runtime.engines.vendors.vendor import (
    DRAFT_DIR,
    Container,
    Method,
    VendorEngine,
    adapter_paths,
    cache_dtype,
    check,
    homeless,
    more_than_one,
    options,
)

_DTYPE = MappingProxyType({"BF16": "bfloat16", "F16": "float16"})
_CACHE = MappingProxyType({"BF16": "bf16", "FP8": "fp8_e4m3"})
_ALGORITHMS = MappingProxyType({"EAGLE3": "EAGLE3", "MTP": "NEXTN", "Draft": "STANDALONE", "NGram": "NGRAM"})
_METHODS: frozenset[Method] = frozenset({"Draft", "EAGLE3", "MTP", "NGram"})


def render(config: RuntimeConfig) -> Container:
    """The container. Raises UnsupportedError."""
    device = check(config, SGLANG)
    args = options(_model(config, device) | _parallel(device) | _speculative(config.speculation) | _adapters(config))
    return Container(SGLANG.images[device.kind], ("python3", "-m", "sglang.launch_server"), args, homeless())


def _model(config: RuntimeConfig, device: Device) -> dict[str, Any]:
    return {
        "--model-path": str(MODEL_DIR),
        # takes one name
        "--served-model-name": config.served_model_name,
        "--host": "0.0.0.0",  # noqa: S104 - a pod's address is not known to it
        "--port": PORT,
        "--dtype": _DTYPE.get(device.quantization, "auto"),
        "--is-embedding": config.modality == "Embedding",
        "--context-length": config.context_tokens,
        "--max-running-requests": config.slots,
        "--chunked-prefill-size": -1 if config.chunked_prefill == "Off" else config.prefill_chunk_tokens,
        "--mem-fraction-static": device.memory_share,
        "--kv-cache-dtype": cache_dtype(config, "sglang", _CACHE),
        "--disable-radix-cache": config.prefix_cache == "Off",
        # without it /metrics does not exist
        "--enable-metrics": True,
        "--enable-cache-report": True,
    }


def _parallel(device: Device) -> dict[str, Any]:
    spread = device.parallelism
    return {
        "--tp-size": more_than_one(spread.tensor),
        "--pp-size": more_than_one(spread.pipeline),
        "--dp-size": more_than_one(spread.data),
        "--ep-size": more_than_one(spread.tensor) if spread.expert else None,
    }


def _speculative(asked: Speculation | None) -> dict[str, Any]:
    if asked is None:
        return {}
    found: dict[str, Any] = {"--speculative-algorithm": _ALGORITHMS[asked.method]}
    if asked.method == "NGram":
        return found | {"--speculative-num-draft-tokens": asked.tokens}
    chain = {
        "--speculative-num-steps": asked.tokens,
        # one branch: a chain of proposals, and the token before them
        "--speculative-eagle-topk": 1,
        "--speculative-num-draft-tokens": asked.tokens + 1,
    }
    draft = {} if asked.method == "MTP" else {"--speculative-draft-model-path": str(DRAFT_DIR)}
    return found | chain | draft


def _adapters(config: RuntimeConfig) -> dict[str, Any]:
    paths = adapter_paths(config)
    return {"--enable-lora": True, "--lora-paths": paths, "--max-loras-per-batch": len(paths)} if paths else {}


SGLANG = VendorEngine(
    name="sglang",
    title="SGLang",
    version="0.5.22",
    images=MappingProxyType({"cuda": "lmsysorg/sglang:v0.5.22", "rocm": "lmsysorg/sglang:v0.5.22-rocm720-mi30x"}),
    series=metric_names.SGLANG,
    render=render,
    modalities=("Text", "Embedding"),
    startup_seconds=MappingProxyType({"cuda": 900.0, "rocm": 900.0}),
    speculation=MappingProxyType({"cuda": _METHODS, "rocm": _METHODS}),
    lacks=("Medusa", "a second served name"),
)
