"""What is believed of an unseen language model: what trees on physics expect, and a Gaussian around it. Pure.

The covariance comes from the physics, which is linear in its constants near the fit: they enter with their prior
deviations. What it leaves is split into what a language model has of its own, what a GPU profile does to all models
with the same kind of attention, and what the two have together, each acting on room, step and prefill (so that less
room makes the wait longer and the step shorter at once) or on the latencies themselves. The size of each part is what
makes the training measurements most probable (evidence, with a log-normal prior); nothing is tuned by hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from inferfleet.fitting.pilot import Cell, Target
from inferfleet.fitting.pilot_physics import Floats, Nudge, against, fit, inputs, latencies, measured, prior
from inferfleet.fitting.pilot_trees import LEAST_USERS, expected

_STEP: Final = 1e-4  # of numeric derivatives
_ALIKE: Final = 1.0  # e-folds of users within which a deviation stays the same
# The deviation of each part before the evidence, logarithms of time: of a language model; of a profile and kind of
# attention; of both together.
_PARTS: Final = {
    "room": (0.25, 0.30, 0.25),
    "step": (0.10, 0.05, 0.05),
    "prefill": (0.30, 0.20, 0.20),
    "first": (0.15, 0.15, 0.10),
    "between": (0.10, 0.10, 0.05),
}
_NOISE: Final = 0.06
_UNSURE: Final = 0.7  # e-folds by which a part may be larger or smaller


@dataclass(frozen=True)
class Belief:
    """A Gaussian over the latencies of some cells against their limits: all first latencies, then all between."""

    cells: tuple[Cell, ...]
    target: Target
    mean: Floats
    covariance: Floats

    @property
    def truth(self) -> Floats:
        """What was measured."""
        return against(self.target, measured(self.cells)).T.ravel()

    def given(self, profile: str) -> "Belief":
        """After one profile was measured: the same cells, what was measured of it known, the rest corrected."""
        known = np.tile([c.profile.name == profile for c in self.cells], 2)
        truth = self.truth
        cross, own = self.covariance[:, known], self.covariance[np.ix_(known, known)]
        gain = np.linalg.solve(own, cross.T).T
        mean = self.mean + gain @ (truth - self.mean)[known]
        covariance = self.covariance - gain @ cross.T
        mean[known], covariance[known], covariance[:, known] = truth[known], 0.0, 0.0
        return Belief(self.cells, self.target, mean, covariance)


@dataclass(frozen=True)
class Learnt:
    """The belief of the unseen model, and, to choose margins by, of each training model as if it were unseen."""

    unseen: Belief
    others: tuple[Belief, ...]


@dataclass(frozen=True)
class _Parts:
    """Covariances whose squared sizes are to be found, and the sizes held beforehand."""

    kernels: tuple[Floats, ...]
    sizes: Floats

    def sum(self, sizes: Floats) -> Floats:
        total = np.zeros_like(self.kernels[0])
        for size, kernel in zip(sizes, self.kernels, strict=True):
            total += size**2 * kernel
        return total

    def of(self, rows: npt.NDArray[np.int64]) -> "_Parts":
        return _Parts(tuple(k[np.ix_(rows, rows)] for k in self.kernels), self.sizes)


def learn(training: Sequence[Cell], unseen: Sequence[Cell], target: Target) -> Learnt:
    """What the training models tell of the unseen one, whose measurements are carried along but not looked at."""
    constants = fit(training, target)
    known = [c for c in training if c.users >= LEAST_USERS]
    asked = [c for c in unseen if c.users >= LEAST_USERS]
    cells = known + asked
    here, parts = _parts(constants, cells, target)
    seen = np.tile(np.arange(len(cells)) < len(known), 2)
    sizes = _sizes(
        parts.of(np.flatnonzero(seen).astype(np.int64)), against(target, measured(known)).T.ravel() - here[seen]
    )
    total = parts.sum(sizes[:-1]) + sizes[-1] ** 2 * np.eye(len(seen))
    inverse = np.linalg.inv(total[np.ix_(seen, seen)])
    cross = total[np.ix_(~seen, seen)]
    covariance = total[np.ix_(~seen, ~seen)] - cross @ inverse @ cross.T
    belief = Belief(tuple(asked), target, expected(training, asked, target), covariance)
    return Learnt(belief, _left_out(training, known, target, inverse))


def _left_out(training: Sequence[Cell], known: Sequence[Cell], target: Target, inverse: Floats) -> tuple[Belief, ...]:
    """Each training model as if it were unseen: its covariance in closed form (a block of the inverse, inverted)."""
    names = np.array([c.language.name for c in known])
    beliefs = []
    for name in sorted(set(names)):
        rows = np.flatnonzero(np.tile(names == name, 2))
        own = tuple(c for c in known if c.language.name == name)
        mean = expected([c for c in training if c.language.name != name], own, target)
        beliefs.append(
            Belief(own, target, mean, np.asarray(np.linalg.inv(inverse[np.ix_(rows, rows)]), dtype=np.float64))
        )
    return tuple(beliefs)


def _parts(constants: Floats, cells: Sequence[Cell], target: Target) -> tuple[Floats, _Parts]:
    """What the physics says of the cells, and the parts of the covariance."""
    of = inputs(cells)

    def at(moved: Floats, nudge: Nudge) -> Floats:
        return against(target, latencies(moved, of, nudge)).T.ravel()

    here = at(constants, Nudge())
    _, deviation = prior()
    slopes = np.column_stack(
        [(at(constants + _STEP * unit, Nudge()) - here) / _STEP for unit in np.eye(len(constants))]
    )
    nudges = Nudge(room=_STEP), Nudge(step=_STEP), Nudge(prefill=_STEP)
    nudged = [(at(constants, nudge) - here) / _STEP for nudge in nudges]
    kernels = [(slopes * deviation**2) @ slopes.T]
    for shape in [np.outer(n, n) for n in nudged] + _own_shapes(cells):
        kernels += [shape * same for same in _sames(cells)]
    return here, _Parts(tuple(kernels), np.array([1.0, *(size for part in _PARTS.values() for size in part)]))


def _own_shapes(cells: Sequence[Cell]) -> list[Floats]:
    """Deviations of one latency alone, which change slowly with the users."""
    users = np.tile(np.log([c.users for c in cells]), 2)
    slow = np.exp(-((users[:, None] - users[None, :]) ** 2) / (2 * _ALIKE**2))
    which = np.repeat([0, 1], len(cells))
    return [slow * np.outer(which == one, which == one) for one in (0, 1)]


def _sames(cells: Sequence[Cell]) -> list[Floats]:
    """Where two rows share the language model, the profile and kind of attention, or both model and profile."""
    language = _same([c.language.name for c in cells])
    profile, kind = _same([c.profile.name for c in cells]), _same([str(c.language.flash) for c in cells])
    return [language, profile * kind, language * profile]


def _same(names: Sequence[str]) -> Floats:
    doubled = np.tile(np.array(names), 2)
    return np.asarray(doubled[:, None] == doubled[None, :], dtype=np.float64)


def _sizes(parts: _Parts, rest: Floats) -> Floats:
    """The sizes of the parts, and last of the noise, that make `rest` most probable."""
    start = np.log(np.append(parts.sizes, _NOISE))
    unsure = np.full(len(start), _UNSURE)
    unsure[0] = 0.05  # the constants have deviations of their own

    def cost(logs: Floats) -> tuple[float, Floats]:
        sizes = np.exp(logs)
        covariance = parts.sum(sizes[:-1]) + sizes[-1] ** 2 * np.eye(len(rest))
        inverse = np.linalg.inv(covariance)
        pull = inverse @ rest
        spread = inverse - np.outer(pull, pull)
        slope = [size**2 * np.sum(spread * k) for size, k in zip(sizes[:-1], parts.kernels, strict=True)]
        slope.append(sizes[-1] ** 2 * np.trace(spread))
        away = (logs - start) / unsure
        value = (rest @ pull + np.linalg.slogdet(covariance)[1] + away @ away) / 2
        return float(value), np.array(slope) + away / unsure

    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(np.exp(found.x), dtype=np.float64)
