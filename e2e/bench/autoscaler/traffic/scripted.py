"""Traffic that is written down, not recorded: what a controller must survive. Pure."""

from collections.abc import Callable

import numpy as np

from inferfleet.sim.types import Floats, Ints, Trace

Rate = Callable[[Floats], Floats]
"""Requests per second at each second."""

CHAT = ((800.0, 0.9), (160.0, 0.8))
"""Mean and log-normal sigma of prompt and output tokens of a chat service: near those of m-large."""
SUMMARIES = ((3000.0, 0.4), (400.0, 0.4))
"""Of offline work."""
RAMP = ((2.0, 330.0), (4.0, 360.0), (6.0, 360.0), (8.0, 360.0), (10.0, 360.0), (4.0, 360.0), (1.0, 300.0))
"""Requests per second and seconds of the stages of llm-d's published benchmark (llm-d#2011, scored-config.yml)."""
RAMP_LENGTHS = ((4000.0, 300.0, 3500.0, 4500.0), (1000.0, 80.0, 900.0, 1100.0))
"""Mean, standard deviation, least and most tokens of its prompts and outputs."""


def drawn(rate: Rate, seconds: float, seed: int, lengths: tuple[tuple[float, float], ...] = CHAT) -> Trace:
    """Poisson arrivals of a rate that changes, with log-normal lengths."""
    random = np.random.default_rng(seed)
    starts = np.arange(0.0, seconds, 1.0)
    counts = random.poisson(rate(starts + 0.5))
    at = np.sort(np.repeat(starts, counts) + random.random(int(counts.sum())))
    prompt, output = (_log_normal(random, mean, sigma, len(at)) for mean, sigma in lengths)
    return Trace(at, prompt, output)


def _log_normal(random: np.random.Generator, mean: float, sigma: float, count: int) -> Ints:
    found = random.lognormal(np.log(mean) - sigma**2 / 2, sigma, count)
    return np.clip(np.rint(found), 1, 30_000).astype(np.int64)


def steps(*stages: tuple[float, float]) -> Rate:
    """Of (requests per second, seconds) one after the other; nothing afterwards."""
    rates = np.array([rate for rate, _ in stages] + [0.0])
    ends = np.cumsum([seconds for _, seconds in stages])
    return lambda at: rates[np.searchsorted(ends, at, side="right")]


def wave(low: float, high: float, period: float) -> Rate:
    """Lowest at second 0."""
    return lambda at: low + (high - low) * (1 - np.cos(2 * np.pi * at / period)) / 2


def ramp(seed: int) -> Trace:
    """llm-d's staged ramp: evenly spaced requests, as its load generator sends a constant rate."""
    random = np.random.default_rng(seed)
    at, start = [], 0.0
    for rate, seconds in RAMP:
        at.append(start + np.arange(0.0, seconds, 1.0 / rate))
        start += seconds
    times = np.concatenate(at)
    prompt, output = (
        np.clip(np.rint(random.normal(mean, spread, len(times))), low, high).astype(np.int64)
        for mean, spread, low, high in RAMP_LENGTHS
    )
    return Trace(times, prompt, output)


def together(interactive: Trace, batch: Trace) -> Trace:
    """Two classes of requests, sorted by time."""
    at = np.concatenate((interactive.at, batch.at))
    order = np.argsort(at, kind="stable")
    class_ = np.repeat(np.array([0, 1]), (len(interactive), len(batch)))
    return Trace(
        at[order],
        np.concatenate((interactive.input, batch.input))[order],
        np.concatenate((interactive.output, batch.output))[order],
        (),
        class_[order],
        ("interactive", "batch"),
    )
