"""A LoRA adapter of random matrices for the tiny model."""

import gguf
import numpy as np

from e2e.models import tiny

RANK = 4


def make_adapter(path):
    """For the first layer's attention, large enough to change what is said; returns `path`."""
    shape, rng = tiny.ARCHITECTURES["tiny"], np.random.default_rng(3)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 16.0)
    queries = shape["heads"] * shape["head_dim"]
    for name, rows in (("attn_q", queries), ("attn_output", shape["hidden"])):
        tensor = f"blk.0.{name}.weight"
        writer.add_tensor(f"{tensor}.lora_a", rng.standard_normal((RANK, shape["hidden"]), dtype=np.float32))
        writer.add_tensor(f"{tensor}.lora_b", rng.standard_normal((rows, RANK), dtype=np.float32))
    tiny.finish(writer)
    return path
