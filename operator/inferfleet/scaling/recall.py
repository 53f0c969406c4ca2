"""What was learned of an engine's steps, as it is written down and as learning goes on from there. Pure."""

from math import sqrt

import numpy as np

from inferfleet.planning.measured import Learned
from inferfleet.scaling.learn import NOISE, Fit, normal, numbers, products, solve
from inferfleet.scaling.step import Shape, Step

LEAST = 5.0
"""Observations from which on a line is worth writing down: with fewer it is mostly the planned one."""


def written(fit: Fit, prior: Step, slots: float, shape: Shape) -> Learned | None:
    """The line with its evidence; None while that is too little. The error is for `slots` requests of the shape."""
    if fit.count < LEAST or slots <= 0:
        return None
    line = solve(fit, prior)
    error = sqrt(_variance(fit, prior, line, (1.0, slots, slots * shape.prompt / shape.output)) + _misfit(fit, line))
    means = tuple(total / fit.count for total in (*fit.squares, *fit.right))
    return Learned(line.base, line.per_token, line.per_prompt, fit.count, error, means)


def recalled(known: Learned, since: float) -> Fit:
    """The state of learning that was written at `since`, on the clock of samples.

    Evidence that is older counts less as soon as there is new one, as if nothing had been interrupted (`learn`).
    """
    a, b, c, d, e, f, *right = (mean * known.observations for mean in known.means)
    return Fit(since, (a, b, c, d, e, f), (right[0], right[1], right[2]), known.observations)


def _variance(fit: Fit, prior: Step, line: Step, counts: tuple[float, float, float]) -> float:
    """Of the time of a step with so many parts, relative: the covariance of least squares, with the belief in the plan.

    A throughput is the sequences over this time, so that its relative error is the same.
    """
    slope = np.array(counts) * numbers(prior) / (np.array(counts) @ numbers(line))
    return NOISE**2 * float(slope @ np.linalg.solve(normal(fit, prior), slope))


def _misfit(fit: Fit, line: Step) -> float:
    """Mean square of what the line leaves over beyond noise: more of the same evidence makes that no smaller.

    Each equation says that its parts make 1, so that the sum of its squares is the count.
    """
    x = numbers(line)
    left = 1 - (2 * x @ np.array(fit.right) - x @ products(fit) @ x) / fit.count
    return max(0.0, float(left) - NOISE**2)
