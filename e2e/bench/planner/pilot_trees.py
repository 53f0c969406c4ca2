"""LLM-Pilot's own recipe on the same cells, so that both are scored on the same language models. Pure.

Boosted regression trees on the features of the model and of the profile, never falling with the users, measurements
weighed by how near they are to their limit, hyperparameters by leave-one-model-out on the absolute percentage error
(arXiv 2410.02425, section IV). Theirs are XGBoost's, these scikit-learn's, on a smaller grid: not the same numbers.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor

from inferfleet.fitting.pilot import Cell, Recommendation, Target, capacities, cheapest
from inferfleet.fitting.pilot_trees import described

_GRID: Final = tuple(product((5, 50), (4, 8), (0.5, 0.1)))  # trees, depth, learning rate

Floats = npt.NDArray[np.float64]


def recommendation(cells: Sequence[Cell], name: str, target: Target) -> Recommendation | None:
    """For one hidden language model: the cheapest by what the trees predict of it."""
    own = [c for c in cells if c.language.name == name]
    rest = [c for c in cells if c.language.name != name]
    nttft = _predicted(rest, own, "nttft", target.nttft)
    itl = _predicted(rest, own, "itl", target.itl)
    predicted = [replace(c, nttft=float(a), itl=float(b)) for c, a, b in zip(own, nttft, itl, strict=True)]
    prices = {c.profile.name: c.profile.price for c in own}
    return cheapest(capacities(predicted, target), prices, target.users)


def _predicted(rest: Sequence[Cell], own: Sequence[Cell], latency: str, limit: float) -> Floats:
    names = sorted({c.language.name for c in rest})

    def error(settings: tuple[int, int, float]) -> float:
        errors = []
        for name in names:
            held = [c for c in rest if c.language.name == name]
            kept = [c for c in rest if c.language.name != name]
            truth = _latency(held, latency)
            guess = _trees(kept, latency, limit, settings).predict(described(held))
            errors.append(float(np.mean(np.abs(guess - truth) / truth)))
        return float(np.mean(errors))

    best = min(_GRID, key=error)
    return np.asarray(_trees(rest, latency, limit, best).predict(described(own)))


def _trees(
    cells: Sequence[Cell], latency: str, limit: float, settings: tuple[int, int, float]
) -> HistGradientBoostingRegressor:
    trees, depth, rate = settings
    model = HistGradientBoostingRegressor(
        max_iter=trees,
        max_depth=depth,
        learning_rate=rate,
        min_samples_leaf=1,
        early_stopping=False,
        monotonic_cst=[1] + [0] * 10,
        random_state=0,
    )
    return model.fit(described(cells), _latency(cells, latency), sample_weight=_weights(cells, latency, limit))


def _latency(cells: Sequence[Cell], latency: str) -> Floats:
    return np.array([c.nttft if latency == "nttft" else c.itl for c in cells])


def _weights(cells: Sequence[Cell], latency: str, limit: float) -> Floats:
    """Of each model on each profile they sum to one; the farthest from the limit weighs nothing."""
    groups = [(c.language.name, c.profile.name) for c in cells]
    away = np.abs(_latency(cells, latency) - limit)
    weights = np.zeros(len(cells))
    for group in set(groups):
        rows = np.array([g == group for g in groups])
        near = 1 - away[rows] / away[rows].max()
        weights[rows] = near / near.sum()
    return weights
