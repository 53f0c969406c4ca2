"""What is known of each engine: one pure file per engine. The operator plans with it, the runtime obeys it.

Nothing here may import an engine.
"""

from collections.abc import Mapping
from types import MappingProxyType

from inferfleet_runtime.engines.diffusers import DIFFUSERS
from inferfleet_runtime.engines.llama_cpp import LLAMA_CPP
from inferfleet_runtime.engines.openvino_genai import OPENVINO_GENAI
from inferfleet_runtime.engines.profile import EngineProfile
from inferfleet_runtime.engines.transformers import TRANSFORMERS
from inferfleet_runtime.engines.vendors.vllm import VLLM_CPU

ENGINES: Mapping[str, EngineProfile] = MappingProxyType(
    {e.name: e for e in (LLAMA_CPP, OPENVINO_GENAI, DIFFUSERS, TRANSFORMERS, VLLM_CPU)}
)
"""By the name that `RuntimeConfig.engine` uses."""

__all__ = ["ENGINES", "EngineProfile"]
