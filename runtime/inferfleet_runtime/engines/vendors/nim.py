"""NVIDIA NIM for language models, 2.x: vLLM in NVIDIA's wrapping, set up by environment. Pure.

Facts: the environment variables' reference of release 2.0.
"""

from types import MappingProxyType

from inferfleet_runtime.contract import MODEL_DIR, PORT, RuntimeConfig
from inferfleet_runtime.engines import metric_names
from inferfleet_runtime.engines.vendors import vllm
from inferfleet_runtime.engines.vendors.vendor import (
    ADAPTERS_DIR,
    ALL_METHODS,
    Container,
    VendorEngine,
    check,
    homeless,
    options,
    require,
    step_tokens,
)


def render(config: RuntimeConfig) -> Container:
    """The container. Its image is the model's own, so it has to be named. Raises UnsupportedError."""
    device = check(config, NIM)
    spread = device.parallelism
    require(spread.data == 1 and not spread.expert, "nim", "spreads tensors and layers only (device.parallelism)")
    environment = homeless() | {
        "NIM_MODEL_PATH": str(MODEL_DIR),
        "NIM_SERVED_MODEL_NAME": config.served_model_name,
        "NIM_SERVER_PORT": str(PORT),
        "NIM_MAX_MODEL_LEN": str(config.context_tokens),
        "NIM_TENSOR_PARALLEL_SIZE": str(spread.tensor),
        "NIM_PIPELINE_PARALLEL_SIZE": str(spread.pipeline),
        "NIM_DISABLE_MODEL_DOWNLOAD": "1",
        "NIM_JSONL_LOGGING": "1",
        "NIM_PASSTHROUGH_ARGS": " ".join(passed(config)),
    }
    if config.adapters:
        environment["NIM_PEFT_SOURCE"] = str(ADAPTERS_DIR)
    return Container(NIM.images["cuda"], (), (), environment)


def passed(config: RuntimeConfig) -> tuple[str, ...]:
    """vLLM's own options, for what has no variable. Raises UnsupportedError."""
    assert config.device
    given = {
        "--max-num-seqs": config.slots,
        "--max-num-batched-tokens": step_tokens(config),
        "--gpu-memory-utilization": config.device.memory_share,
        "--kv-cache-dtype": vllm.kv_cache_dtype(config, config.device, NIM.name),
        "--disable-prefix-caching": config.prefix_cache == "Off",
        "--disable-chunked-prefill": config.chunked_prefill == "Off",
        # no spaces in it: the variable is split at them
        "--speculative-config": vllm.speculative(config.speculation) if config.speculation else None,
    }
    return options(given)


NIM = VendorEngine(
    name="nim",
    title="NIM",
    version="2.0",
    images=MappingProxyType({"cuda": ""}),
    series=metric_names.VLLM,
    render=render,
    metrics_path="/v1/metrics",
    startup_seconds=MappingProxyType({"cuda": 1800.0}),
    speculation=MappingProxyType({"cuda": ALL_METHODS}),
    lacks=("an image for any model: each has its own, which the pool's patch names", "devices but NVIDIA's"),
)
