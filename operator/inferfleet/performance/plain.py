"""Physics alone, where nothing was fitted: CPUs, embeddings, pictures and videos. Pure.

Intervals are wide on purpose. CPUs: the catalog's operations and bandwidth are what engines reached, so nothing is
fitted on top. Pictures: every denoising step passes all weights once per latent token, two operations each
(arXiv:2212.09748, section 3; a token is 16 x 16 pixels after the autoencoder and patches), and engines reach about
40 % of the peak.
"""

from inferfleet.performance.intervals import wide
from inferfleet.performance.shape import accepted_tokens
from inferfleet.performance.types import Estimate, Interval, Load, Setup

PEAK_SHARE = 0.4
"""Of vendors' peaks that large matrices reach in these pipelines."""
PIXELS_PER_TOKEN = 256
STEPS_DEFAULT = 28
PIXELS_DEFAULT = 1024 * 1024
GUIDANCE_PASSES = 2
"""Passes of a step with classifier-free guidance (arXiv:2207.12598)."""
CPU_FACTOR = 1.6
"""Either way on CPUs: machines of one kind differ so much in memory and clock."""
NOTHING = Interval(0.0, 0.0, 0.0)


def pipeline(setup: Setup, load: Load) -> Estimate:
    """Steps x tokens x weights: the first answer is the whole one, and throughput is of pictures (of speech, of its
    text).
    """
    tokens = (load.pixels or PIXELS_DEFAULT) / PIXELS_PER_TOKEN
    work = 2.0 * setup.model.block_parameters * tokens * (load.steps or STEPS_DEFAULT) * GUIDANCE_PASSES
    each = work / (_speed(setup) * _share(setup))
    read = setup.model.block_parameters * setup.quantization.bytes_per_weight / _bandwidth(setup)
    each = max(each, read * (load.steps or STEPS_DEFAULT))
    wait = each * max(1, load.concurrency)
    return _estimate(
        wide(wait),
        NOTHING,
        wide(max(1, load.output_tokens) / each),
        "nothing was measured of pipelines of pictures and videos",
    )


def embedding(setup: Setup, load: Load) -> Estimate:
    """One pass over the prompt, for all requests in flight together."""
    tokens = max(1.0, load.input_tokens * (1 - load.prefix_hit))
    matrix = 0 if setup.model.encoder else setup.model.vocabulary * setup.model.hidden
    weights = setup.model.block_parameters + matrix
    attention = 4.0 * setup.model.layers * setup.model.heads * setup.model.head_dim * tokens * tokens / 2
    arithmetic = (2 * weights * tokens + attention) / (_speed(setup) * _share(setup))
    batch = max(1, load.concurrency)
    each = max(arithmetic, weights * setup.quantization.bytes_per_weight / _bandwidth(setup) / batch)
    reason = None if _measured_here(setup) else "nothing was measured of embeddings on this hardware"
    factor = CPU_FACTOR if _measured_here(setup) else 3.0
    return _estimate(wide(each * batch, factor), NOTHING, wide(load.input_tokens / each, factor), reason)


def processor(setup: Setup, load: Load) -> Estimate:
    """Text on CPUs: a step reads the weights once for all requests; prefills take turns with it."""
    model, running = setup.model, max(1, load.concurrency)
    tokens = max(1.0, load.input_tokens * (1 - load.prefix_hit))
    guess = setup.speculation
    checked, gained = (guess.tokens + 1, accepted_tokens(guess.tokens, guess.acceptance)) if guess else (1, 1.0)
    cached = model.kv_bytes(load.input_tokens + load.output_tokens // 2, setup.kv_bytes_per_element)
    weights = _touched_bytes(setup, running * checked)
    draft = guess.tokens * guess.draft_parameters * setup.quantization.bytes_per_weight if guess else 0.0
    step = (weights + draft + running * cached) / _bandwidth(setup)
    step = max(step, 2 * model.block_parameters * running * checked / _speed(setup)) / gained
    attention = 4.0 * model.attention_layers * model.heads * model.head_dim * tokens * load.input_tokens / 2
    prefill = (2 * model.block_parameters * tokens + attention) / _speed(setup)
    output = max(1, load.output_tokens)
    tpot = step + prefill * (running - 1) / output
    ttft = prefill + step
    reason = (
        None
        if _measured_here(setup)
        else f"what {setup.accelerator.name} reaches with {setup.quantization.name} was not measured"
    )
    factor = CPU_FACTOR if reason is None else 3.0
    rate = running / (tpot + prefill / output)
    return _estimate(wide(ttft, factor), wide(tpot, factor), wide(rate, factor), reason)


def _touched_bytes(setup: Setup, tokens: int) -> float:
    """Weights that a step reads: of experts only those that some token is routed to."""
    model = setup.model
    active = float(model.block_parameters)
    if model.experts and model.active_experts:
        routed = model.parameters - model.active_parameters
        share = 1 - (1 - model.active_experts / model.experts) ** tokens
        each = routed / max(1, model.experts - model.active_experts)
        active += each * max(0.0, share * model.experts - model.active_experts)
    return active * setup.quantization.bytes_per_weight


def _estimate(ttft: Interval, tpot: Interval, rate: Interval, reason: str | None) -> Estimate:
    return Estimate(ttft, tpot, rate, None, "Physics", reason)


def _measured_here(setup: Setup) -> bool:
    """Whether the catalog has what an engine reached with this format, not a peak."""
    return setup.accelerator.kind == "CPU" and setup.quantization.name in setup.accelerator.operations


def _share(setup: Setup) -> float:
    return 1.0 if setup.accelerator.kind == "CPU" else PEAK_SHARE


def _speed(setup: Setup) -> float:
    found = setup.accelerator.operations_for(setup.quantization)
    if found is None:
        what = f"{setup.quantization.name} on {setup.accelerator.name}"
        raise ValueError(f"nothing is known of {what}: state `operations` of it in the catalog")
    return found * setup.cores * setup.parallelism.accelerators


def _bandwidth(setup: Setup) -> float:
    return setup.accelerator.memory_bandwidth * setup.cores * setup.parallelism.accelerators
