"""What a setup is in numbers: weights, KV cache and arithmetic of one token, before any load. Pure.

Two operations per weight and token (Kaplan et al. 2020, arXiv:2001.08361, section 2.1). Latent attention is read in its
absorbed form, one compressed vector per token whatever the number of heads (arXiv:2405.04434, section 2.1).
"""

from dataclasses import dataclass

from inferfleet.catalog.entry import number
from inferfleet.catalog.hardware_entries import Accelerator
from inferfleet.catalog.model_entries import ModelArchitecture
from inferfleet.catalog.quantization_entries import Quantization
from inferfleet.performance.types import Setup

MEMORY_SHARE = 0.9
"""Of an accelerator's memory that engines plan with (`gpu_memory_utilization` of vLLM, 0.9 by default)."""
ACTIVATION_BYTES = 2.0
"""Hidden states between layers and over links stay in 16 bits."""
LINK_DEFAULT = 64e9
"""Bytes per second, both directions, where accelerators have no link of their own: PCI Express 4.0 x16."""
CHUNK_DEFAULT = 8192
"""Prompt tokens of one step where nobody says (`max_num_batched_tokens` of vLLM on large accelerators)."""
UNMARKED = "unmarked"
"""Method of speculation of measurements that are too fast without it and say nothing."""


@dataclass(frozen=True)
class Shape:
    """Numbers of one replica. Bytes, operations per second, tokens; per accelerator where said."""

    dense_bytes: float
    """Weights that every token passes (attention, dense layers, shared experts), of the whole model."""
    expert_bytes: float
    """All routed experts."""
    output_bytes: float
    """The output matrix."""
    active: float
    """Weights that a token passes."""
    experts: float
    """Routed experts of a layer; 0: dense."""
    active_experts: float
    layers: float
    linear_layers: float
    """Layers with a state of fixed size instead of a KV cache."""
    expert_layers: float
    hidden: float
    full_values: float
    """Values that one token leaves in the cache of the layers that see everything."""
    window_values: float
    """The same of the layers that see a window."""
    window: float
    state_bytes: float
    """Of one sequence in layers of linear attention."""
    attention_operations: float
    """Per cached token and query token, all layers that see everything."""
    window_operations: float
    latent: float
    kv_heads: float
    bandwidth: float
    speed: float
    """Peak operations per second of one accelerator in the arithmetic of these weights."""
    link: float
    memory: float
    """Of one accelerator; 0 where the catalog does not say."""
    accelerators: float
    tensor: float
    """Ranks that attention is split over."""
    data: float
    expert: float
    pipeline: float
    kv_bytes: float
    """Of one value in the cache."""
    bits: float
    """Of one weight."""
    speed16: float
    """Peak operations per second of one accelerator with 16 bits: attention is computed in them."""
    chunk: float
    """Most prompt tokens of one step."""
    verified: float
    """Tokens of one request that a step checks: those guessed and one more; 1 without guessing."""
    accepted: float
    """Tokens that a step yields of one request, expected."""
    draft_bytes: float
    """Weights that guessing reads in one step."""
    unmarked: float
    """1 where measurements guess ahead without saying how."""
    apart: float
    """1 where prompts are prefilled on other accelerators of the same replica."""
    architecture: str
    """The same for all releases of one architecture, whatever their names."""
    engine: str
    system: str
    format: str


def shape_of(setup: Setup) -> Shape:
    """Numbers of a transformer; raises ValueError where nothing is known of the format on the hardware."""
    model, quant, where, spread = setup.model, setup.quantization, setup.accelerator, setup.parallelism
    speed, guess = _speed(where, quant), setup.speculation
    dense_width = 2.0 if model.experts and quant.bytes_per_weight < 1 else quant.bytes_per_weight
    expert_total, dense, output = _weights(model)
    full, windowed = _cached(model)
    return Shape(
        dense_bytes=dense * dense_width,
        expert_bytes=expert_total * quant.bytes_per_weight,
        output_bytes=output * ACTIVATION_BYTES,
        active=float(model.block_parameters),
        experts=float(model.experts or 0),
        active_experts=float(model.active_experts or 0),
        layers=float(model.layers),
        linear_layers=float(model.layers - model.attention_layers),
        expert_layers=float(model.layers - (model.dense_layers or 0)) if model.experts else 0.0,
        hidden=float(model.hidden),
        full_values=full,
        window_values=windowed,
        window=float(model.sliding_window or 0),
        state_bytes=_state(model),
        attention_operations=_attention(model, model.full_attention_layers),
        window_operations=_attention(model, model.attention_layers - model.full_attention_layers),
        latent=float(model.mla is not None),
        kv_heads=float(model.kv_heads),
        bandwidth=where.memory_bandwidth * setup.cores,
        speed=speed * setup.cores,
        link=_link(where),
        memory=float(where.memory or 0),
        accelerators=float(spread.accelerators),
        tensor=float(max(1, spread.tensor)),
        data=float(spread.data),
        expert=float(spread.expert),
        pipeline=float(spread.pipeline),
        kv_bytes=setup.kv_bytes_per_element,
        bits=_bits(quant, where),
        speed16=(number(where.operations.get("BF16")) or speed) * setup.cores,
        chunk=float(setup.prefill_chunk or CHUNK_DEFAULT),
        verified=guess.tokens + 1.0 if guess else 1.0,
        accepted=accepted_tokens(guess.tokens, guess.acceptance) if guess else 1.0,
        draft_bytes=guess.tokens * guess.draft_parameters * quant.bytes_per_weight if guess else 0.0,
        unmarked=float(guess is not None and guess.method == UNMARKED),
        apart=float(setup.apart),
        architecture=_architecture(model),
        engine=setup.engine,
        system=where.name,
        format=quant.name,
    )


def _speed(where: Accelerator, quant: Quantization) -> float:
    """Operations per second of one accelerator in the format."""
    speed = where.operations_for(quant)
    if speed is None:
        raise ValueError(f"nothing is known of {quant.name} on {where.name}: state `operations` of it in the catalog")
    return speed


def accepted_tokens(tokens: int, acceptance: float) -> float:
    """Expected tokens of one step that guesses so many: (1 - a^(n + 1)) / (1 - a) (arXiv:2211.17192, equation 1)."""
    if acceptance >= 1:
        return tokens + 1.0
    return float((1 - acceptance ** (tokens + 1)) / (1 - acceptance))


def _architecture(model: ModelArchitecture) -> str:
    """Numbers that two releases share only if they are the same network."""
    sizes = (model.layers, model.hidden, model.heads, model.kv_heads, model.feed_forward, model.experts or 0)
    return "-".join(map(str, sizes))


def _weights(model: ModelArchitecture) -> tuple[float, float, float]:
    """Of all routed experts, of what every token passes without the output matrix, of the output matrix."""
    output = float(model.vocabulary * model.hidden) if model.modality == "Text" else 0.0
    if not model.experts:
        return 0.0, model.block_parameters - output, output
    width = model.expert_feed_forward or model.feed_forward
    one = (3 if model.gated else 2) * model.hidden * width
    layers = model.layers - (model.dense_layers or 0)
    every = model.block_parameters - output - one * layers * (model.active_experts or 0)
    return float(one * layers * model.experts), float(every), output


def _cached(model: ModelArchitecture) -> tuple[float, float]:
    """Values that one token leaves in layers that see everything, and in those that see a window."""
    per_layer = model.kv_values_per_token / model.attention_layers if model.attention_layers else 0.0
    full = model.full_attention_layers
    return per_layer * full, per_layer * (model.attention_layers - full)


def _state(model: ModelArchitecture) -> float:
    return model.kv_bytes(1, 0.0)


def _attention(model: ModelArchitecture, layers: int) -> float:
    """Two multiply-adds for scores and values; four operations for each head's width."""
    if model.mla:
        return 2.0 * layers * model.heads * (2 * model.mla.kv_lora_rank + model.mla.rope_head_dim)
    return 4.0 * layers * model.heads * model.head_dim


def _link(where: Accelerator) -> float:
    return number(where.link_bandwidth) or LINK_DEFAULT


def _bits(quant: Quantization, where: Accelerator) -> float:
    """Of what is multiplied: weights that kernels expand count 16."""
    native = quant.name in where.operations or (quant.compute_type in where.operations)
    return 16.0 if quant.compute_type in ("BF16", "FP16") or not native else float(quant.bits or 16)
