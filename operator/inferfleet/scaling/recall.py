"""What was learned of an engine's steps, as it is written down and as learning goes on from there. Pure."""

from math import sqrt

import numpy as np

from inferfleet.planning.measured import Learned
from inferfleet.scaling.learn import NOISE, PLANNED, Fit, normal, solve
from inferfleet.scaling.step import Shape, Step

LEAST = 5.0
"""Observations from which on a line is worth writing down: with fewer it is mostly the planned one."""


def written(fit: Fit, prior: Step, slots: float, shape: Shape) -> Learned | None:
    """The line with its evidence; None while that is too little. The error is for `slots` requests of the shape."""
    if fit.count < LEAST or slots <= 0:
        return None
    line = solve(fit, prior)
    error = _error(fit, prior, line, (1.0, slots, slots * shape.prompt / shape.output))
    return Learned(line.base, line.per_token, line.per_prompt, fit.count, error, fit.squares)


def _error(fit: Fit, prior: Step, line: Step, counts: tuple[float, float, float]) -> float:
    """Of the time of a step with so many parts: by the covariance of least squares, that of the prior included.

    A throughput is the sequences over this time, so that its relative error is the same.
    """
    believed, found = np.array((prior.base, prior.per_token, prior.per_prompt)), np.array(_numbers(line))
    slope = np.array(counts) * believed / (np.array(counts) @ found)
    return NOISE * sqrt(float(slope @ np.linalg.solve(normal(fit, prior), slope)))


def recalled(known: Learned, prior: Step, since: float) -> Fit:
    """The state of learning from which the same line follows; `since` is when it was written, on the clock of samples.

    Evidence that is older counts less as soon as there is new one, as if nothing had been interrupted (`learn`).
    """
    a, b, c, d, e, f = known.sums
    squares = Fit(since, (a, b, c, d, e, f), count=known.observations)
    believed = np.array((prior.base, prior.per_token, prior.per_prompt))
    line = np.array((known.base, known.per_token, known.per_prompt))
    planned = believed > 0  # what the plan takes for nothing stays nothing
    factors = np.divide(line, believed, out=np.ones(3), where=planned)
    right = np.divide(normal(squares, prior) @ factors - PLANNED, believed, out=np.zeros(3), where=planned)
    return Fit(since, squares.squares, tuple(right.tolist()), known.observations)


def _numbers(line: Step) -> tuple[float, float, float]:
    return line.base, line.per_token, line.per_prompt
