"""The step line of an engine, learned from warm pods under load. Pure.

While a pod is busy its time is the base of its steps, and what sequences and prompts add to them. With g generated and
p read prompt tokens a second at n running requests it makes g / n steps a second:

    1 = base x g / n + per_token x g + per_prompt x p

One such equation for each pod and span, least squares with forgetting, and the plan's line as what is believed before.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf, sqrt

import numpy as np
from numpy.typing import NDArray

from inferfleet.scaling.arrivals import SPAN
from inferfleet.scaling.signal import PodSample, Window
from inferfleet.scaling.step import Step

MEMORY = 1800.0
"""Seconds of the clock after which an observation counts a third."""
SEEN = 2 * SPAN
"""Seconds that one equation is about."""
SURE = 3.0
"""Standard deviations between the requests that run in both halves of an equation that are no accident."""
SPREAD = 0.3
"""Relative standard deviation of a planned line."""
NOISE = 0.1
"""Standard deviation of one equation."""
PLANNED = (NOISE / SPREAD) ** 2
"""What the planned line weighs, in equations."""
ALIKE = 0.9
"""Correlation between the errors of its numbers: an engine that is slower than planned is slower in all it does. A load
that stays tells only the sum of them, and without this what was learned at one load would be wrong at another.
"""
AGING = 7 * 86400.0
"""Seconds of a pause beyond that, after which what was seen before it counts a third again: machines, their neighbours
and their kernels change."""
OUTLIER = 0.3
"""A residual from which on an equation counts less (Huber)."""
BOUNDS = (0.4, 2.5)
"""A learned number is believed within these factors of the planned one."""

Equation = tuple[float, float, float]
Matrix = NDArray[np.float64]
PLAN: Matrix = np.linalg.inv((1 - ALIKE) * np.eye(3) + ALIKE) * np.float64(PLANNED)
"""Weight of the belief that all factors on the plan are 1."""


@dataclass(frozen=True)
class Fit:
    """Sums of the normal equations: upper triangle, right side and count."""

    since: float = -inf
    squares: tuple[float, float, float, float, float, float] = (0.0,) * 6
    right: Equation = (0.0, 0.0, 0.0)
    count: float = 0.0


def learn(known: Fit, windows: Iterable[Window], now: float, prior: Step) -> Fit:
    """With one equation of each warm pod that was busy all the time, once a span."""
    if now - known.since < SPAN:
        return known
    equations = [e for window in windows if (e := _equation(window, now))]
    if not equations:
        return known
    line, pause = solve(known, prior), now - known.since
    left = exp(-min(pause, MEMORY) / MEMORY - max(0.0, pause - MEMORY) / AGING) if known.count else 0.0
    squares, right, count = np.array(known.squares) * left, np.array(known.right) * left, known.count * left
    for b, a, p in equations:
        weight = _weight((b, a, p), line)
        squares += weight * np.array((b * b, b * a, b * p, a * a, a * p, p * p))
        right += weight * np.array((b, a, p))
        count += weight
    return Fit(now, tuple(squares.tolist()), tuple(right.tolist()), count)


def solve(known: Fit, prior: Step) -> Step:
    """The line that fits best, within bounds around the planned one."""
    if not known.count:
        return prior
    believed = numbers(prior)
    factors = np.linalg.solve(normal(known, prior), np.array(known.right) * believed + PLAN.sum(axis=1))
    base, per_token, per_prompt = (believed * np.clip(factors, *BOUNDS)).tolist()
    return Step(base, per_token, per_prompt)


def normal(known: Fit, prior: Step) -> Matrix:
    """Matrix of the normal equations in units of the plan, whose numbers differ by orders of magnitude; the belief in
    the plan is part of it.
    """
    believed = numbers(prior)
    return products(known) * np.outer(believed, believed) + PLAN


def products(known: Fit) -> Matrix:
    """Sums of products of what was observed, both triangles."""
    a, b, c, d, e, f = known.squares
    return np.array(((a, b, c), (b, d, e), (c, e, f)))


def numbers(line: Step) -> Matrix:
    """Seconds of base, token and prompt token."""
    return np.array((line.base, line.per_token, line.per_prompt))


def _weight(e: Equation, line: Step) -> float:
    residual = abs(1 - e[0] * line.base - e[1] * line.per_token - e[2] * line.per_prompt)
    return min(1.0, OUTLIER / residual) if residual else 1.0


def _equation(window: Window, now: float) -> Equation | None:
    """(steps, tokens, read prompt tokens) per second; None of a pod that is cold, idle, changes its load, or was not
    seen throughout.

    Cold is one that has not yet finished as many requests as it works on: caches fill and kernels compile.
    """
    inside = [s for s in window if s.at >= now - SEEN]
    if len(inside) < 3 or min(s.running for s in inside) < 1 or inside[0].finished < inside[0].running:
        return None
    first, last = inside[0], inside[-1]
    seconds = last.at - first.at
    tokens, read = last.generated - first.generated, last.prompted - last.cached - first.prompted + first.cached
    if seconds < SPAN or tokens <= 0 or _changes(inside):
        return None
    running = sum((a.running + b.running) / 2 * (b.at - a.at) for a, b in pairwise(inside)) / seconds
    return tokens / seconds / running, tokens / seconds, max(0.0, read) / seconds


def _changes(inside: list[PodSample]) -> bool:
    """Whether its load became another, as when replicas come and go. Tokens over the mean of what ran are no steps
    then: such an equation is wrong by a tenth, and remembered for an hour.
    """
    half = len(inside) // 2
    before, after = (sum(s.running for s in part) / half for part in (inside[:half], inside[-half:]))
    return abs(after - before) > SURE * sqrt(before + after)
