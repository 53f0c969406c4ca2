"""The same Llama in numpy, from a GGUF file, so that an engine's answers have something to agree with. Reads the file.

No torch, no cache, no batch: one text at a time, all positions at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from e2e.models.stdlib import bpe

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Reference:
    """An unquantized file of the `llama` architecture with a tied head."""

    file: gguf.GGUFReader

    @cached_property
    def tensors(self) -> dict[str, Array]:
        """By llama.cpp's names; matrices are (outputs, inputs)."""
        return {tensor.name: np.asarray(tensor.data, np.float32) for tensor in self.file.tensors}

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """As the file describes it."""
        return bpe.restored(self._value("tokenizer.ggml.tokens"), self._value("tokenizer.ggml.merges"))

    def scores(self, ids: Sequence[int]) -> Array:
        """(length, vocabulary) for a text of at most the file's context."""
        x = self.tensors["token_embd.weight"][list(ids)]
        for layer in range(self._value("llama.block_count")):
            x = x + self._attention(f"blk.{layer}", x)
            x = x + self._feed_forward(f"blk.{layer}", x)
        return self._through("token_embd", self._norm("output_norm", x))

    def nats(self, ids: Sequence[int]) -> Array:
        """What each token after the first costs: minus the logarithm of its probability."""
        scores = self.scores(ids[:-1]).astype(np.float64)
        top = scores.max(-1, keepdims=True)
        total = np.log(np.exp(scores - top).sum(-1)) + top[:, 0]
        nats: Array = total - scores[np.arange(len(ids) - 1), list(ids[1:])]
        return nats

    @property
    def context(self) -> int:
        """Tokens."""
        return int(self._value("llama.context_length"))

    def _value(self, key: str) -> Any:
        return self.file.fields[key].contents()

    def _through(self, name: str, x: Array) -> Array:
        out: Array = x @ self.tensors[f"{name}.weight"].T
        return out

    def _norm(self, name: str, x: Array) -> Array:
        spread = np.sqrt((x * x).mean(-1, keepdims=True) + self._value("llama.attention.layer_norm_rms_epsilon"))
        normed: Array = x / spread * self.tensors[f"{name}.weight"]
        return normed

    def _attention(self, block: str, x: Array) -> Array:
        heads, kv_heads = (self._value(f"llama.attention.{name}") for name in ("head_count", "head_count_kv"))
        normed = self._norm(f"{block}.attn_norm", x)

        def split(name: str) -> Array:
            outputs = self._through(f"{block}.attn_{name}", normed)
            return outputs.reshape(len(x), heads if name == "q" else kv_heads, -1).swapaxes(0, 1)

        q, k, v = self._rotate(split("q")), self._rotate(split("k")), split("v")
        k, v = k.repeat(heads // kv_heads, 0), v.repeat(heads // kv_heads, 0)
        mixed = _seen(q @ k.swapaxes(1, 2) / np.float32(q.shape[-1] ** 0.5)) @ v
        return self._through(f"{block}.attn_output", mixed.swapaxes(0, 1).reshape(len(x), -1))

    def _rotate(self, heads: Array) -> Array:
        size = heads.shape[-1]
        turns = self._value("llama.rope.freq_base") ** (-np.arange(0, size, 2) / size)
        angles = np.outer(np.arange(heads.shape[1]), turns)
        pairs = heads.reshape(*heads.shape[:-1], -1, 2)
        turned = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angles)
        return np.stack((turned.real, turned.imag), -1).reshape(heads.shape).astype(np.float32)

    def _feed_forward(self, block: str, x: Array) -> Array:
        normed = self._norm(f"{block}.ffn_norm", x)
        gate, up = (self._through(f"{block}.ffn_{name}", normed) for name in ("gate", "up"))
        return self._through(f"{block}.ffn_down", gate / (1 + np.exp(-gate)) * up)


def read(path: Path) -> Reference:
    """Open a file."""
    return Reference(gguf.GGUFReader(path))


def perplexity(model: Reference, text: str, tokens: int | None = None) -> tuple[float, float]:
    """(perplexity per token, per byte) over whole windows of the context that open with `<|endoftext|>`.

    `tokens` judges the first so many only. Every token but the opening one is scored.
    """
    ids = model.tokenizer.encode(text, add_special_tokens=False).ids[:tokens]
    window = model.context - 1
    nats = [model.nats([bpe.END_OF_TEXT, *ids[at : at + window]]) for at in range(0, len(ids), window)]
    total, size = float(np.concatenate(nats).sum()), len(model.tokenizer.decode(ids).encode())
    return float(np.exp(total / len(ids))), float(np.exp(total / size))


def _seen(scores: Array) -> Array:
    """Softmax over the keys that are not later than the query."""
    length = scores.shape[-1]
    scores = np.where(np.tri(length, dtype=bool), scores, np.float32(-np.inf))
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    normed: Array = shares / shares.sum(-1, keepdims=True)
    return normed
