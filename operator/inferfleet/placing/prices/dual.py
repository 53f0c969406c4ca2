"""Prices of scarce resources: rise where more is taken than there is, fall where less. Pure.

Projected subgradient with Polyak's step (Polyak 1969; Held, Wolfe and Crowder 1974): the step is scaled by how far the
best known plan is above the bound, and halves when the bound stops rising.
"""

from dataclasses import dataclass

import numpy as np

from inferfleet.placing.prices.resources import Floats, Resources
from inferfleet.placing.prices.table import Selection, Table, select

PATIENCE = 5
"""Rounds without a better bound before the step halves."""


@dataclass(frozen=True)
class Priced:
    """The best prices found, and what was selected on the way."""

    prices: Floats
    bound: float
    """Over the patterns of the table."""
    seen: tuple[Selection, ...]


def priced(known: Table, res: Resources, start: Floats, target: float, rounds: int) -> Priced:
    """Raise the bound for so many rounds. `target`: the cost of a plan that is known."""
    prices, best, best_prices, step, stuck = start, -np.inf, start, 1.0, 0
    seen: list[Selection] = []
    scarce = np.isfinite(res.limit)
    for _ in range(rounds):
        selection = select(known, prices)
        seen.append(selection)
        bound = float(selection.values.sum()) - res.worth(prices)
        if bound > best + 1e-9 * abs(best if np.isfinite(best) else 1.0):
            best, best_prices, stuck = bound, prices, 0
        else:
            stuck += 1
        if stuck >= PATIENCE:
            prices, step, stuck = best_prices, step / 2, 0
            selection = select(known, prices)
        slope = np.where(scarce, selection.use - np.where(scarce, res.supply(prices), 0.0), 0.0)
        slope = np.where((prices <= 0) & (slope < 0), 0.0, slope)
        # Pools differ by orders of magnitude: each is measured by its own size.
        scale = 1.0 / np.maximum(np.where(scarce, res.limit + res.extra, 1.0), 1.0)
        length = float(np.sum(scale * slope**2))
        if length <= 1e-12 or step < 1e-4:
            break
        prices = np.maximum(0.0, prices + step * max(target - bound, 1e-6 * abs(target)) / length * scale * slope)
    return Priced(best_prices, best, tuple(seen))
