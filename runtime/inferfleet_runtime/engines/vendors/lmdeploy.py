"""LMDeploy's `api_server` on CUDA. Pure.

Facts: the command line's options of release 0.16.0.
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
    require,
    step_tokens,
)

_FORMATS = MappingProxyType({"INT4-AWQ": "awq", "INT4-GPTQ": "gptq", "FP8": "fp8", "MXFP4": "mxfp4"})
_CACHE_BITS = MappingProxyType({"F16": None, "BF16": None, "Q8_0": 8, "Q4_0": 4})
_METHODS: frozenset[Method] = frozenset({"EAGLE3", "MTP"})
_ALGORITHMS = MappingProxyType({"EAGLE3": "eagle3", "MTP": "deepseek_mtp"})


def render(config: RuntimeConfig) -> Container:
    """The container. Raises UnsupportedError."""
    device = check(config, LMDEPLOY)
    require(device.parallelism.pipeline == 1, "lmdeploy", "has no pipeline parallelism (device.parallelism)")
    args = options(_model(config, device) | _speculative(config.speculation))
    command = ("lmdeploy", "serve", "api_server", str(MODEL_DIR))
    return Container(LMDEPLOY.images["cuda"], command, args, homeless())


def _model(config: RuntimeConfig, device: Device) -> dict[str, Any]:
    adapters = adapter_paths(config)
    return {
        "--server-name": "0.0.0.0",  # noqa: S104 - a pod's address is not known to it
        "--server-port": PORT,
        "--model-name": config.served_model_name,
        # only this one has adapters and speculation
        "--backend": "pytorch" if adapters or config.speculation else "turbomind",
        "--model-format": _FORMATS.get(device.quantization),
        "--tp": more_than_one(device.parallelism.tensor),
        "--dp": more_than_one(device.parallelism.data),
        "--session-len": config.context_tokens,
        "--max-batch-size": config.slots,
        "--max-prefill-token-num": step_tokens(config),
        "--cache-max-entry-count": device.memory_share,
        "--quant-policy": cache_dtype(config, "lmdeploy", _CACHE_BITS),
        "--enable-prefix-caching": config.prefix_cache != "Off",
        "--adapters": adapters or None,
    }


def _speculative(asked: Speculation | None) -> dict[str, Any]:
    if asked is None:
        return {}
    return {
        "--speculative-algorithm": _ALGORITHMS[asked.method],
        "--speculative-draft-model": None if asked.method == "MTP" else str(DRAFT_DIR),
        "--speculative-num-draft-tokens": asked.tokens,
    }


LMDEPLOY = VendorEngine(
    name="lmdeploy",
    title="LMDeploy",
    version="0.16.0",
    images=MappingProxyType({"cuda": "openmmlab/lmdeploy:v0.16.0"}),
    series=metric_names.LMDEPLOY,
    render=render,
    startup_seconds=MappingProxyType({"cuda": 900.0}),
    speculation=MappingProxyType({"cuda": _METHODS}),
    lacks=("draft models, Medusa and n-grams", "a second served name"),
)
