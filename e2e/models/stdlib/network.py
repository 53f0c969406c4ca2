"""A Llama in torch, no more of it than training needs. Pure: the caller places and seeds it.

The rotary embedding turns neighbouring pairs (0, 1), (2, 3)... of each head, as llama.cpp's `llama`
architecture does, so that the weights are exported as they are, without a permutation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

ROPE_BASE = 10_000.0
NORM_EPSILON = 1e-5
BLOCK = 256


@dataclass(frozen=True)
class Shape:
    """What a Llama's tensors measure. The head is tied to the embedding."""

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    context: int


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "stdlib": Shape(4, 512, 768, 8, 4, 64, 4096, 1024),
        "stdlib-draft": Shape(2, 256, 768, 4, 2, 64, 4096, 1024),
    }
)
"""By name. Every row length is a multiple of 256, the super-block of llama.cpp's K-quants."""


class Attention(nn.Module):
    """Causal self-attention with grouped key and value heads."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.q = nn.Linear(shape.hidden, shape.heads * shape.head_dim, bias=False)
        self.k = nn.Linear(shape.hidden, shape.kv_heads * shape.head_dim, bias=False)
        self.v = nn.Linear(shape.hidden, shape.kv_heads * shape.head_dim, bias=False)
        self.output = nn.Linear(shape.heads * shape.head_dim, shape.hidden, bias=False)

    def forward(self, x: Tensor, turns: Tensor) -> Tensor:
        batch, length, _ = x.shape
        split = (batch, length, -1, self.shape.head_dim)
        q, k = (rotate(heads.view(split), turns).transpose(1, 2) for heads in (self.q(x), self.k(x)))
        v = self.v(x).view(split).transpose(1, 2)
        groups = self.shape.heads // self.shape.kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        mixed = attend(q, k, v)
        out: Tensor = self.output(mixed.transpose(1, 2).reshape(batch, length, -1))
        return out


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.up = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(functional.silu(self.gate(x)) * self.up(x))
        return out


class Block(nn.Module):
    """One layer, normalized before each half."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attn_norm = nn.RMSNorm(shape.hidden, eps=NORM_EPSILON)
        self.attn = Attention(shape)
        self.ffn_norm = nn.RMSNorm(shape.hidden, eps=NORM_EPSILON)
        self.ffn = FeedForward(shape)

    def forward(self, x: Tensor, turns: Tensor) -> Tensor:
        x = x + self.attn(self.attn_norm(x), turns)
        out: Tensor = x + self.ffn(self.ffn_norm(x))
        return out


class Llama(nn.Module):
    """Token ids of (batch, length) in, scores of (batch, length, vocabulary) out."""

    turns: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.hidden)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, eps=NORM_EPSILON)
        self.register_buffer("turns", rotations(shape.context, shape.head_dim), persistent=False)
        self._initialize()

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, self.turns)
        return functional.linear(self.norm(x), self.embedding.weight)

    def _initialize(self) -> None:
        """GPT-2's rule: what writes into the residual stream starts smaller, the more layers write."""
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                residual = name.endswith(("output.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * self.shape.layers) ** 0.5 if residual else 0.02)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention of (batch, heads, length, head_dim).

    On a CPU torch's fused kernel was twice as slow in training as plain BF16 products over blocks of
    queries, each of which leaves out the keys that none of its queries may see.
    """
    if q.device.type != "cpu":
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    q, blocks = q * q.shape[-1] ** -0.5, []
    for start in range(0, q.shape[2], BLOCK):
        end = min(start + BLOCK, q.shape[2])
        scores = q[:, :, start:end] @ k[:, :, :end].transpose(-1, -2)
        unseen = torch.ones(end - start, end, dtype=torch.bool).triu(start + 1)
        blocks.append(scores.masked_fill(unseen, float("-inf")).softmax(-1).to(v.dtype) @ v[:, :, :end])
    return torch.cat(blocks, 2)


def rotations(length: int, head_dim: int) -> Tensor:
    """Cosine and sine of every position's turn: (2, length, 1, head_dim / 2). RoFormer, equation 15."""
    frequencies = ROPE_BASE ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    return torch.stack((angles.cos(), angles.sin())).unsqueeze(2)


def rotate(heads: Tensor, turns: Tensor) -> Tensor:
    """Turn (batch, length, heads, head_dim) by position, neighbouring pairs together."""
    even, odd = heads.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = turns[:, : heads.shape[1]].to(heads.dtype)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)
