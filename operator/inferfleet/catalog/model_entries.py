"""Model architectures: the numbers of a config.json, and the weights and KV cache that follow from them. Pure.

Norms, biases and rotary tables are left out of the weights: together they are below 0.1 % of any entry.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from inferfleet.catalog.entry import Entry, Part

AttentionKind = Literal["MHA", "GQA", "MQA", "MLA", "SlidingWindow", "Hybrid"]
Modality = Literal["Text", "Embedding", "Image", "Video", "Audio"]
Count = Annotated[int, Field(ge=1)]

_TRANSFORMER = ("layers", "hidden", "feed_forward", "heads", "kv_heads", "head_dim", "vocabulary")
_STATE_BYTES = 4
"""Engines keep the recurrent state of linear attention in 32 bits (`mamba_ssm_dtype` of the configs is float32)."""


class LatentAttention(Part):
    """Multi-head latent attention, which caches one compressed vector a token (arXiv:2405.04434, section 2.1)."""

    kv_lora_rank: Count
    q_lora_rank: Count | None = None
    """None: queries are not compressed."""
    rope_head_dim: Count
    nope_head_dim: Count
    v_head_dim: Count

    def parameters(self, hidden: int, heads: int) -> int:
        """Weights of one layer: queries, the compressed keys and values and their expansion, output."""
        query = heads * (self.nope_head_dim + self.rope_head_dim)
        queries = hidden * query if self.q_lora_rank is None else self.q_lora_rank * (hidden + query)
        latent = hidden * self.cached_values + self.kv_lora_rank * heads * (self.nope_head_dim + self.v_head_dim)
        return queries + latent + heads * self.v_head_dim * hidden

    @property
    def cached_values(self) -> int:
        """Values that one token leaves in the cache of one layer."""
        return self.kv_lora_rank + self.rope_head_dim


class LinearAttention(Part):
    """Gated delta-rule layers, which keep a state of fixed size instead of a KV cache (arXiv:2412.06464)."""

    key_heads: Count
    value_heads: Count
    key_head_dim: Count
    value_head_dim: Count
    conv_kernel: Count

    def parameters(self, hidden: int) -> int:
        """Weights of one layer: queries, keys, values, output gate, two gates a head, convolution, output."""
        keys, values = self.key_heads * self.key_head_dim, self.value_heads * self.value_head_dim
        projections = hidden * (2 * keys + 2 * values + 2 * self.value_heads)
        return projections + (2 * keys + values) * self.conv_kernel + values * hidden

    @property
    def state_values(self) -> int:
        """Values that one sequence holds in one layer: the recurrent state and the inputs of the convolution."""
        keys, values = self.key_heads * self.key_head_dim, self.value_heads * self.value_head_dim
        return values * self.key_head_dim + (2 * keys + values) * (self.conv_kernel - 1)


class ModelArchitecture(Entry):
    """A transformer, dense or with experts; or, for images, video and audio, only how many weights it has.

    Field names follow config.json: `headDim` is the size of one head, `kvHeads` the key/value heads.
    """

    modality: Modality = "Text"
    layers: Annotated[int, Field(ge=0)] = 0
    hidden: Annotated[int, Field(ge=0)] = 0
    feed_forward: Annotated[int, Field(ge=0)] = 0
    """Width of the feed-forward part of layers without experts."""
    heads: Annotated[int, Field(ge=0)] = 0
    kv_heads: Annotated[int, Field(ge=0)] = 0
    head_dim: Annotated[int, Field(ge=0)] = 0
    vocabulary: Annotated[int, Field(ge=0)] = 0
    tied_embeddings: bool = False
    """Whether the output matrix is the embedding matrix."""
    encoder: bool = False
    """Whether it embeds without an output matrix, as BERT and its kin; what is made of a generating model has one."""
    gated: bool = True
    """Three feed-forward matrices (gate, up, down), not two."""
    experts: Count | None = None
    """Routed experts of a layer; None: dense."""
    active_experts: Count | None = None
    """Routed experts that a token passes in a layer."""
    shared_experts: Annotated[int, Field(ge=0)] | None = None
    """Experts that every token passes, each as wide as a routed one."""
    expert_feed_forward: Count | None = None
    """Width of one expert; None: as `feed_forward`."""
    dense_layers: Annotated[int, Field(ge=0)] | None = None
    """Layers without experts in a model that has experts."""
    attention: AttentionKind | None = None
    """Checked against the numbers where given."""
    output_gate: bool = False
    """Whether the output of attention is gated by one more matrix as large as the queries'."""
    mla: LatentAttention | None = None
    linear_attention: LinearAttention | None = None
    sliding_window: Count | None = None
    """Tokens that the layers without full attention see."""
    full_attention_every: Annotated[int, Field(ge=0)] = 1
    """Every so-many-th layer sees the whole context; the others use the window or linear attention. 0: none does."""
    context_tokens: Count | None = None
    """Longest context that the model was made for."""
    other_parameters: Annotated[float, Field(ge=0)] = 0
    """Weights in memory that no text token passes: vision encoder, position table; text encoders of diffusion."""
    published_parameters: Annotated[float, Field(gt=0)] | None = None
    """What the vendor says: all weights, for images, video and audio without `other_parameters`."""
    published_active_parameters: Annotated[float, Field(gt=0)] | None = None
    license: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problem = self._media_problem() if self.media else self._problem()
        if problem:
            raise ValueError(problem)
        return self

    def _media_problem(self) -> str | None:
        if self.published_parameters is None:
            return f"publishedParameters is needed, since no formula gives the weights of modality {self.modality}"
        return None

    def _problem(self) -> str | None:
        if lacking := [to_camel(name) for name in _TRANSFORMER if not getattr(self, name)]:
            return f"{', '.join(lacking)} must be given for modality {self.modality}"
        if (self.experts is None) != (self.active_experts is None):
            return "a mixture of experts needs both experts and activeExperts"
        if (self.active_experts or 0) > (self.experts or 0):
            return "activeExperts must not be above experts"
        if self.full_attention_every != 1 and not (self.sliding_window or self.linear_attention):
            return "fullAttentionEvery needs slidingWindow or linearAttention, which the other layers use"
        if self.attention not in (None, self.attention_kind):
            return f"attention says {self.attention}, but the other numbers make it {self.attention_kind}"
        return None

    @property
    def media(self) -> bool:
        """Whether only the number of weights is known."""
        return self.modality in ("Image", "Video", "Audio")

    @property
    def attention_kind(self) -> AttentionKind | None:
        """What the numbers make it."""
        if self.media:
            return None
        if self.linear_attention:
            return "Hybrid"
        if self.mla:
            return "MLA"
        if self.sliding_window:
            return "SlidingWindow"
        if self.kv_heads == self.heads:
            return "MHA"
        return "MQA" if self.kv_heads == 1 else "GQA"

    @property
    def full_attention_layers(self) -> int:
        """Layers whose tokens see the whole context."""
        return self.layers // self.full_attention_every if self.full_attention_every else 0

    @property
    def attention_layers(self) -> int:
        """Layers with a KV cache."""
        return self.full_attention_layers if self.linear_attention else self.layers

    @property
    def block_parameters(self) -> int:
        """Weights that every token passes through (every denoising step, for images), the output matrix included."""
        if self.media:
            return int(self.published_active_parameters or self.published_parameters or 0)
        output = self._embedding if self.modality == "Text" else 0
        return self._layers(self.active_experts or 0) + output

    @property
    def active_parameters(self) -> int:
        """`block_parameters` and the embedding matrix, where that is another one: the most that vendors count."""
        return self.block_parameters + (0 if self.tied_embeddings and self.modality == "Text" else self._embedding)

    @property
    def parameters(self) -> int:
        """All weights: the embedding matrix counts again unless it is the output matrix."""
        if self.media:
            return int((self.published_parameters or 0) + self.other_parameters)
        idle = (self.experts or 0) - (self.active_experts or 0)
        return self.active_parameters + idle * self._expert_layers * self._expert + int(self.other_parameters)

    @property
    def kv_values_per_token(self) -> int:
        """Values that one token leaves in the KV cache of all layers, as long as it is inside every window."""
        return self.attention_layers * self._cached_values

    def kv_bytes_per_token(self, bytes_per_value: float = 2.0) -> float:
        """Bytes of KV cache of one token, as long as it is inside every window. 2 bytes: BF16."""
        return self.kv_values_per_token * bytes_per_value

    def kv_bytes(self, context_tokens: int, bytes_per_value: float = 2.0) -> float:
        """Bytes that one sequence of `context_tokens` holds: full layers, windows, and the state of linear layers."""
        window = min(context_tokens, self.sliding_window or context_tokens)
        tokens = self.full_attention_layers * context_tokens
        tokens += (self.attention_layers - self.full_attention_layers) * window
        state = self.linear_attention.state_values if self.linear_attention else 0
        return tokens * self._cached_values * bytes_per_value + self._linear_layers * state * _STATE_BYTES

    @property
    def _cached_values(self) -> int:
        return self.mla.cached_values if self.mla else 2 * self.kv_heads * self.head_dim

    @property
    def _linear_layers(self) -> int:
        return self.layers - self.attention_layers

    @property
    def _expert_layers(self) -> int:
        return self.layers - (self.dense_layers or 0) if self.experts else 0

    @property
    def _embedding(self) -> int:
        return self.vocabulary * self.hidden

    @property
    def _expert(self) -> int:
        return self._feed_forward(self.expert_feed_forward or self.feed_forward)

    def _feed_forward(self, width: int) -> int:
        return (3 if self.gated else 2) * self.hidden * width

    @property
    def _attention(self) -> int:
        if self.mla:
            return self.mla.parameters(self.hidden, self.heads)
        return self.hidden * self.head_dim * ((3 if self.output_gate else 2) * self.heads + 2 * self.kv_heads)

    def _layers(self, experts: int) -> int:
        """All layers, with so many routed experts each."""
        linear = self.linear_attention.parameters(self.hidden) if self.linear_attention else 0
        mixing = self.attention_layers * self._attention + self._linear_layers * linear
        dense = (self.layers - self._expert_layers) * self._feed_forward(self.feed_forward)
        router = self.hidden * (self.experts or 0)
        mixture = (experts + (self.shared_experts or 0)) * self._expert + router
        return mixing + dense + self._expert_layers * mixture
