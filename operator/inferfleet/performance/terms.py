"""What a step costs on ideal hardware, term by term, in seconds. Pure.

A decode step reads the weights and the KV cache of all running requests once and multiplies every weight twice per
token; a prefill is bound by arithmetic. Sums of such terms with fitted coefficients are as good as any simulator on
common truth (BLIS: arXiv:2402.16363 for the roofline, reference experiments of llm-d's inference-sim for the sum).
Sources of single terms are with their functions.
"""

from collections.abc import Mapping

import numpy as np

from inferfleet.performance.columns import Columns, Vector

CAPACITY_SHARE = 0.93
"""Of an accelerator's memory that weights and KV cache share where queues showed how much fits."""
RESERVED_BYTES = 4e9
"""Of an accelerator: captured graphs, activations, communication buffers."""
STARTING_ROUNDS = 10.0
"""A benchmark sends so many requests per client; in the first round all arrive at once."""
Terms = Mapping[str, Vector]


def capacity(c: Columns) -> Vector:
    """Requests whose KV cache fits beside the weights of one replica.

    Grouped heads are split over tensor ranks, a latent cache is on each of them (arXiv:2405.04434, section 2.1).
    """
    held = _dense_on_one(c) + (c["expert_bytes"] + c["output_bytes"]) / c["accelerators"]
    free = np.maximum(CAPACITY_SHARE * c["memory"] - held - RESERVED_BYTES, 0.05 * c["memory"])
    each = sequence_bytes(c, c["context"] + 0.75 * c["output"]) / _cache_shards(c)
    known = c["memory"] > 0
    return np.where(known, np.maximum(c["data"] * free / np.maximum(each, 1.0), 1.0), np.inf)


def sequence_bytes(c: Columns, tokens: Vector) -> Vector:
    """KV cache of one sequence: whole layers, windows, and the state of layers of linear attention."""
    window = np.minimum(tokens, np.maximum(c["window"], 1.0))
    return (c["full_values"] * tokens + c["window_values"] * window) * c["kv_bytes"] + c["state_bytes"]


def touched(c: Columns, tokens: Vector) -> Vector:
    """Share of a layer's experts that so many tokens touch together: 1 - (1 - k / E)^tokens, routed evenly."""
    share = c["active_experts"] / np.maximum(c["experts"], 1.0)
    return np.where(c["experts"] > 0, 1 - (1 - share) ** tokens, 0.0)


def decode_terms(c: Columns, running: Vector) -> Terms:
    """One step of `running` requests, at the mean context of their lives.

    Where tokens are guessed ahead, a step reads the draft's weights, too, and checks several tokens of each request
    (arXiv:2211.17192).
    """
    context, tokens = c["context"] + c["output"] / 2, running * c["verified"]
    local, layers = running / c["data"], c["layers"]
    several = (c["accelerators"] > 1).astype(float)
    return {
        "dense": (_dense_on_one(c) + c["draft_bytes"] / c["accelerators"]) / c["bandwidth"],
        "output_matrix": c["output_bytes"] / c["tensor"] / c["bandwidth"],
        "experts_read": c["expert_bytes"] * touched(c, tokens) / c["accelerators"] / c["bandwidth"],
        "cache": local * sequence_bytes(c, context) / _cache_shards(c) / c["bandwidth"],
        "arithmetic": 2 * c["active"] * tokens / c["accelerators"] / c["speed"],
        "attention": local
        * c["verified"]
        * _attention(c, context, context)
        / c["tensor"]
        / c["pipeline"]
        / c["speed16"],
        "hops": 2 * layers * several * 1e-6 * np.log2(c["accelerators"] + 1),
        "exchange": 2 * layers * local * c["verified"] * c["hidden"] * 2 * _ring(c) / (c["link"] / 2),
        "launch": layers * 1e-6,
        "launch_experts": c["expert_layers"] * 1e-6,
        "launch_linear": c["linear_layers"] * 1e-6,
        "host": np.full_like(layers, 1e-3),
        "host_request": running * 1e-5,
    }


def prefill_terms(c: Columns) -> Terms:
    """One prompt. Tokens found in the prefix cache are attended to and not computed."""
    tokens, layers = c["prompt"], c["layers"]
    mean_context = c["context"] - tokens / 2
    read = (_dense_on_one(c) + c["expert_bytes"] * touched(c, tokens) / c["accelerators"]) / c["bandwidth"]
    attention = tokens * _attention(c, mean_context, c["context"])
    return {
        "arithmetic": 2 * (c["active"] - c["output_bytes"] / 2) * tokens / c["accelerators"] / c["speed"],
        "attention": attention / c["accelerators"] / c["speed16"],
        "read": read,
        "exchange": 2 * layers * tokens * c["hidden"] * 2 * _ring(c) / (c["link"] / 2),
        "launch": layers * 1e-6,
        "tokens": tokens * 1e-6,
    }


def tpot_terms(c: Columns, running: Vector) -> Terms:
    """A step, and the share of everybody else's prefill that a token waits for.

    While one request makes its output, each of the others is prefilled once: (running - 1) / output prefills a token.
    """
    share = np.maximum(running - 1, 0) / c["output"] * (1 - c["apart"])
    waits = {f"prefill_{name}": share * term for name, term in prefill_terms(c).items()}
    steps = {name: term / c["accepted"] for name, term in decode_terms(c, running).items()}
    return {**steps, **waits}


def ttft_terms(c: Columns, running: Vector, tpot: Vector) -> Terms:
    """Prefill, and what a prompt waits for in a closed loop, mean over all requests.

    burst: in the first round all arrive at once and wait for half of them, (n + 1) / 2 prefills.
    contention: M/D/1 among prefills, rho / (2 (1 - rho)) (DistServe, arXiv:2401.09670, section 3.1).
    step, stream: the step in flight, and engines that deliver several tokens at a time.
    chunks: a prompt longer than a step's budget takes several, each with everybody's decoding (arXiv:2308.16369).
    turn: one request at a time that waits for a slot. overflow: those beyond the cache's capacity, by Little's law.
    """
    prefill = prefill_terms(c)
    whole = prefill["arithmetic"] + prefill["attention"] + prefill["exchange"]
    life = c["output"] * tpot
    load = np.minimum(running * whole / life, 0.95)
    own = {name: term for name, term in prefill.items() if name != "tokens"}
    return {
        **own,
        "host": np.full_like(whole, 1e-3),
        "tokens": prefill["tokens"],
        "burst": whole * (running + 1) / 2 / STARTING_ROUNDS,
        "contention": whole * load / (2 * (1 - load)),
        "step": tpot,
        "chunks": (np.ceil(c["prompt"] / c["chunk"]) - 1) * tpot,
        "stream": 10 * tpot,
        "turn": life / running,
        "overflow": life * np.maximum(c["requests"] - running, 0) / running,
        "near": 0.05 * life * np.minimum(c["requests"] / capacity(c), 1.0) ** 6,
    }


def _dense_on_one(c: Columns) -> Vector:
    return c["dense_bytes"] / c["tensor"] / c["pipeline"]


def _cache_shards(c: Columns) -> Vector:
    """Accelerators that one sequence's cache is split over."""
    heads = np.where(c["latent"] > 0, 1.0, np.minimum(c["tensor"], np.maximum(c["kv_heads"], 1.0)))
    return heads * c["pipeline"]


def _attention(c: Columns, seen: Vector, whole: Vector) -> Vector:
    """Operations of one query token that sees so many tokens in full layers, a window of the whole in the others."""
    window = np.minimum(whole, np.maximum(c["window"], 1.0))
    return c["attention_operations"] * seen + c["window_operations"] * window


def _ring(c: Columns) -> Vector:
    """Share of a message that each rank sends in a ring all-reduce, 2 (n - 1) / n (Patarasuk and Yuan 2009)."""
    return np.where(c["data"] > 1, 1.0, 2 * (c["tensor"] - 1) / c["tensor"])
