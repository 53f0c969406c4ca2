"""The model that speed is measured on: of Llama's shape, 1.1 billion random weights. Writes below a folder.

Speed and memory do not depend on what weights mean. Acceptance of a draft does: here the layers after the first two
add next to nothing, so that a draft of those two agrees most of the time. That acceptance is made, and is said to be.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from e2e.models import tiny

SHAPE: Mapping[str, int] = MappingProxyType(
    {
        "layers": 16,
        "hidden": 2048,
        "feed_forward": 8192,
        "heads": 32,
        "kv_heads": 8,
        "head_dim": 64,
        "vocabulary": 32_000,
        "context": 8192,
    }
)
"""Llama 3.2 1B's, with a vocabulary of 32,000 and a head of its own: 1.104 billion parameters."""
DRAFT_LAYERS = 2
ANYWHERE = Path("big.gguf")
LATER = 0.01
"""Factor on what the layers after the draft's add."""


@dataclass(frozen=True)
class Files:
    """What was made."""

    target: Path
    draft: Path
    stranger: Path
    """A draft of the same shape that has nothing to do with the target."""


def make(folder: Path) -> Files:
    """Write `big-f16.gguf` (2.2 GB) and two drafts unless they are there; about a minute."""
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(*(folder / f"{name}-f16.gguf" for name in ("big", "draft", "stranger")))
    few = dict(SHAPE) | {"layers": DRAFT_LAYERS}
    for path, shape, seed in ((files.target, SHAPE, ""), (files.draft, few, ""), (files.stranger, few, "another ")):
        if not path.exists():
            part = path.with_suffix(".part")
            _write(part, shape, seed)
            part.rename(path)
    return files


def _write(path: Path, shape: Mapping[str, int], seed: str) -> None:
    writer = gguf.GGUFWriter(path, "llama", use_temp_file=False)
    tiny.add_metadata(writer, "bench", shape)
    tiny.add_tokenizer(writer, _words(shape["vocabulary"]))
    for name, tensor in _tensors(shape, seed):
        writer.add_tensor(name, tensor if tensor.ndim == 1 else tensor.astype(np.float16))
    tiny.finish(writer)


def _words(size: int) -> Any:
    """The test tokenizer, filled up with tokens that no text makes."""
    known = tiny.vocabulary()
    filling = tuple(f"<filling {number}>" for number in range(size - len(known.tokens)))
    return tiny.Vocabulary(known.tokens + filling, known.merges, known.special)


def _tensors(shape: Mapping[str, int], seed: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    hidden, vocabulary = shape["hidden"], shape["vocabulary"]
    yield "token_embd.weight", _matrix(seed + "embedding", vocabulary, hidden, 1.0)
    for layer in range(shape["layers"]):
        yield from _block(layer, shape, seed)
    yield "output_norm.weight", np.ones(hidden, np.float32)
    yield "output.weight", _matrix(seed + "head", vocabulary, hidden, 3 / np.sqrt(hidden))


def _block(layer: int, shape: Mapping[str, int], seed: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    hidden, ff = shape["hidden"], shape["feed_forward"]
    queries, keys = shape["heads"] * shape["head_dim"], shape["kv_heads"] * shape["head_dim"]
    into_residual = 1.0 if layer < DRAFT_LAYERS else LATER
    matrices = {
        "attn_q": (queries, hidden, 1.0),
        "attn_k": (keys, hidden, 1.0),
        "attn_v": (keys, hidden, 1.0),
        "attn_output": (hidden, queries, into_residual),
        "ffn_gate": (ff, hidden, 1.0),
        "ffn_up": (ff, hidden, 1.0),
        "ffn_down": (hidden, ff, into_residual),
    }
    for norm in ("attn_norm", "ffn_norm"):
        yield f"blk.{layer}.{norm}.weight", np.ones(hidden, np.float32)
    for name, (outputs, inputs, factor) in matrices.items():
        weight = _matrix(f"{seed}{layer} {name}", outputs, inputs, factor / np.sqrt(inputs))
        yield f"blk.{layer}.{name}.weight", weight


def _matrix(name: str, outputs: int, inputs: int, scale: float) -> NDArray[np.float32]:
    """Seeded by its name, so that the draft's layers are the target's."""
    rng = np.random.default_rng(list(name.encode()))
    return rng.standard_normal((outputs, inputs), dtype=np.float32) * np.float32(scale)
