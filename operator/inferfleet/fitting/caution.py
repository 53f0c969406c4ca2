"""Chooses how far the correction is trusted in every regime, on held-out rows. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from inferfleet.fitting.crossing import CALIBRATION, Errors
from inferfleet.fitting.splits import strict
from inferfleet.performance.caution import Caution, cautious
from inferfleet.performance.columns import Vector
from inferfleet.performance.envelope import REGIMES
from inferfleet.performance.silicon import Row

FAR = REGIMES[3:]
"""Nearer ones trust the correction."""
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
SHIFTS = (0.0, -0.04, -0.08, -0.12, -0.16)
LARGEST = 2.0
"""Error that counts at most: a few rows that nothing explains decide nothing."""
FEWEST = 100
Pair = tuple[Caution, Caution]
"""Of TPOT and TTFT."""


def chosen(all_errors: Mapping[str, Errors], keep: Mapping[str, NDArray[np.bool_]] | None = None) -> Pair:
    """Those with the least sum of median and mean error; `keep` chooses rows of every split."""
    picked = [
        (e, keep[name] if keep else np.ones(len(e.rows), bool)) for name in CALIBRATION for e in [all_errors[name]]
    ]
    names = np.concatenate([np.array(e.regimes)[k] for e, k in picked])
    found = []
    for target in ("tpot", "ttft"):
        left, physics = (
            np.concatenate([getattr(e, f"{target}{end}")[k] for e, k in picked]) for end in ("", "_physics")
        )
        found.append(_regimes(names, physics, left))
    return found[0], found[1]


def _regimes(names: NDArray[np.str_], physics: Vector, left: Vector) -> Caution:
    """Of those with enough rows; the others trust the correction, for want of evidence against it."""
    return {name: _best(physics[at], left[at]) for name in FAR if (at := names == name).sum() >= FEWEST}


def _best(physics: Vector, left: Vector) -> tuple[float, float]:
    def loss(share: float, shift: float) -> float:
        wrong = np.minimum(np.abs(np.exp(share * (physics - left) + shift - physics) - 1), LARGEST)
        return float(np.median(wrong) + wrong.mean())

    return min(product(SHARES, SHIFTS), key=lambda pair: loss(*pair))


def cautioned(all_errors: Mapping[str, Errors], rows: Sequence[Row]) -> Mapping[str, Errors]:
    """Errors of cautious predictions: those of every network with what was chosen on the others."""
    network = np.array([strict(row)[0] for row in rows])
    of = {name: network[list(e.rows)] for name, e in all_errors.items()}
    tpot = {name: e.tpot.copy() for name, e in all_errors.items()}
    ttft = {name: e.ttft.copy() for name, e in all_errors.items()}
    for one in sorted(set(network)):
        first, second = chosen(all_errors, {name: labels != one for name, labels in of.items()})
        for name, e in all_errors.items():
            at = of[name] == one
            near = list(np.array(e.regimes)[at])
            tpot[name][at] = e.tpot_physics[at] - cautious(e.tpot_physics[at] - e.tpot[at], near, first)
            ttft[name][at] = e.ttft_physics[at] - cautious(e.ttft_physics[at] - e.ttft[at], near, second)
    return {name: replace(e, tpot=tpot[name], ttft=ttft[name]) for name, e in all_errors.items()}
