"""Modular MAX's `max serve` on NVIDIA and AMD GPUs. Pure.

Facts: the command line's reference and the serving settings as of release 26.7; the server was started here once, on a
CPU and with a model in float32 alone, since it refuses BF16 there.
"""

from types import MappingProxyType
from typing import Any

from inferfleet_runtime.contract import MODEL_DIR, PORT, Device, RuntimeConfig
from inferfleet_runtime.engines import metric_names
from inferfleet_runtime.engines.vendors.vendor import (
    DRAFT_DIR,
    Container,
    Method,
    VendorEngine,
    check,
    homeless,
    options,
    refuse_cache_dtype,
    require,
    step_tokens,
)

METRICS_PORT = 8001
_ENCODINGS = MappingProxyType({"BF16": "bfloat16", "F32": "float32", "FP8": "float8_e4m3fn"})
_MILLISECONDS = 0.001
_DRAFT: frozenset[Method] = frozenset({"Draft"})


def render(config: RuntimeConfig) -> Container:
    """The container. Raises UnsupportedError."""
    device = check(config, MAX)
    spread = device.parallelism
    require(spread.pipeline == spread.data == 1, "max", "spreads tensors only (device.parallelism)")
    require(not config.adapters, "max", "gets no LoRA adapters from here (adapters)")
    refuse_cache_dtype(config, "max")
    environment = homeless() | {
        "MAX_SERVE_HOST": "0.0.0.0",  # noqa: S104 - a pod's address is not known to it
        "MAX_SERVE_PORT": str(PORT),
        "MAX_SERVE_METRICS_ENDPOINT_PORT": str(METRICS_PORT),
    }
    return Container(MAX.images[device.kind], ("max", "serve"), options(_arguments(config, device)), environment)


def _arguments(config: RuntimeConfig, device: Device) -> dict[str, Any]:
    gpus = ",".join(map(str, range(device.parallelism.tensor)))
    return {
        "--model": str(MODEL_DIR),
        "--served-model-name": config.served_model_name,
        "--devices": f"gpu:{gpus}",
        "--quantization-encoding": _ENCODINGS.get(device.quantization),
        "--max-length": config.context_tokens,
        "--max-batch-size": config.slots,
        "--max-batch-input-tokens": step_tokens(config),
        "--device-memory-utilization": device.memory_share,
        "--no-enable-prefix-caching": config.prefix_cache == "Off",
        "--no-enable-chunked-prefill": config.chunked_prefill == "Off",
        "--speculative-method": "standalone" if config.speculation else None,
        "--draft-model-path": str(DRAFT_DIR) if config.speculation else None,
        "--num-speculative-tokens": config.speculation.tokens if config.speculation else None,
    }


MAX = VendorEngine(
    name="max",
    title="MAX",
    version="26.7",
    images=MappingProxyType({"cuda": "modular/max-nvidia-full:26.7.0", "rocm": "modular/max-amd:26.7.0"}),
    series=metric_names.MAX,
    render=render,
    metrics_port=METRICS_PORT,
    startup_seconds=MappingProxyType({"cuda": 1200.0, "rocm": 1200.0}),
    speculation=MappingProxyType({"cuda": _DRAFT, "rocm": _DRAFT}),
    lacks=(
        "adapters through this release",
        "methods of speculation but draft models",
        "use of the KV cache as one series",
    ),
)
