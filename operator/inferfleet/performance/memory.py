"""Bytes that a replica holds. Pure."""

from inferfleet.performance.terms import RESERVED_BYTES
from inferfleet.performance.types import Setup


def memory_bytes(setup: Setup, slots: int, context_tokens: int) -> float:
    """Weights, the KV cache of every slot at full length, and what engines reserve; of one accelerator group.

    Grouped key-value heads are split over tensor ranks until each has one; a latent cache is on every rank
    (arXiv:2405.04434, section 2.1). Each attention data parallel rank has its own copy of what is not an expert.
    """
    model, spread = setup.model, setup.parallelism
    group = spread.accelerators
    weights = model.parameters * setup.quantization.bytes_per_weight
    if model.media:
        return weights + RESERVED_BYTES * group
    heads = 1 if model.mla else min(spread.tensor, max(model.kv_heads, 1))
    copies = max(1, spread.tensor // heads)
    routed = model.parameters - model.active_parameters if model.experts else 0
    again = (model.parameters - routed) * setup.quantization.bytes_per_weight * (spread.data - 1)
    cache = model.kv_bytes(context_tokens, setup.kv_bytes_per_element) * slots * copies
    reserved = RESERVED_BYTES * group if setup.accelerator.kind != "CPU" else 0.0
    return weights + again + cache + reserved
