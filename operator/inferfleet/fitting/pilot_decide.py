"""Which profile and how many pods, given what is believed: success is worth one, overspend costs. Pure.

`Margin.thrift` is what an overspend of 100 % costs in successes: near a success rate of 0.9 and an overspend of 0.15
the slopes of the S/O score make it about 1. `Margin.doubt` stretches the belief's deviations; without any, what is
expected is taken for certain. Both are chosen from the training models alone (`choose_margin`); after a measurement
the belief is taken as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from inferfleet.fitting.pilot import Recommendation, Score, Target, judge, pods_needed, score
from inferfleet.fitting.pilot_physics import Floats, against
from inferfleet.fitting.pilot_posterior import Belief

Ints = npt.NDArray[np.int64]
_SEED: Final = 20241002
_DRAWS: Final = 600
_THRIFTS, _DOUBTS = (0.5, 1.0, 2.0), (0.0, 0.25, 0.5, 1.0)
# Margins are compared on limits around the asked ones: six models at one pair of limits are six coin tosses.
_AROUND: Final = tuple(product((0.7, 1.0, 1.4), (0.7, 1.0, 1.4)))
_TINY: Final = 1e-6


@dataclass(frozen=True)
class Margin:
    """How careful to be."""

    thrift: float = 1.0
    doubt: float = 1.0


@dataclass(frozen=True)
class Drawn:
    """Possible latencies of one language model, against limits: by profile the loads; draws x loads x two latencies."""

    target: Target
    loads: dict[str, Ints]
    logs: dict[str, Floats]
    prices: dict[str, float]


def draw(belief: Belief, doubt: float) -> Drawn:
    """Always the same draws for the same belief."""
    half = len(belief.cells)
    normal = np.random.default_rng(_SEED).standard_normal((_DRAWS, 2 * half))
    # An eigendecomposition, since measured cells leave the covariance singular.
    values, vectors = np.linalg.eigh(belief.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    sample = belief.mean + doubt * normal @ root.T
    loads, logs, prices = {}, {}, {}
    for name in sorted({c.profile.name for c in belief.cells}):
        rows = sorted((c.users, i) for i, c in enumerate(belief.cells) if c.profile.name == name)
        at = [i for _, i in rows]
        loads[name] = np.array([users for users, _ in rows])
        logs[name] = np.stack([sample[:, at], sample[:, [half + i for i in at]]], axis=-1)
        prices[name] = belief.cells[at[0]].profile.price
    return Drawn(belief.target, loads, logs, prices)


def recommend(drawn: Drawn, target: Target, thrift: float) -> Recommendation | None:
    """The profile and pods of the greatest expected worth; of equals the cheaper."""
    options, worths, _ = _weighed(drawn, target, thrift)
    if not options:
        return None
    best = max(range(len(options)), key=lambda i: (round(worths[:, i].mean(), 9), -_cost(options[i], drawn)))
    return options[best]


def to_measure(drawn: Drawn, target: Target, thrift: float) -> str:
    """The one profile whose capacity is most worth knowing before choosing, whichever is chosen then."""
    _, worths, served = _weighed(drawn, target, thrift)

    def informed(name: str) -> float:
        groups = [served[name] == capacity for capacity in np.unique(served[name])]
        return round(float(sum(worths[group].sum(axis=0).max() for group in groups)), 6)

    return max(sorted(served), key=informed)


def recommend_measured(belief: Belief, target: Target, margin: Margin = Margin()) -> tuple[str, Recommendation | None]:
    """After measuring one profile: which it was, and the recommendation then."""
    profile = to_measure(draw(belief, margin.doubt), target, margin.thrift)
    return profile, recommend(draw(belief.given(profile), margin.doubt), target, margin.thrift)


def choose_margin(others: Sequence[Belief], target: Target) -> Margin:
    """The margin that would have served the training models best; the plain one where several do."""
    plain = Margin()
    targets = [Target(target.users, target.nttft * a, target.itl * b) for a, b in _AROUND]
    ranked = []
    for doubt in _DOUBTS:
        drawn = [draw(belief, doubt) for belief in others]
        for thrift in _THRIFTS:
            mean = sum(_trial(others, drawn, t, thrift).value for t in targets) / len(targets)
            ranked.append((-round(mean, 6), abs(thrift - plain.thrift) + abs(doubt - plain.doubt), thrift, doubt))
    *_, thrift, doubt = min(ranked)
    return Margin(thrift, doubt)


def _trial(others: Sequence[Belief], drawn: Sequence[Drawn], target: Target, thrift: float) -> Score:
    judged = [judge(recommend(d, target, thrift), b.cells, target) for b, d in zip(others, drawn, strict=True)]
    return score([v for v in judged if v is not None])


def _weighed(drawn: Drawn, target: Target, thrift: float) -> tuple[list[Recommendation], Floats, dict[str, Ints]]:
    """Every option; in every draw what each is worth; and what one pod of each profile serves.

    Worth is one less `thrift` times the overspend where the option serves all users, and nothing where it does not.
    """
    served = _served(drawn, target)
    least = _least_cost(served, drawn.prices, target.users)
    options, columns = [], []
    for name, capacity in served.items():
        for load in drawn.loads[name]:
            option = Recommendation(name, pods_needed(target.users, int(load)) or 0)
            overspend = _cost(option, drawn) / least - 1
            options.append(option)
            columns.append(np.where(capacity >= load, 1 - thrift * overspend, 0.0))
    return options, np.column_stack(columns), served


def _cost(option: Recommendation, drawn: Drawn) -> float:
    return option.pods * drawn.prices[option.profile]


def _served(drawn: Drawn, target: Target) -> dict[str, Ints]:
    """By profile, users that one pod serves within limits, in every draw."""
    limits = against(drawn.target, np.log([[target.nttft, target.itl]]))[0] + _TINY
    found = {}
    for name, logs in drawn.logs.items():
        held = np.cumprod((logs <= limits).all(axis=-1), axis=-1).sum(axis=-1)
        found[name] = np.concatenate([[0], drawn.loads[name]])[held]
    return found


def _least_cost(served: dict[str, Ints], prices: dict[str, float], users: int) -> Floats:
    """Of the cheapest profile in every draw; endless where none serves anybody."""
    with np.errstate(divide="ignore"):
        costs = [np.ceil(users / capacity) * prices[name] for name, capacity in served.items()]
    return np.asarray(np.min(np.stack(costs), axis=0))
