"""Electrical power of a replica. Pure.

P = idle + (TDP - idle) * use^kappa per accelerator, where use is a weighted sum of what arithmetic and memory are used
of their peaks, at most 1. The four numbers were fitted on the mean power of whole requests on A100 and H100 (Splitwise,
arXiv:2311.18677, figure 8).
"""

from dataclasses import dataclass

import numpy as np

from inferfleet.performance.columns import Columns, Vector
from inferfleet.performance.terms import decode_terms

READ = ("dense", "output_matrix", "experts_read", "cache")


@dataclass(frozen=True)
class Power:
    """Shares of the thermal design power."""

    idle: float
    kappa: float
    arithmetic: float
    memory: float


def share(arithmetic: Vector, memory: Vector, power: Power) -> Vector:
    """Of the design power, from what is used of both peaks (0 to 1)."""
    use = np.clip(power.arithmetic * arithmetic + power.memory * memory, 0.0, 1.0)
    found: Vector = power.idle + (1 - power.idle) * use**power.kappa
    return found


def shares(c: Columns, running: Vector, tpot: Vector, power: Power) -> Vector:
    """In a closed loop, mean over time: while a token is made of each request, its share of prefills is done, too."""
    step = decode_terms(c, running)
    read = sum((step[name] for name in READ), np.zeros(len(tpot))) / c["accepted"]
    operations = 2 * c["active"] * running * (1 + c["prompt"] / c["output"])
    arithmetic = operations / (c["accelerators"] * c["speed"] * tpot)
    return share(np.minimum(arithmetic, 1.0), np.minimum(read / tpot, 1.0), power)
