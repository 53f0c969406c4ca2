"""A checkpoint as an F16 GGUF file for llama.cpp's `llama` architecture. Writes the file it is told to."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray

from e2e.models.stdlib.network import NORM_EPSILON, ROPE_BASE, SHAPES, Shape
from e2e.models.tiny import add_tokenizer, finish, vocabulary

HERE = Path(__file__).parent
DESCRIPTION = "trained on Python 3.11's standard library and its documentation; for tests and demonstrations"
_ENDS = {"embedding.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
_PARTS: Mapping[str, str] = {
    "attn_norm": "attn_norm",
    "attn.q": "attn_q",
    "attn.k": "attn_k",
    "attn.v": "attn_v",
    "attn.output": "attn_output",
    "ffn_norm": "ffn_norm",
    "ffn.gate": "ffn_gate",
    "ffn.up": "ffn_up",
    "ffn.down": "ffn_down",
}


def export(folder: Path, name: str, out: Path) -> Path:
    """Write the checkpoint `name` of a training folder; the same checkpoint gives the same bytes."""
    weights = torch.load(folder / f"{name}.pt", map_location="cpu", weights_only=True)["model"]
    writer = gguf.GGUFWriter(out, "llama")
    _add_metadata(writer, name, SHAPES[name])
    add_tokenizer(writer, vocabulary(folder / "tokenizer.json"), opening=True)
    for tensor, values in _tensors(weights):
        writer.add_tensor(tensor, values)
    finish(writer)
    return out


def gguf_name(name: str) -> str:
    """llama.cpp's name of one of the network's weights. Pure; KeyError for another name."""
    if name in _ENDS:
        return _ENDS[name]
    _, layer, part = name.removesuffix(".weight").split(".", 2)
    return f"blk.{layer}.{_PARTS[part]}.weight"


def _tensors(weights: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Matrices in F16; norms in F32, as every converter for llama.cpp leaves them."""
    for name, weight in weights.items():
        values = weight.float().numpy()
        yield gguf_name(name), values if values.ndim == 1 else values.astype(np.float16)


def _add_metadata(writer: Any, name: str, shape: Shape) -> None:
    writer.add_name(f"inferfleet-{name}")
    writer.add_description(DESCRIPTION)
    writer.add_license("PSF-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_vocab_size(shape.vocabulary)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m e2e.models.stdlib.export", description=__doc__)
    parser.add_argument("folder", type=Path, help="what train wrote to: checkpoints and tokenizer.json")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="stdlib", help="which model (%(default)s)")
    parser.add_argument("--out", type=Path, help="the file (by default the one in the repository)")
    arguments = parser.parse_args()
    path = export(arguments.folder, arguments.shape, arguments.out or HERE / f"{arguments.shape}.gguf")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
