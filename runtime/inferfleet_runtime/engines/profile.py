"""What the operator must know of an engine to place a model on it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

SCHEMES = frozenset({"file", "https", "oci", "hf", "s3", "gs"})
"""Of the URIs that `inferfleet-runtime fetch` understands; the pod sees a `pvc://` source as `file://`."""


@dataclass(frozen=True)
class WholeText:
    """What a step takes that holds a whole text to embed, in bytes for each of its tokens."""

    per_feed_forward: float
    """For each unit of the feed-forward part."""
    per_word: float
    """For each word of the vocabulary: room for what nobody asks for."""
    per_logit: float
    """The same of a model with an output matrix: it is computed."""
    per_token: float
    """For each token of the same text: the mask."""

    def bytes(self, tokens: int, feed_forward: int, vocabulary: int, *, encoder: bool) -> float:
        """Of a text of so many tokens; an encoder has no output matrix."""
        words = self.per_word + (0.0 if encoder else self.per_logit)
        return tokens * (self.per_feed_forward * feed_forward + words * vocabulary + self.per_token * tokens)


@dataclass(frozen=True)
class EngineProfile:
    """One engine as the runtime bundles it."""

    name: str
    serves: frozenset[str]
    """Quantizations, by GGUF type name, that it loads and runs."""
    quantizes_to: frozenset[str]
    """Those that `inferfleet-runtime quantize` can make from F16, BF16 or F32."""
    platforms: frozenset[str]
    """Kinds of device: `cpu`."""
    modalities: frozenset[str]
    """What requests may ask for: `Text`, `Embedding`, ..."""
    schemes: frozenset[str]
    """Of the source URIs that `inferfleet-runtime fetch` can bring it files from."""
    process_overhead_bytes: int
    """Resident memory beyond weights and KV cache."""
    kv_bytes_per_element: float
    """Size of one element of the KV cache as the runtime configures it."""
    context_step_tokens: int
    """The engine rounds the context of a slot up to a multiple of this: so much KV cache does it hold."""
    startup_budget_seconds: float
    """From the start of `serve` to its first answer on the live path; readiness takes as long as the model does."""

    version: str = ""
    """That this release brings, or whose image it names; empty: not known."""
    first_version: str = ""
    """What measurements are of that name none: that of the releases which wrote none down. It stays for ever."""
    kv_dtypes: Mapping[str, float] = field(default_factory=dict)
    """Other number formats of the KV cache that can be asked for, and the bytes of one element in each."""
    whole_text: WholeText | None = None
    """Memory for embeddings; None: it does not embed."""
    slides: bool = False
    """Whether it can go on beyond the context, with attention sinks."""
    speculation: frozenset[str] = frozenset()
    """Methods of the API that it has: `Draft`, `NGram`, ..."""
    adapters: bool = False
    """Whether it serves LoRA adapters."""
    wants: Literal["gguf", "directory"] = "gguf"
    """What `inferfleet-runtime fetch` brings it: one GGUF file, or a whole repository at `contract.MODEL_DIR`."""

    shape: Literal["Bundled", "Beside", "External"] = "Bundled"
    """Bundled: the runtime runs it and serves in front of it. Beside: the vendor's image serves, and the runtime is a
    sidecar. External: it runs outside the cluster."""
    image: str = ""
    """Of an engine beside; `{arch}` stands for x86_64 or arm64."""
    kv_cache_step_bytes: int = 1
    """An engine that sets its KV cache aside at its start takes a multiple of this."""
    placed: bool = True
    """Whether the operator deploys it; the candidates of an engine that only the runtime knows are rejected."""
    built_for: str = ""
    """How the catalog's names of architectures begin that it has builds for; empty: all of its platforms'."""
    weight_copies: float = 1.0
    """Bytes of weights in memory for each byte of the file, at the worst moment: some engines pack them anew."""

    def with_kv_cache(self, dtype: str | None) -> "EngineProfile":
        """Itself with the KV cache in the format asked for; None or one that it lacks: as it is by default."""
        found = self.kv_dtypes.get(dtype or "")
        return self if found is None else replace(self, kv_bytes_per_element=found)

    def reserved_kv_bytes(self, held: float) -> float:
        """What the engine takes for a KV cache that has to hold so much."""
        step = self.kv_cache_step_bytes
        return held if step == 1 else -(-held // step) * step

    def slot_context_tokens(self, context_tokens: int) -> int:
        """Tokens of KV cache that the engine sets aside for a slot whose requests need `context_tokens`."""
        return -(-context_tokens // self.context_step_tokens) * self.context_step_tokens
