"""Predicted memory, latency and throughput of one replica. Pure.

First-order physics with effective speeds from the catalog: a decode step reads all weights and
the KV cache of every running request once, or is bound by arithmetic; a prefill is bound by
arithmetic. Two operations per weight and token (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
"""

from math import ceil

from inferfleet.api.common import Traffic
from inferfleet.catalog.loader import Accelerator, ModelArchitecture, Quantization
from inferfleet.planning.types import Prediction
from inferfleet_runtime.engines import EngineProfile

MEMORY_SHARE = 0.9
"""Share of a replica's memory that is planned with: the rest absorbs allocator slack and request buffers."""


def memory_bytes(
    model: ModelArchitecture,
    quantization: Quantization,
    engine: EngineProfile,
    slots: int,
    context_tokens: int,
) -> float:
    """Weights, KV cache of every slot, and the engine's own overhead, with a whole text in a step where it embeds."""
    context = engine.slot_context_tokens(context_tokens)
    kv = model.kv_bytes(context, engine.kv_bytes_per_element) * slots
    weights = model.parameters * quantization.bytes_per_weight * engine.weight_copies
    step = _whole_text_bytes(model, engine, context) if model.modality == "Embedding" else 0.0
    return weights + engine.reserved_kv_bytes(kv) + engine.process_overhead_bytes + step


def _whole_text_bytes(model: ModelArchitecture, engine: EngineProfile, context: int) -> float:
    """Of the longest text that a slot takes, which is one step."""
    step = engine.whole_text
    return step.bytes(context, model.feed_forward, model.vocabulary, encoder=model.encoder) if step else 0.0


def predict(
    model: ModelArchitecture,
    quantization: Quantization,
    engine: EngineProfile,
    where: tuple[Accelerator, float],
    load: tuple[Traffic, int],
) -> Prediction:
    """One replica on `where` = (accelerator, how many) under `load` = (traffic, slots): all slots busy, median lengths.

    While one request decodes, the prefills of the others take their turns, so in steady state a
    token waits for one share of everybody's prefill: TPOT = step + prefill * (slots - 1) / output.
    Throughput is slots / (TPOT + prefill / output), the closed loop without think time.
    """
    if model.modality == "Embedding":
        return _embedding(model, quantization, engine, where, load)
    (accelerator, count), (traffic, slots) = where, load
    tokens_in, tokens_out = traffic.input_tokens.p50, traffic.output.p50
    operations = _speed(accelerator, quantization) * count
    bandwidth = accelerator.memory_bandwidth * count
    weights = model.block_parameters * quantization.bytes_per_weight
    cached = model.kv_bytes(tokens_in + tokens_out // 2, engine.kv_bytes_per_element)
    read = (weights + slots * cached) / bandwidth
    step = max(read, 2 * model.block_parameters * slots / operations)
    prefill = 2 * model.block_parameters * tokens_in / operations
    tpot = step + prefill * (slots - 1) / tokens_out
    ttft = prefill + step
    return Prediction(
        slots=slots,
        ttft=ttft,
        tpot=tpot,
        end_to_end=ttft + tpot * (tokens_out - 1),
        tokens_per_second=slots / (tpot + prefill / tokens_out),
        memory=memory_bytes(model, quantization, engine, slots, traffic.context_tokens),
    )


def _embedding(
    model: ModelArchitecture,
    quantization: Quantization,
    engine: EngineProfile,
    where: tuple[Accelerator, float],
    load: tuple[Traffic, int],
) -> Prediction:
    """Prefills and nothing else: throughput is of prompt tokens, and the first answer is the whole one.

    All slots share the arithmetic, so a request takes as long as everybody's prefill together. Engines pass every
    token through the output matrix, where there is one.
    """
    (accelerator, count), (traffic, slots) = where, load
    tokens = traffic.input_tokens.p50
    weights = model.block_parameters + (0 if model.encoder else model.vocabulary * model.hidden)
    prefill = 2 * weights * tokens / (_speed(accelerator, quantization) * count)
    read = weights * quantization.bytes_per_weight / (accelerator.memory_bandwidth * count)
    each = max(prefill, read / slots)  # one pass over the weights serves a batch
    return Prediction(
        slots=slots,
        ttft=each * slots,
        tpot=0.0,
        end_to_end=each * slots,
        tokens_per_second=tokens / each,
        memory=memory_bytes(model, quantization, engine, slots, traffic.context_tokens),
    )


def replicas_for(tokens_per_second: float, capacity: float, utilization: float) -> int:
    """Replicas of `capacity` tokens per second each that serve the demand at the planned utilization."""
    return ceil(tokens_per_second / (capacity * utilization))


def _speed(accelerator: Accelerator, quantization: Quantization) -> float:
    found = accelerator.operations_for(quantization)
    if found is None:
        raise ValueError(
            f"nothing is known of {quantization.name} on {accelerator.name}: a rule should have refused it"
        )
    return found
