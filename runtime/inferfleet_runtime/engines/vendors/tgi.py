"""Text Generation Inference, which is in maintenance: for adopting what runs it already. Pure.

Facts: the launcher's options of release 3.3.5.
"""

from types import MappingProxyType

from inferfleet_runtime.contract import MODEL_DIR, PORT, RuntimeConfig
from inferfleet_runtime.engines import metric_names
from inferfleet_runtime.engines.vendors.vendor import (
    Container,
    Method,
    VendorEngine,
    adapter_paths,
    cache_dtype,
    check,
    homeless,
    more_than_one,
    options,
    require,
    step_tokens,
)

_FORMATS = MappingProxyType({"INT4-AWQ": "awq", "INT4-GPTQ": "gptq", "NF4": "bitsandbytes-nf4", "FP8": "fp8"})
_DTYPE = MappingProxyType({"BF16": "bfloat16", "F16": "float16"})
_CACHE = MappingProxyType({"FP8": "fp8_e4m3fn"})
_NGRAM: frozenset[Method] = frozenset({"NGram"})


def render(config: RuntimeConfig) -> Container:
    """The container. Raises UnsupportedError."""
    device = check(config, TGI)
    spread = device.parallelism
    alone = spread.pipeline == spread.data == 1 and not spread.expert
    require(alone, "tgi", "spreads tensors only (device.parallelism)")
    args = {
        "--model-id": str(MODEL_DIR),
        "--hostname": "0.0.0.0",  # noqa: S104 - a pod's address is not known to it
        "--port": PORT,
        "--num-shard": more_than_one(spread.tensor),
        # it takes one or the other
        "--dtype": _DTYPE.get(device.quantization),
        "--quantize": _FORMATS.get(device.quantization),
        "--kv-cache-dtype": cache_dtype(config, "tgi", _CACHE),
        "--max-input-tokens": config.context_tokens - 1,
        "--max-total-tokens": config.context_tokens,
        "--max-batch-prefill-tokens": max(step_tokens(config), config.context_tokens),
        "--max-batch-size": config.slots,
        "--cuda-memory-fraction": device.memory_share,
        "--speculate": config.speculation.tokens if config.speculation else None,
        "--lora-adapters": ",".join(adapter_paths(config)) or None,
    }
    off = {"USE_PREFIX_CACHING": "0"} if config.prefix_cache == "Off" else {}
    command = ("text-generation-launcher",)
    return Container(TGI.images[device.kind], command, options(args), homeless() | off)


TGI = VendorEngine(
    name="tgi",
    title="Text Generation Inference",
    version="3.3.5",
    images=MappingProxyType(
        {
            "cuda": "ghcr.io/huggingface/text-generation-inference:3.3.5",
            "rocm": "ghcr.io/huggingface/text-generation-inference:3.3.5-rocm",
            "cpu": "ghcr.io/huggingface/text-generation-inference:3.3.5-intel-cpu",
        }
    ),
    series=metric_names.TGI,
    render=render,
    startup_seconds=MappingProxyType({"cuda": 900.0, "rocm": 900.0, "cpu": 900.0}),
    speculation=MappingProxyType({"cuda": _NGRAM, "rocm": _NGRAM}),
    takes_token_ids=False,
    named=False,
    lacks=(
        "a served name: any is accepted",
        "time to the first token and tokens generated as series",
        "draft models, EAGLE3 and MTP; Medusa heads come with the checkpoint",
    ),
)
