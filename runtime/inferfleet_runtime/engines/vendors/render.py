"""Vendors' engines by name. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.vendors.lmdeploy import LMDEPLOY
from inferfleet_runtime.engines.vendors.max_serve import MAX
from inferfleet_runtime.engines.vendors.mlx import MLX
from inferfleet_runtime.engines.vendors.nim import NIM
from inferfleet_runtime.engines.vendors.ray_serve import RAY_SERVE
from inferfleet_runtime.engines.vendors.sglang import SGLANG
from inferfleet_runtime.engines.vendors.tensorrt_llm import TENSORRT_LLM
from inferfleet_runtime.engines.vendors.tgi import TGI
from inferfleet_runtime.engines.vendors.triton import TRITON
from inferfleet_runtime.engines.vendors.vendor import Container, VendorEngine
from inferfleet_runtime.engines.vendors.vllm import VLLM

VENDORS: Mapping[str, VendorEngine] = MappingProxyType(
    {e.name: e for e in (VLLM, SGLANG, TENSORRT_LLM, TRITON, TGI, LMDEPLOY, MAX, NIM, RAY_SERVE, MLX)}
)
"""By the name that `RuntimeConfig.engine` uses, which is the catalog's."""


def render(config: RuntimeConfig) -> Container:
    """What `config.engine`, which is one of `VENDORS`, is to be run as. Raises UnsupportedError."""
    return VENDORS[config.engine].render(config)
