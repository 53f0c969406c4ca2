"""Ray Serve LLM, vLLM inside, on CUDA: one pod with one replica. Pure.

Facts: `ray.serve.llm` and KubeRay's documentation (1.7.0). Clusters that run KubeRay write the same into a RayService.
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
    check,
    compact,
    homeless,
    require,
)

METRICS_PORT = 8080
CONFIG = "serve.yaml"


def render(config: RuntimeConfig) -> Container:
    """The container, which begins a Ray of its own. Raises UnsupportedError."""
    device = check(config, RAY_SERVE)
    require(not config.adapters, "ray-serve", "takes adapters from cloud storage only (adapters)")
    files = {CONFIG: compact(application(config, device)) + "\n"}
    start = (
        f"ray start --head --metrics-export-port={METRICS_PORT} --disable-usage-stats"
        f" && exec serve run {FILES_DIR / CONFIG}"
    )
    return Container(RAY_SERVE.images["cuda"], ("/bin/bash", "-c"), (start,), homeless(), files)


def application(config: RuntimeConfig, device: Device) -> dict[str, Any]:
    """Serve's configuration, which is what a RayService has as `serveConfigV2`. Raises UnsupportedError."""
    replicas = device.parallelism.data
    require(replicas == 1, "ray-serve", "replicates through deployments (device.parallelism.data)")
    model = {
        "model_loading_config": {"model_id": config.served_model_name, "model_source": str(MODEL_DIR)},
        "engine_kwargs": vllm.engine_arguments(config, device, RAY_SERVE.name),
        # replicas are the operator's to count
        "deployment_config": {"num_replicas": 1, "max_ongoing_requests": config.slots},
        "log_engine_metrics": True,
    }
    return {
        "http_options": {"host": "0.0.0.0", "port": PORT},  # noqa: S104 - a pod's address is not known to it
        "applications": [
            {
                "name": "llm",
                "route_prefix": "/",
                "import_path": "ray.serve.llm:build_openai_app",
                "args": {"llm_configs": [model]},
            }
        ],
    }


RAY_SERVE = VendorEngine(
    name="ray-serve",
    title="Ray Serve LLM",
    version="KubeRay 1.7.0",
    images=MappingProxyType({"cuda": ""}),
    series=metric_names.RAY_SERVE,
    render=render,
    metrics_port=METRICS_PORT,
    startup_seconds=MappingProxyType({"cuda": 1800.0}),
    speculation=MappingProxyType({"cuda": ALL_METHODS}),
    lacks=("an image that is known here: name one of rayproject/ray-llm", "a second served name"),
)
