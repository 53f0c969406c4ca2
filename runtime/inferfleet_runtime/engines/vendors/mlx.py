"""MLX on a Mac: outside the cluster, since macOS runs no pods. Pure.

Facts: `mlx_lm.server`'s options of mlx-lm 0.31.3, whose own documentation does not recommend it for production. What is
rendered is the command that somebody runs on the Mac; the cluster sees an external pool.
"""

from types import MappingProxyType

from inferfleet_runtime.contract import PORT, RuntimeConfig
from inferfleet_runtime.engines.vendors.vendor import Container, UnsupportedError, VendorEngine, options, require


def render(config: RuntimeConfig) -> Container:
    """No image: a command line for the Mac's shell. Raises UnsupportedError."""
    require(config.modality in (None, "Text"), "mlx", f"serves Text here, not {config.modality}")
    require(config.kv_cache is None, "mlx", "has no setting of the KV cache (kvCache)")
    if config.speculation and config.speculation.method != "Draft":
        raise UnsupportedError(f"mlx has no speculation by {config.speculation.method}; it has Draft")
    if len(config.adapters or ()) > 1:
        raise UnsupportedError("mlx serves one LoRA adapter for all requests (adapters)")
    args = {
        "--model": "model",
        "--host": "0.0.0.0",  # noqa: S104 - reached from the cluster
        "--port": PORT,
        "--decode-concurrency": config.slots,
        "--draft-model": "draft" if config.speculation else None,
        "--num-draft-tokens": config.speculation.tokens if config.speculation else None,
        "--adapter-path": config.adapters[0].name if config.adapters else None,
    }
    return Container("", ("mlx_lm.server",), options(args))


MLX = VendorEngine(
    name="mlx",
    title="MLX",
    version="0.31.3",
    images=MappingProxyType({}),
    series=MappingProxyType({}),
    render=render,
    shape="External",
    named=False,
    lacks=("metrics", "admission", "adapters by request", "a place in the cluster"),
)
