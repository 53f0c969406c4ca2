"""Fit the power model to measured mean power of whole requests. Pure: rows in, four numbers out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inferfleet.catalog.loader import Accelerator, Catalog
from inferfleet.performance.columns import Vector
from inferfleet.performance.power import Power, share

SYSTEMS: Mapping[str, str] = {"a100-80gb": "nvidia-a100-80gb", "h100-80gb": "nvidia-h100-80gb"}
WEIGHTS: Mapping[str, float] = {"llama2-70b": 69e9, "bloom-176b": 176e9}
"""Parameters; both were served in 16 bits."""
START = (0.2, 0.7, 1.0, 0.7)
LOWEST, HIGHEST = np.array([0.1, 0.2, 0.1, 0.0]), np.array([0.6, 2.0, 5.0, 5.0])
MOVES = [sign * axis for axis in np.eye(len(START)) for sign in (1.0, -1.0)]
SMALLEST_STEP = 1e-5
ROBUST = 0.1
"""Share of the design power from which an error counts linearly."""


@dataclass(frozen=True)
class Drawn:
    """Measured requests: shares of the peaks that were used, and of the design power that was drawn."""

    arithmetic: Vector
    memory: Vector
    power: Vector


def drawn(lines: Sequence[Mapping[str, str]], catalog: Catalog) -> Drawn:
    """Rows of Splitwise's table with a measured power on accelerators of the catalog without a power cap."""
    kept = [raw for raw in lines if raw["hardware"] in SYSTEMS and float(raw["average_power"]) > 0]
    used = np.array([_used(raw, catalog.accelerators[SYSTEMS[raw["hardware"]]]) for raw in kept])
    return Drawn(used[:, 0], used[:, 1], np.array([float(raw["average_power"]) for raw in kept]))


def _used(raw: Mapping[str, str], where: Accelerator) -> tuple[float, float]:
    """Of arithmetic and of memory bandwidth, mean over the request."""
    weights, ranks = WEIGHTS[raw["model"]], float(raw["tensor_parallel"])
    batch, tokens = float(raw["batch_size"]), float(raw["token_size"])
    time = float(raw["prompt_time"]) / 1000 + tokens * float(raw["token_time"]) / 1000
    operations = 2 * weights * batch * (float(raw["prompt_size"]) + tokens)
    peak = where.operations["BF16"]
    if not isinstance(peak, float):
        raise ValueError(f"{where.name} has no peak with 16 bits in the catalog")
    return operations / (ranks * peak * time), 2 * weights * tokens / (ranks * where.memory_bandwidth * time)


def fit_power(found: Drawn) -> Power:
    """Smallest pseudo-Huber error, by a pattern search (Hooke and Jeeves 1961): four numbers need no more."""
    best, step = np.array(START), 0.25
    cost = _cost(found, best)
    while step > SMALLEST_STEP:
        tried = [np.clip(best + step * move, LOWEST, HIGHEST) for move in MOVES]
        costs = [_cost(found, x) for x in tried]
        place = int(np.argmin(costs))
        if costs[place] < cost:
            best, cost = tried[place], costs[place]
        else:
            step /= 2
    return Power(*(float(f"{x:.4g}") for x in best))


def _cost(found: Drawn, x: Vector) -> float:
    apart = share(found.arithmetic, found.memory, Power(*x)) - found.power
    return float((np.sqrt(1 + (apart / ROBUST) ** 2) - 1).sum())


def error_percent(found: Drawn, power: Power) -> float:
    """Median absolute error of the mean power."""
    return float(np.median(np.abs(share(found.arithmetic, found.memory, power) / found.power - 1)) * 100)
