"""How far the correction is trusted, by how far a setup is from what was measured. Pure.

A correction learned elsewhere is worth less the farther it is carried, and a mean of absolute errors is least below the
middle of what is likely: both were chosen on held-out rows (`fitting.caution`).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from inferfleet.performance.columns import Vector

Caution = Mapping[str, tuple[float, float]]
"""By regime: the share of the correction that is applied, and a logarithm that is added. None of a regime: all, 0."""
NONE: tuple[float, float] = (1.0, 0.0)


def cautious(correction: Vector, regimes: Sequence[str], caution: Caution) -> Vector:
    """Logarithms to add to those of the physics."""
    chosen = np.array([caution.get(name, NONE) for name in regimes]).reshape(-1, 2)
    found: Vector = chosen[:, 0] * correction + chosen[:, 1]
    return found
