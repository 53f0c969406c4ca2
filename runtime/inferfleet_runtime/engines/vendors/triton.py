"""Triton with its vLLM backend, behind its OpenAI front end, on CUDA. Pure.

Facts: the server's and the backend's documentation, release 26.07. For language models the engines themselves serve
better; this is for fleets that have Triton already.
"""

from types import MappingProxyType
from typing import Any

from inferfleet_runtime.contract import MODEL_DIR, PORT, Device, RuntimeConfig
from inferfleet_runtime.engines import metric_names
from inferfleet_runtime.engines.vendors import vllm
from inferfleet_runtime.engines.vendors.vendor import (
    ALL_METHODS,
    FILES_DIR,
    Container,
    VendorEngine,
    bare_name,
    check,
    compact,
    homeless,
    options,
    require,
)

METRICS_PORT = 8002
FRONT = "/opt/tritonserver/python/openai/openai_frontend/main.py"


def render(config: RuntimeConfig) -> Container:
    """The container, and the model repository as its files. Raises UnsupportedError."""
    device = check(config, TRITON)
    require(not config.adapters, "triton", "gets no LoRA adapters from here (adapters)")
    args = {
        "--model-repository": str(FILES_DIR / "repository"),
        "--tokenizer": str(MODEL_DIR),
        "--openai-port": PORT,
        "--host": "0.0.0.0",  # noqa: S104 - a pod's address is not known to it
    }
    image = TRITON.images["cuda"]
    return Container(image, ("python3", FRONT), options(args), homeless(), repository(config, device))


def repository(config: RuntimeConfig, device: Device) -> dict[str, str]:
    """Files of a model repository with one model, whose folder is its name. Raises UnsupportedError."""
    folder = f"repository/{bare_name(config)}"
    return {
        f"{folder}/config.pbtxt": 'backend: "vllm"\ninstance_group [{ count: 1, kind: KIND_MODEL }]\n',
        f"{folder}/1/model.json": compact(_engine(config, device)) + "\n",
    }


def _engine(config: RuntimeConfig, device: Device) -> dict[str, Any]:
    return vllm.engine_arguments(config, device, TRITON.name) | {
        "model": str(MODEL_DIR),
        "data_parallel_size": device.parallelism.data,
        # vLLM's own series beside Triton's, on the metrics port
        "disable_log_stats": False,
    }


TRITON = VendorEngine(
    name="triton",
    title="Triton",
    version="26.07",
    images=MappingProxyType({"cuda": "nvcr.io/nvidia/tritonserver:26.07-vllm-python-py3"}),
    series=metric_names.TRITON,
    render=render,
    metrics_port=METRICS_PORT,
    startup_seconds=MappingProxyType({"cuda": 1200.0}),
    speculation=MappingProxyType({"cuda": ALL_METHODS}),
    lacks=("a name with a namespace: the model's folder is its name", "LoRA through this release"),
)
