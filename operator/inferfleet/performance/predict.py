"""Latency, throughput and power of replicas under load, with intervals. Pure.

Formulas are in `terms`, what was fitted in `model`, intervals in `intervals`; `plain` has what was never measured.
"""

from collections.abc import Sequence

import numpy as np

from inferfleet.performance.caution import cautious
from inferfleet.performance.columns import Vector, columns, numbers_of
from inferfleet.performance.envelope import refusals, regimes, strained
from inferfleet.performance.intervals import interval, wide
from inferfleet.performance.memory import memory_bytes
from inferfleet.performance.plain import embedding, pipeline, processor
from inferfleet.performance.power import shares
from inferfleet.performance.shape import Shape, shape_of
from inferfleet.performance.targets import Table, correction, physics, table, terms_of
from inferfleet.performance.types import Coefficients, Estimate, Interval, Load, Run, Setup

__all__ = ["memory_bytes", "predict", "predict_many"]


def predict(setup: Setup, load: Load, coefficients: Coefficients) -> Estimate:
    """One replica; raises ValueError where the catalog says nothing of the format on the hardware.

    For many, `predict_many` takes a fraction of the time.
    """
    return predict_many([setup], [load], coefficients)[0]


def predict_many(
    setups: Sequence[Setup], loads: Sequence[Load], coefficients: Coefficients, runs: Sequence[Run] | None = None
) -> list[Estimate]:
    """Estimates in the order of the setups; equal setups are worked out once.

    `runs` name engine versions of which there are measurements, where that is known.
    """
    plain = [_plain(setup, load) for setup, load in zip(setups, loads, strict=True)]
    fitted = [i for i, found in enumerate(plain) if found is None]
    if fitted:
        asked = [runs[i] for i in fitted] if runs else None
        found = _fitted([setups[i] for i in fitted], [loads[i] for i in fitted], coefficients, asked)
        for place, estimate in zip(fitted, found, strict=True):
            plain[place] = estimate
    return [estimate for estimate in plain if estimate is not None]


def _plain(setup: Setup, load: Load) -> Estimate | None:
    """Of what is not fitted."""
    if setup.model.media:
        return pipeline(setup, load)
    if setup.model.modality == "Embedding":
        return embedding(setup, load)
    return processor(setup, load) if setup.accelerator.kind == "CPU" else None


def _fitted(
    setups: Sequence[Setup], loads: Sequence[Load], c: Coefficients, runs: Sequence[Run] | None
) -> list[Estimate]:
    shapes = _shapes(setups)
    t = table(columns(numbers_of(shapes), loads, runs), shapes, runs)
    tense, near = strained(t.columns), regimes(shapes, c.measured, runs)
    tpot, ttft = _times(t, near, c)
    reasons = refusals(t.columns, shapes, c.measured)
    drawn = shares(t.columns, t.running, tpot, c.power)
    found = []
    for i, setup in enumerate(setups):
        if reasons[i] is None:
            first = interval(float(ttft[i]), near[i], bool(tense[i]), c.ttft_bounds)
            each = interval(float(tpot[i]), near[i], bool(tense[i]), c.tpot_bounds)
        else:
            first, each = wide(float(ttft[i])), wide(float(tpot[i]))
        rate = _rate(loads[i], first, each)
        top = setup.accelerator.watts
        power = None if top is None else top * setup.parallelism.accelerators * float(drawn[i])
        found.append(Estimate(first, each, rate, power, near[i] if reasons[i] is None else "Outside", reasons[i]))
    return found


def _times(t: Table, near: Sequence[str], c: Coefficients) -> tuple[Vector, Vector]:
    """TPOT and TTFT in seconds."""
    tpot, tpot_features = physics("tpot", t, c.tpot, terms_of("tpot", t))
    ttft, ttft_features = physics("ttft", t, c.ttft, terms_of("ttft", t, tpot))
    tpot = tpot * np.exp(cautious(correction(t, tpot_features, c.tpot_recall), near, c.tpot_caution))
    ttft = ttft * np.exp(cautious(correction(t, ttft_features, c.ttft_recall), near, c.ttft_caution))
    return tpot, ttft


def _rate(load: Load, first: Interval, each: Interval) -> Interval:
    """Generated tokens per second in a closed loop: requests * output / (TTFT + (output - 1) * TPOT) (Little's law)."""
    tokens = load.concurrency * load.output_tokens
    low, mid, high = (
        tokens / (a + max(0, load.output_tokens - 1) * b)
        for a, b in ((first.high, each.high), (first.mid, each.mid), (first.low, each.low))
    )
    return Interval(low, mid, high)


def _shapes(setups: Sequence[Setup]) -> list[Shape]:
    """Setups of one plan share few models and pools: the same object is worked out once."""
    known: dict[int, Shape] = {}
    for setup in setups:
        if id(setup) not in known:
            known[id(setup)] = shape_of(setup)
    return [known[id(setup)] for setup in setups]
