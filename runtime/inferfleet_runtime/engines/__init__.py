"""What is known of each engine: one pure file per engine. The operator plans with it, the runtime obeys it.

Nothing here may import an engine.
"""

from collections.abc import Mapping
from types import MappingProxyType

from inferfleet_runtime.engines.llama_cpp import LLAMA_CPP
from inferfleet_runtime.engines.profile import EngineProfile

ENGINES: Mapping[str, EngineProfile] = MappingProxyType({LLAMA_CPP.name: LLAMA_CPP})
"""By the name that `RuntimeConfig.engine` uses."""

__all__ = ["ENGINES", "EngineProfile"]
