"""llama.cpp by way of xllamacpp's wheel. Pure: the numbers were measured with xllamacpp 2026.10.11549."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from inferfleet_runtime.contract import DRAFT_FILE, KvCache, RuntimeConfig
from inferfleet_runtime.engines.profile import SCHEMES, EngineProfile, WholeText
from inferfleet_runtime.errors import ConfigError

MADE = (
    "Q8_0",
    "Q6_K",
    "Q5_K_M",
    "Q5_K_S",
    "Q5_1",
    "Q5_0",
    "Q4_K_M",
    "Q4_K_S",
    "Q4_1",
    "Q4_0",
    "IQ4_NL",
    "IQ4_XS",
    "Q3_K_L",
    "Q3_K_M",
    "Q3_K_S",
    "IQ3_M",
    "IQ3_S",
    "Q2_K",
    "TQ2_0",
    "TQ1_0",
)
"""Types of a GGUF file that `quantize` makes of nothing but the weights, larger ones first."""

LLAMA_CPP = EngineProfile(
    name="llama-cpp",
    serves=frozenset(MADE) | {"F32", "F16", "BF16", "MXFP4", "IQ3_XXS", "IQ2_M", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S"},
    quantizes_to=frozenset(MADE),
    platforms=frozenset({"cpu"}),
    modalities=frozenset({"Text", "Embedding"}),
    schemes=SCHEMES,
    # resident memory of both processes less weights and KV cache: 115 to 161 MiB, measured with 27 million to
    # 0.4 billion parameters in F16, Q8_0 and Q4_0, 4 and 16 busy slots, 512 prompt tokens a step
    process_overhead_bytes=160 * 2**20,
    kv_bytes_per_element=2,
    # llama.cpp pads the context of a sequence (llama-context.cpp): 300 tokens take the memory of 512
    context_step_tokens=256,
    startup_budget_seconds=60.0,
    version="2026.10.11549",
    first_version="2026.10.11549",
    # ggml's blocks of 32: Q8_0 has 34 bytes, Q4_0 has 18
    kv_dtypes=MappingProxyType({"F16": 2.0, "BF16": 2.0, "Q8_0": 34 / 32, "Q4_0": 18 / 32}),
    # with the overhead above 5 to 17 % over the peak of both processes less weights and KV cache, measured with one
    # text of 512 to 8192 tokens, feed-forward parts of 1536 and 4096, vocabularies of 2048 and 32768; and with encoders
    # of the shape of BERT, 2048 and 30522
    whole_text=WholeText(per_feed_forward=14.0, per_word=4.0, per_logit=4.0, per_token=2.0),
    slides=True,
    speculation=frozenset({"Draft", "NGram"}),
    adapters=True,
)

SAVED_SLOTS = "prefixes"
"""Folder beside the model file in which beginnings that requests share are kept while a pod lives."""
SAVED_SLOTS_BYTES = 512 * 2**20
"""What it may hold. It is a folder of a disk: its pages are given back when memory is short, unlike a tmpfs's."""
SINKS = 4
"""First tokens that a sliding context keeps: four suffice (Xiao et al. 2023, arXiv:2309.17453, table 2)."""
_SPECULATION_TYPES: Mapping[str, str] = MappingProxyType(
    {"Draft": "DRAFT_SIMPLE", "EAGLE3": "DRAFT_EAGLE3", "MTP": "DRAFT_MTP", "NGram": "NGRAM_SIMPLE"}
)
"""By the API's method. Medusa's heads are none of llama.cpp's architectures."""


@dataclass(frozen=True)
class SpeculationSettings:
    """How tokens are proposed."""

    types: tuple[str, ...]
    """Of llama.cpp's `common_speculative_type`, without their common prefix."""
    draft: str = ""
    """File of the draft model; empty: none."""
    tokens: int = 4
    """At most proposed for one step; fewer where those further ahead are seldom accepted."""


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
    kv_type: str = "F16"
    """A `ggml_type` without its prefix, for keys and values alike."""
    prefix_cache: bool = True
    save_path: str = ""
    """Folder of saved slots, with its slash at the end; empty: none are saved."""
    sinks: int | None = None
    """First tokens that stay when a context slides; None: it does not slide."""
    embedding: bool = False
    speculation: SpeculationSettings | None = None
    adapters: tuple[str, ...] = ()
    """LoRA files; a request names one by its place."""


def server_settings(config: RuntimeConfig, model: Path) -> ServerSettings:
    """Derived from the configuration. Raises ConfigError for what llama.cpp lacks."""
    context = LLAMA_CPP.slot_context_tokens(config.context_tokens)
    embedding = config.modality == "Embedding"
    # an encoder looks at the whole text at once, and so does a prefill that must not be cut
    whole = embedding or config.chunked_prefill == "Off"
    kv = config.kv_cache
    return ServerSettings(
        model=str(model),
        alias=config.served_model_name,
        slots=config.slots,
        context_tokens=config.slots * context,
        # a step must hold one token of every slot, and of each all that are proposed for it
        batch_tokens=max(context if whole else config.prefill_chunk_tokens, config.slots * _tokens_a_step(config)),
        threads=config.threads,
        # every slot holds one for as long as it streams; the rest answer health checks
        http_threads=config.slots + 3,
        kv_type=_kv_type(kv),
        prefix_cache=config.prefix_cache != "Off",
        save_path=f"{model.parent / SAVED_SLOTS}/" if keeps_prefixes(config) else "",
        sinks=SINKS if kv and kv.overflow == "SlideWithSinks" else None,
        embedding=embedding,
        speculation=_speculation(config, model.parent),
        adapters=tuple(str(model.parent / "adapters" / f"{a.name}.gguf") for a in config.adapters or ()),
    )


def keeps_prefixes(config: RuntimeConfig) -> bool:
    """Whether beginnings that requests share are saved: only text that is generated has any."""
    return config.prefix_cache != "Off" and config.modality in (None, "Text")


def _tokens_a_step(config: RuntimeConfig) -> int:
    return 1 + (config.speculation.tokens if config.speculation else 0)


def _kv_type(kv: KvCache | None) -> str:
    dtype = (kv and kv.dtype) or "F16"
    if dtype not in LLAMA_CPP.kv_dtypes:
        known = ", ".join(sorted(LLAMA_CPP.kv_dtypes))
        raise ConfigError(f"kvCache.dtype: llama-cpp has no {dtype}; it has {known}")
    if kv and kv.overflow == "SlideWithSinks" and dtype != "F16":
        # tried with BF16 and Q8_0: the engine's process ends when it first turns the keys to their new positions
        raise ConfigError(f"kvCache.overflow: SlideWithSinks moves keys, which llama-cpp can in F16 and not in {dtype}")
    return dtype


def _speculation(config: RuntimeConfig, folder: Path) -> SpeculationSettings | None:
    asked = config.speculation
    if asked is None:
        return None
    if asked.method not in _SPECULATION_TYPES:
        known = ", ".join(sorted(_SPECULATION_TYPES))
        raise ConfigError(f"speculation.method: llama-cpp has no {asked.method}; it has {known}")
    needs_file = asked.method in ("Draft", "EAGLE3")
    if needs_file and asked.source is None:
        raise ConfigError(f"speculation.source: {asked.method} proposes with weights of its own; name their file")
    draft = str(folder / DRAFT_FILE.name) if needs_file else ""
    return SpeculationSettings((_SPECULATION_TYPES[asked.method],), draft, asked.tokens)
