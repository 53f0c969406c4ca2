"""A model's numbers, as in its config.json. Pure."""

from typing import Annotated

from pydantic import ConfigDict, Field

from inferfleet.api.base import Api, cel
from inferfleet.api.strings import DottedName

_NEEDED = ("hidden", "feedForward", "heads", "kvHeads", "headDim", "vocabulary")
_OTHER = (
    "tiedEmbeddings",
    "encoder",
    "experts",
    "activeExperts",
    "sharedExperts",
    "expertFeedForward",
    "contextTokens",
)


class Architecture(Api):
    """The numbers of the model's config.json, or the name of a catalog entry that has them."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.preset) != has(self.layers)",
                "give either preset, or the numbers (layers, hidden, feedForward, heads, kvHeads, headDim, vocabulary)",
            ),
            (
                f"!has(self.preset) || !({' || '.join(f'has(self.{name})' for name in (*_NEEDED, *_OTHER))})",
                "with preset, no other number is obeyed: leave them out",
            ),
            (
                f"!has(self.layers) || ({' && '.join(f'has(self.{name})' for name in _NEEDED)})",
                "with layers, also hidden, feedForward, heads, kvHeads, headDim and vocabulary are needed",
            ),
            (
                "has(self.experts) == has(self.activeExperts) && has(self.experts) == has(self.expertFeedForward)",
                "a mixture of experts needs all of experts, activeExperts and expertFeedForward",
            ),
            (
                "!has(self.experts) || !has(self.activeExperts) || self.activeExperts <= self.experts",
                "activeExperts must not be above experts",
            ),
        )
    )
    preset: Annotated[DottedName | None, Field(description="A catalog entry, such as llama-3.1-8b.")] = None
    layers: Annotated[int | None, Field(ge=1, le=1000, description="Transformer layers.")] = None
    hidden: Annotated[int | None, Field(ge=1, le=1_000_000, description="Hidden size.")] = None
    feed_forward: Annotated[
        int | None, Field(ge=1, le=4_000_000, description="Feed-forward size of dense layers (gated: three matrices).")
    ] = None
    heads: Annotated[int | None, Field(ge=1, le=4096, description="Attention heads.")] = None
    kv_heads: Annotated[int | None, Field(ge=1, le=4096, description="Key/value heads.")] = None
    head_dim: Annotated[int | None, Field(ge=1, le=4096, description="Size of one head.")] = None
    vocabulary: Annotated[int | None, Field(ge=1, le=4_000_000, description="Vocabulary size.")] = None
    tied_embeddings: Annotated[
        bool, Field(description="Whether the output matrix is the embedding matrix. Default false.")
    ] = False
    encoder: Annotated[
        bool | None,
        Field(
            description="Whether it only embeds, without an output matrix, as BERT and its kin. Default false: an "
            "embedding model made of a generating one has the matrix still."
        ),
    ] = None
    experts: Annotated[int | None, Field(ge=2, le=4096, description="Routed experts of a layer; absent: dense.")] = None
    active_experts: Annotated[int | None, Field(ge=1, le=4096, description="Routed experts that a token uses.")] = None
    shared_experts: Annotated[int | None, Field(ge=1, le=64, description="Experts that every token uses.")] = None
    expert_feed_forward: Annotated[
        int | None, Field(ge=1, le=1_000_000, description="Feed-forward size of one expert.")
    ] = None
    context_tokens: Annotated[
        int | None,
        Field(
            ge=1, le=100_000_000, description="Longest context that the model was made for, in tokens; absent: unknown."
        ),
    ] = None
