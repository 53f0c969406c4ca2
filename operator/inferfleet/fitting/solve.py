"""Coefficients of a positive sum of terms by damped Gauss-Newton on logarithms. Pure."""

from dataclasses import dataclass

import numpy as np

from inferfleet.performance.columns import Vector
from inferfleet.performance.model import EXPONENT_LIMIT

DELTA = 0.1
ITERATIONS = 60
TOLERANCE = 3e-5


@dataclass(frozen=True)
class Problem:
    """Rows x terms of ideal seconds, rows x kinds, measured logarithms, weights of rows."""

    ideal: Vector
    kinds: Vector
    measured: Vector
    weights: Vector
    centre: Vector
    """Kinds x terms: what coefficients are shrunk to."""
    stiffness: Vector
    """Kinds x terms: how strongly (an inverse standard deviation, in units of `delta`)."""
    delta: float = DELTA
    """Residual (of a logarithm) from which outliers count linearly: pseudo-Huber loss."""
    start: Vector | None = None
    """Kinds x terms: a solution of nearly the same problem, which saves steps."""


def solve(problem: Problem) -> Vector:
    """Kinds x terms."""
    theta = (problem.centre if problem.start is None else problem.start).ravel().copy()
    damping = 1e-2
    cost, residual = _cost(problem, theta)
    for _ in range(ITERATIONS):
        hessian, gradient = _normal(problem, theta, residual)
        for _ in range(8):
            step = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), -gradient)
            new, new_residual = _cost(problem, theta + step)
            if new < cost:
                break
            damping *= 4
        else:
            break
        done = cost - new < TOLERANCE * cost
        theta, cost, residual, damping = theta + step, new, new_residual, max(damping / 5, 1e-6)
        if done:
            break
    return theta.reshape(problem.centre.shape)


def seconds(problem: Problem, theta: Vector) -> Vector:
    """Of every term, one row a measurement."""
    exponents = problem.kinds @ theta.reshape(problem.centre.shape)
    found: Vector = problem.ideal * np.exp(np.clip(exponents, -EXPONENT_LIMIT, EXPONENT_LIMIT))
    return found


def _cost(problem: Problem, theta: Vector) -> tuple[float, Vector]:
    residual: Vector = np.log(seconds(problem, theta).sum(1)) - problem.measured
    robust = 2 * problem.delta**2 * (np.sqrt(1 + (residual / problem.delta) ** 2) - 1)
    apart = problem.stiffness.ravel() * (theta - problem.centre.ravel())
    return float((problem.weights * robust).sum() + (apart**2).sum()), residual


def _normal(problem: Problem, theta: Vector, residual: Vector) -> tuple[Vector, Vector]:
    found = seconds(problem, theta)
    share = found / found.sum(1, keepdims=True)
    slope = (problem.kinds[:, :, None] * share[:, None, :]).reshape(len(residual), -1)
    weight = problem.weights / np.sqrt(1 + (residual / problem.delta) ** 2)
    stiff = problem.stiffness.ravel() ** 2
    hessian = (slope * weight[:, None]).T @ slope + np.diag(stiff)
    return hessian, slope.T @ (weight * residual) + stiff * (theta - problem.centre.ravel())
