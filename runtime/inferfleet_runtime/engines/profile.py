"""What the operator must know of an engine to place a model on it. Pure."""

from dataclasses import dataclass


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
    kv_bytes_per_element: int
    """Size of one element of the KV cache as the runtime configures it."""
    context_step_tokens: int
    """The engine rounds the context of a slot up to a multiple of this: so much KV cache does it hold."""
    startup_budget_seconds: float
    """From the start of `serve` to its first answer on the live path; readiness takes as long as the model does."""

    def kv_bytes_per_token(
        self, layers: int, kv_heads: int, head_dim: int, bytes_per_element: int | None = None
    ) -> int:
        """Bytes of KV cache that one token holds: a key and a value vector in every layer."""
        return 2 * layers * kv_heads * head_dim * (bytes_per_element or self.kv_bytes_per_element)

    def slot_context_tokens(self, context_tokens: int) -> int:
        """Tokens of KV cache that the engine sets aside for a slot whose requests need `context_tokens`."""
        return -(-context_tokens // self.context_step_tokens) * self.context_step_tokens
