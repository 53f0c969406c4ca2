"""openvino-genai on x86 processors. Pure: the numbers were measured with openvino-genai 2026.4.1.0.

What it lacks beside llama.cpp, and what follows for a pod:

* LoRA adapters in GGUF, attention sinks, embeddings, `logit_bias`, alternatives to the chosen token (`top_logprobs`).
* A cache of prefixes that tells tenants apart: with trusted headers it is off.
* Draft models beside cached prefixes: sampling then ends the process, so with a draft model nothing is cached.
* A count of the tokens that n-grams propose, hence of their acceptance: that speculation is never turned off, so it is
  chosen only where llama.cpp may not serve (`choice`), and `counters` of such a pod say nothing of it.
"""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.llama_cpp import LLAMA_CPP
from inferfleet_runtime.engines.profile import EngineProfile

BLOCK_TOKENS = 32
"""Of the KV cache on CPUs: what is set aside and shared between requests."""
ARCHITECTURES = frozenset({"llama", "qwen2", "qwen3"})
"""By `general.architecture`: those of its GGUF reader."""
TOKENIZERS = frozenset({"gpt2"})
"""By `tokenizer.ggml.model`: byte-level BPE."""
FILE_TYPES = frozenset({1, 2, 7})
"""By `general.file_type`: mostly F16, Q4_0, Q8_0. Of others the reader refuses F32, BF16, Q5 and Q3; it loads Q4_K, and
the text is wrong (compared with llama.cpp's)."""
TENSOR_TYPES = frozenset({"F32", "F16", "Q8_0", "Q6_K", "Q4_0"})
"""What tensors of such files may be in: norms in F32, the head in Q6_K."""
_KV_PRECISION = MappingProxyType({None: "f16", "F16": "f16", "BF16": "bf16", "Q8_0": "u8"})
_ENOUGH_DRAFTED = 64
"""Proposed tokens before their acceptance says anything."""
_MANY_RUNNING = 8

OPENVINO_GENAI = EngineProfile(
    name="openvino-genai",
    serves=frozenset({"F16", "Q8_0", "Q4_0"}),
    quantizes_to=LLAMA_CPP.quantizes_to & {"Q8_0", "Q4_0"},
    platforms=frozenset({"cpu"}),
    modalities=frozenset({"Text"}),
    schemes=LLAMA_CPP.schemes,
    version="2026.4.1.0",
    first_version="2026.4.1.0",
    process_overhead_bytes=200 * 2**20,
    kv_bytes_per_element=2,
    context_step_tokens=BLOCK_TOKENS,
    startup_budget_seconds=60.0,
    built_for="x86-64",
    # one byte, and a scale and a zero point for each head: 76 bytes were measured for 64 elements
    kv_dtypes=MappingProxyType({"F16": 2.0, "BF16": 2.0, "Q8_0": 76 / 64}),
    speculation=frozenset({"Draft", "NGram"}),
    # the file as read, the graph's constants and what is packed for the processor: 3.04 was measured while a model of
    # 0.4 billion parameters loads, in F16, Q8_0 and Q4_0 alike; once it serves 2.3 to 3.0 are left
    weight_copies=3.05,
)


@dataclass(frozen=True)
class EngineSettings:
    """What the engine's process is told, as JSON."""

    model: str
    slots: int
    context_tokens: int
    """Of one slot."""
    blocks: int
    """Of the KV cache, for all slots together."""
    batch_tokens: int
    threads: int
    kv_precision: str
    prefix_cache: bool
    draft: str = ""
    """GGUF file of the draft model."""
    lookup: bool = False
    """Proposes what followed the same words before (n-grams)."""
    proposed: int = 0
    """Tokens for one step."""


def engine_settings(config: RuntimeConfig, model: Path, draft: Path) -> EngineSettings:
    """Derived from the configuration; `lacks` must have found nothing. Raises nothing."""
    speculation = config.speculation
    method = speculation.method if speculation else None
    slot_blocks = OPENVINO_GENAI.slot_context_tokens(config.context_tokens) // BLOCK_TOKENS
    return EngineSettings(
        model=str(model),
        slots=config.slots,
        context_tokens=config.context_tokens,
        # one more for each slot: proposed tokens may begin a block that the answer never fills
        blocks=config.slots * (slot_blocks + bool(speculation)),
        # a step must hold one token of every slot
        batch_tokens=max(config.prefill_chunk_tokens, config.slots),
        threads=config.threads,
        kv_precision=_KV_PRECISION[config.kv_cache.dtype if config.kv_cache else None],
        prefix_cache=_caches_prefixes(config),
        draft=str(draft) if method == "Draft" else "",
        lookup=method == "NGram",
        proposed=speculation.tokens if speculation else 0,
    )


def _caches_prefixes(config: RuntimeConfig) -> bool:
    tenants = config.requests is not None and config.requests.trusted_headers
    drafts = config.speculation is not None and config.speculation.method == "Draft"
    return config.prefix_cache != "Off" and not tenants and not drafts


def lacks(config: RuntimeConfig) -> str:
    """What the configuration asks for and this engine has not, in a few words; empty where it has all."""
    cache, speculation = config.kv_cache, config.speculation
    lacking = {
        f"the modality {config.modality}": config.modality not in (None, "Text"),
        "LoRA adapters": bool(config.adapters),
        "a context that slides": cache is not None and cache.overflow != "Refuse",
        f"a KV cache in {cache and cache.dtype}": cache is not None and cache.dtype not in _KV_PRECISION,
        f"speculation by {speculation and speculation.method}": speculation is not None
        and speculation.method not in OPENVINO_GENAI.speculation,
        "prefills that are not cut into chunks": config.chunked_prefill == "Off",
    }
    return next((what for what, asked in lacking.items() if asked), "")


def proposals(most: int, drafted: float, accepted: float, running: int) -> int:
    """Tokens that a draft model is to propose to a request that begins: as many as pay.

    One is the least that openvino-genai takes, and keeps the acceptance measured. `drafted` and `accepted` are those of
    the latest steps. The bounds were measured with llama.cpp and openvino-genai: under half accepted, or with more than
    eight requests at once, verifying costs more than it saves.
    """
    unpaid = drafted >= _ENOUGH_DRAFTED and accepted < drafted / 2
    return 1 if unpaid or running >= _MANY_RUNNING else most


def memory_bytes(config: RuntimeConfig, file_bytes: int, kv_elements_per_token: int) -> int:
    """What a pod's processes hold at most: it is while the weights are being packed, or with a full KV cache."""
    profile = OPENVINO_GENAI.with_kv_cache(config.kv_cache.dtype if config.kv_cache else None)
    tokens = config.slots * profile.slot_context_tokens(config.context_tokens)
    cached = int(tokens * kv_elements_per_token * profile.kv_bytes_per_element)
    return int(file_bytes * profile.weight_copies) + cached + profile.process_overhead_bytes
