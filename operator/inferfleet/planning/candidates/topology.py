"""Over how many accelerators, and how, a replica may be spread. Pure."""

from collections.abc import Iterator

from inferfleet.catalog.loader import ModelArchitecture
from inferfleet.performance.types import Parallelism
from inferfleet.planning.types import Candidate, Pool, Unplaced

MOST = 8
"""Accelerators of a node where nobody says."""


def spreads(engine: Unplaced, pool: Pool, model: ModelArchitecture) -> list[Parallelism]:
    """All within one node that the engine has and the accelerator comes in, in a stable order.

    Tensor and pipeline parallelism in powers of two; of experts as many ranks as accelerators, with attention either
    split or repeated (data parallel). Whether the model can be cut so is for `unfit` to say.
    """
    most, accelerator = pool.node_accelerators or MOST, pool.accelerator
    assert accelerator
    counts = [n for n in accelerator.counts or _powers(most) if n <= most]
    return [spread for count in counts for spread in _of(count, engine, model)]


def _of(count: int, engine: Unplaced, model: ModelArchitecture) -> Iterator[Parallelism]:
    has = engine.spreads
    if count == 1:
        yield Parallelism()
        return
    if "Tensor" in has:
        yield Parallelism(tensor=count)
    if "Pipeline" in has:
        tensors = [t for t in _powers(count // 2) if count % t == 0 and (t == 1 or "Tensor" in has)]
        yield from (Parallelism(tensor=t, pipeline=count // t) for t in reversed(tensors))
    if "Expert" in has and model.experts:
        if "Tensor" in has:
            yield Parallelism(tensor=count, expert=count)
        if "Data" in has:
            yield Parallelism(data=count, expert=count)


def _powers(most: int) -> list[int]:
    return [2**i for i in range(most.bit_length())]


def unfit(c: Candidate, engine: Unplaced, model: ModelArchitecture) -> str:
    """Why a replica cannot be spread so, with the number that does not fit; empty if it can."""
    return _of_engine(c, engine) or _of_hardware(c) or _of_model(c.parallelism, model)


def _of_engine(c: Candidate, engine: Unplaced) -> str:
    spread = c.parallelism
    degrees = {"Tensor": spread.tensor, "Pipeline": spread.pipeline, "Expert": spread.expert, "Data": spread.data}
    lacking = next((kind for kind, degree in degrees.items() if degree > 1 and kind not in engine.spreads), None)
    if lacking is None:
        return ""
    known = ", ".join(sorted(engine.spreads)).lower() or "none"
    return f"{c.engine} has no {lacking.lower()} parallelism over {degrees[lacking]} accelerators; it has {known}"


def _of_hardware(c: Candidate) -> str:
    accelerator, count, most = c.pool.accelerator, c.parallelism.accelerators, c.pool.node_accelerators
    if accelerator and accelerator.counts and count not in accelerator.counts:
        listed = ", ".join(map(str, accelerator.counts))
        return f"a replica would have {count} {c.pool.accelerator_name}, which come in {listed}"
    if most is not None and count > most:
        return f"a replica would have {count} accelerators, and a node of pool {c.pool.name} has {most}"
    return ""


def _of_model(spread: Parallelism, model: ModelArchitecture) -> str:
    if model.media:
        return f"modality {model.modality} is served on one accelerator" if spread.accelerators > 1 else ""
    parts = (
        (model.heads, spread.tensor, "attention heads"),
        (model.feed_forward, spread.tensor, "units of the feed-forward part"),
        (model.expert_feed_forward or 0, spread.tensor if spread.expert == 1 else 1, "units of an expert"),
        (model.experts or 1, spread.expert, "experts"),
    )
    uneven = next((f"{n} {what} cannot be split evenly over {k}" for n, k, what in parts if n % k), "")
    return uneven or _of_kv_heads(spread.tensor, model) or _of_layers(spread.pipeline, model)


def _of_kv_heads(tensor: int, model: ModelArchitecture) -> str:
    """Fewer than ranks are repeated, which needs a whole number of ranks for each; a latent cache has no heads."""
    few, many = sorted((model.kv_heads, tensor))
    if model.mla or many % few == 0:
        return ""
    return f"{model.kv_heads} key/value heads can neither be split over nor repeated on {tensor} accelerators"


def _of_layers(pipeline: int, model: ModelArchitecture) -> str:
    if pipeline <= model.layers:
        return ""
    return f"{model.layers} layers cannot be split over {pipeline} stages"
