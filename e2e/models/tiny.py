"""Llama models with random weights as GGUF files. Writes the file it is told to.

The weights are random, so what a model says means nothing; it is only made of words. Speed, memory
and every protocol are those of a trained model of the same shape.
"""

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

TOKENIZER = Path(__file__).with_name("tokenizer.json")
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_TINY: Mapping[str, int] = MappingProxyType(
    {
        "layers": 8,
        "hidden": 128,
        "feed_forward": 384,
        "heads": 4,
        "kv_heads": 2,
        "head_dim": 32,
        "vocabulary": 2048,
        "context": 4096,
    }
)
ARCHITECTURES: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "tiny": _TINY,
        "slight": {**_TINY, "layers": 1},
        "demo": {
            "layers": 8,
            "hidden": 512,
            "feed_forward": 1536,
            "heads": 8,
            "kv_heads": 4,
            "head_dim": 64,
            "vocabulary": 2048,
            "context": 8192,
        },
        "blocks": {
            "layers": 2,
            "hidden": 256,
            "feed_forward": 256,
            "heads": 4,
            "kv_heads": 2,
            "head_dim": 64,
            "vocabulary": 2048,
            "context": 2048,
        },
    }
)
"""Shapes by preset: `tiny` has 2.1 million parameters, `demo` 27 million, and `blocks` 1.8 million in rows that blocks
of 256 weights fill; `slight` is one layer of `tiny`, for a fast engine. The head is not tied."""

_WORD = re.compile(r" ?[A-Za-z]{2,}|[ ]?[aAI]|[,.]")
_BIAS_DIMENSION = 0
"""Nothing in the network writes this dimension of the residual stream: it stays as the embedding set it."""

_Tensor = tuple[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Vocabulary:
    """A byte-level BPE as GGUF wants it."""

    tokens: tuple[str, ...]
    merges: tuple[str, ...]
    special: frozenset[str]

    def id(self, token: str) -> int:
        """Index of a token."""
        return self.tokens.index(token)

    def speakable(self) -> NDArray[np.bool_]:
        """Per token, whether it reads as (part of) a word: no control token, no half of a character."""
        texts = (token.replace("\u0120", " ") for token in self.tokens)
        return np.array([bool(_WORD.fullmatch(t)) and t not in self.special for t in texts])


def vocabulary(path: Path = TOKENIZER) -> Vocabulary:
    """The checked-in tokenizer."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    by_id = sorted(raw["model"]["vocab"].items(), key=lambda item: item[1])
    return Vocabulary(
        tokens=tuple(token for token, _ in by_id),
        merges=tuple(" ".join(pair) for pair in raw["model"]["merges"]),
        special=frozenset(added["content"] for added in raw["added_tokens"]),
    )


def make(path: Path, preset: str = "tiny", seed: int = 1) -> Path:
    """Write an F16 GGUF file; the same preset and seed give the same bytes."""
    shape, words = ARCHITECTURES[preset], vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    add_metadata(writer, preset, shape)
    add_tokenizer(writer, words)
    for name, tensor in _tensors(shape, words.speakable(), np.random.default_rng(seed)):
        # norms stay in F32, as every converter for llama.cpp leaves them
        writer.add_tensor(name, tensor if tensor.ndim == 1 else tensor.astype(np.float16))
    finish(writer)
    return path


def finish(writer: Any) -> None:
    """Write what was added to a GGUF file, whose end it is."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_metadata(writer: Any, preset: str, shape: Mapping[str, int]) -> None:
    writer.add_name(f"inferfleet-{preset}")
    writer.add_description("random weights: made for tests, says nothing of meaning")
    writer.add_license("Apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(shape["context"])
    writer.add_embedding_length(shape["hidden"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["feed_forward"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_rope_dimension_count(shape["head_dim"])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape["vocabulary"])


def add_tokenizer(writer: Any, words: Vocabulary, *, opening: bool = False) -> None:
    """The vocabulary and ChatML as metadata of a GGUF file; `opening`: every text starts with `<|endoftext|>`."""
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(list(words.tokens))
    writer.add_token_types([control if token in words.special else normal for token in words.tokens])
    writer.add_token_merges(list(words.merges))
    writer.add_bos_token_id(words.id("<|endoftext|>"))
    writer.add_eos_token_id(words.id("<|im_end|>"))
    writer.add_pad_token_id(words.id("<|pad|>"))
    writer.add_add_bos_token(opening)
    writer.add_chat_template(CHATML)


def _tensors(shape: Mapping[str, int], speakable: NDArray[np.bool_], rng: np.random.Generator) -> Iterator[_Tensor]:
    """In llama.cpp's naming; matrices are (outputs, inputs)."""
    hidden, vocab = shape["hidden"], shape["vocabulary"]
    embedding = rng.standard_normal((vocab, hidden), dtype=np.float32)
    embedding[:, _BIAS_DIMENSION] = 1.0
    yield "token_embd.weight", embedding
    for layer in range(shape["layers"]):
        yield from _block(f"blk.{layer}", shape, rng)
    yield from _head(hidden, speakable, rng)


def _block(prefix: str, shape: Mapping[str, int], rng: np.random.Generator) -> Iterator[_Tensor]:
    hidden, ff = shape["hidden"], shape["feed_forward"]
    queries, keys = shape["heads"] * shape["head_dim"], shape["kv_heads"] * shape["head_dim"]

    def matrix(outputs: int, inputs: int) -> NDArray[np.float32]:
        return rng.standard_normal((outputs, inputs), dtype=np.float32) / np.float32(np.sqrt(inputs))

    def into_residual(inputs: int) -> NDArray[np.float32]:
        weight = matrix(hidden, inputs)
        weight[_BIAS_DIMENSION] = 0.0
        return weight

    yield f"{prefix}.attn_norm.weight", np.ones(hidden, np.float32)
    yield f"{prefix}.attn_q.weight", matrix(queries, hidden)
    yield f"{prefix}.attn_k.weight", matrix(keys, hidden)
    yield f"{prefix}.attn_v.weight", matrix(keys, hidden)
    yield f"{prefix}.attn_output.weight", into_residual(queries)
    yield f"{prefix}.ffn_norm.weight", np.ones(hidden, np.float32)
    yield f"{prefix}.ffn_gate.weight", matrix(ff, hidden)
    yield f"{prefix}.ffn_up.weight", matrix(ff, hidden)
    yield f"{prefix}.ffn_down.weight", into_residual(ff)


def _head(hidden: int, speakable: NDArray[np.bool_], rng: np.random.Generator) -> Iterator[_Tensor]:
    """A head that never picks a token which does not read as text, the end of the answer included.

    Llama has no bias in its head; the constant dimension serves as one. Its gain is in the norm,
    which stays in F32, so that no quantization block is stretched by a large number.
    """
    norm = np.ones(hidden, np.float32)
    norm[_BIAS_DIMENSION] = 300.0
    head = rng.standard_normal((speakable.size, hidden), dtype=np.float32) * np.float32(3 / np.sqrt(hidden))
    head[:, _BIAS_DIMENSION] = np.where(speakable, 0.0, -0.3)
    yield "output_norm.weight", norm
    yield "output.weight", head


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m e2e.models.tiny", description=__doc__)
    parser.add_argument("out", type=Path, help="the GGUF file to write")
    parser.add_argument("--preset", choices=sorted(ARCHITECTURES), default="tiny")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    path = make(arguments.out, arguments.preset, arguments.seed)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
