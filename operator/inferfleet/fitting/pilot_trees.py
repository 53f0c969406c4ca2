"""The expected latencies of an unseen language model: randomized trees over the physics and the plain features. Pure.

Trees alone repeat the nearest model measured and miss how size matters; the physics alone misses what an engine's
settings did to a profile. Trees that are told what the physics says, and of how many users, do better than either.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from inferfleet.fitting.pilot import Cell, Target
from inferfleet.fitting.pilot_physics import Floats, against, fit, inputs, latencies, measured

LEAST_USERS: Final = 8  # a profile that serves fewer within limits is never the cheapest, and lies far from them
_TREES, _LEAF, _SEED = 300, 2, 0


def expected(training: Sequence[Cell], unseen: Sequence[Cell], target: Target) -> Floats:
    """Latencies against their limits: all first latencies of `unseen`, then all between. None of them is looked at."""
    constants = fit(training, target)
    known = [c for c in training if c.users >= LEAST_USERS]
    model = ExtraTreesRegressor(n_estimators=_TREES, min_samples_leaf=_LEAF, max_features=None, random_state=_SEED)
    model.fit(_features(known, constants, target), against(target, measured(known)))
    return np.asarray(model.predict(_features(unseen, constants, target))).T.ravel()


def described(cells: Sequence[Cell]) -> Floats:
    """One row a cell: users, what the model is, what the profile is."""
    rows = [
        (
            c.users,
            c.language.parameters,
            c.language.layers,
            c.language.kv_width,
            c.language.flash,
            c.language.encoder_decoder,
            c.profile.count,
            c.profile.memory,
            c.profile.memory * c.profile.count,
            c.profile.bandwidth,
            c.profile.flops,
        )
        for c in cells
    ]
    return np.array(rows, dtype=np.float64)


def _features(cells: Sequence[Cell], constants: Floats, target: Target) -> Floats:
    return np.column_stack([described(cells), against(target, latencies(constants, inputs(cells)))])
