"""The ConfigMap with a placement's RuntimeConfig: batching, admission and weights. Pure."""

import json
from collections.abc import Mapping
from math import ceil, floor

from pydantic import BaseModel

from inferfleet import names
from inferfleet.fleet.build.meta import child
from inferfleet.fleet.build.serving import options, requests
from inferfleet.fleet.build.view import ModelView
from inferfleet.fleet.sources import told
from inferfleet.fleet.types import Obj, Placement, Valid
from inferfleet.planning.content import prefill_chunk
from inferfleet_runtime import contract

QUEUED_WAVES = 4
"""Requests that may wait, in waves of all slots: more would wait longer than a client does."""
QUEUED_TEXTS = 64
"""The same for embeddings, where the lengths are those of a text."""
REQUEST_TEXTS = 2048
"""Texts that one request may bring in the OpenAI API: of median length, they must find room in an empty queue."""

BENCHMARK_SECONDS = 4.0
"""At least one wave of all slots is measured; what is longer only lengthens the boot."""


def config_map(model: ModelView, valid: Valid, placement: Placement) -> Obj:
    """Named after the placement; its content's hash is in the pod template, so that a change rolls out."""
    config = runtime_config(model, valid, placement)
    return child(
        model,
        "ConfigMap",
        names.config_name(placement.name),
        {names.LABEL_CLASS: valid.workload.class_},
        {"data": {contract.CONFIG_PATH.name: _json(config)} | _known_capacity(valid, placement)},
    )


def rolls_out(data: Mapping[str, str]) -> Mapping[str, str]:
    """What of a ConfigMap's data makes new pods necessary: a capacity learned later does not."""
    return {contract.CONFIG_PATH.name: data[contract.CONFIG_PATH.name]}


def _json(content: BaseModel) -> str:
    return (
        json.dumps(content.model_dump(mode="json", by_alias=True, exclude_none=True), indent=2, sort_keys=True) + "\n"
    )


def _known_capacity(valid: Valid, placement: Placement) -> dict[str, str]:
    """What replicas of this content have measured, all slots busy: pods that start later need not measure it again."""
    assert placement.evaluated
    measured = valid.question.ledger.get(placement.evaluated.profile)
    if measured is None:
        return {}
    slots = placement.evaluated.prediction.slots
    known = contract.KnownCapacity(tokens_per_second=measured.tokens_per_second, slots=slots)
    return {contract.CAPACITY_PATH.name: _json(known)}


def runtime_config(model: ModelView, valid: Valid, placement: Placement) -> contract.RuntimeConfig:
    """What the pods are told."""
    assert placement.evaluated
    chosen, traffic = placement.evaluated, valid.spec.traffic
    variant = model.variants[chosen.candidate.variant.name]
    source = model.source(variant)
    slots = chosen.prediction.slots
    return contract.RuntimeConfig(
        served_model_name=f"{model.namespace}/{model.name}",
        workload_class=valid.workload.class_,
        engine=chosen.candidate.engine,
        source=told(source),
        quantize=contract.Quantize.model_validate({"type": variant.quantization}) if variant.quantize_from else None,
        slots=slots,
        context_tokens=traffic.context_tokens,
        prefill_chunk_tokens=prefill_chunk(valid.spec),
        threads=max(1, floor(chosen.candidate.pool.cores)),
        admission=contract.Admission(max_queued_tokens=_queued(valid, slots)),
        benchmark=contract.Benchmark(
            prompt_tokens=traffic.input_tokens.p50,
            output_tokens=traffic.output.p50,
            max_seconds=BENCHMARK_SECONDS,
        ),
        drain_seconds=int(valid.spec.scaling.drain.total_seconds()),
        device=_device(valid, placement),
        requests=requests(valid.spec, valid.question, chosen.candidate.engine),
        **options(model.spec, valid.spec, chosen.candidate),
    )


def _queued(valid: Valid, slots: int) -> int:
    traffic = valid.spec.traffic
    if valid.spec.modality != "Embedding":
        return QUEUED_WAVES * slots * traffic.context_tokens
    return max(QUEUED_TEXTS * slots * traffic.context_tokens, REQUEST_TEXTS * traffic.input_tokens.p50)


def _device(valid: Valid, placement: Placement) -> contract.Device | None:
    """Of a vendor's engine; this release places them on CPUs."""
    assert placement.evaluated
    chosen = placement.evaluated
    engine = valid.question.engine(chosen.candidate.engine)
    if engine.shape != "Beside":
        return None
    context = engine.slot_context_tokens(valid.spec.traffic.context_tokens)
    held = valid.question.architecture.kv_bytes(context, engine.kv_bytes_per_element) * chosen.prediction.slots
    return contract.Device(
        kind="cpu",
        quantization=chosen.candidate.variant.quantization,
        kv_cache_bytes=ceil(engine.reserved_kv_bytes(held)),
    )
