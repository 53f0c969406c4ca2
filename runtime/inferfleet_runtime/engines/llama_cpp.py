"""llama.cpp by way of xllamacpp's wheel. Pure: the numbers were measured with xllamacpp 2026.10.11549."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.profile import EngineProfile

LLAMA_CPP = EngineProfile(
    name="llama-cpp",
    serves=frozenset({"F32", "F16", "BF16", "Q8_0", "Q4_0"}),
    quantizes_to=frozenset({"Q8_0", "Q4_0"}),
    platforms=frozenset({"cpu"}),
    modalities=frozenset({"Text"}),
    schemes=frozenset({"file", "https", "oci"}),
    # resident memory of both processes less weights and KV cache: 115 to 141 MiB, measured with 27 million to
    # 0.4 billion parameters in F16, Q8_0 and Q4_0, 4 and 16 busy slots, 512 prompt tokens a step
    process_overhead_bytes=160 * 2**20,
    kv_bytes_per_element=2,
    # llama.cpp pads the context of a sequence (llama-context.cpp): 300 tokens take the memory of 512
    context_step_tokens=256,
    startup_budget_seconds=60.0,
    # ggml's blocks of 32: Q8_0 has 34 bytes, Q4_0 has 18
    kv_dtypes=MappingProxyType({"F16": 2.0, "BF16": 2.0, "Q8_0": 34 / 32, "Q4_0": 18 / 32}),
    slides=True,
    speculation=frozenset({"Draft", "NGram"}),
    adapters=True,
)


@dataclass(frozen=True)
class ServerSettings:
    """What the engine's process is told, as JSON."""

    model: str
    alias: str
    slots: int
    context_tokens: int
    """Of all slots together: llama.cpp divides it."""
    batch_tokens: int
    threads: int
    http_threads: int


def server_settings(config: RuntimeConfig, model: Path) -> ServerSettings:
    """Derived from the configuration; raises nothing."""
    return ServerSettings(
        model=str(model),
        alias=config.served_model_name,
        slots=config.slots,
        context_tokens=config.slots * LLAMA_CPP.slot_context_tokens(config.context_tokens),
        # a step must hold one token of every slot
        batch_tokens=max(config.prefill_chunk_tokens, config.slots),
        threads=config.threads,
        # every slot holds one for as long as it streams; the rest answer health checks
        http_threads=config.slots + 3,
    )
