"""Predictions of rows that were held out, for any number of splits from one matrix. Pure.

With Q = (K + noise)^-1 of all rows, the process fitted without the rows h predicts them as -Q_hh^-1 Q_hr (residuals of
the rest r): the identity of the inverse of a block matrix, exact. The coefficients of the physics are fitted anew
without the held-out rows. Only the shares of time that kernels see, and which rows count as outliers, are those of the
fit to all rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inferfleet.fitting.fit import Data, FittedPair, coefficients, residuals
from inferfleet.fitting.specification import TPOT, TTFT, Specification
from inferfleet.performance.columns import Vector
from inferfleet.performance.model import parts
from inferfleet.performance.targets import CORRECTION_LIMIT, physics, terms_of
from inferfleet.performance.terms import Terms


@dataclass(frozen=True)
class Process:
    """Of one target."""

    spec: Specification
    start: Vector
    terms: Terms
    measured: Vector
    inverse: Vector


@dataclass(frozen=True)
class Processes:
    """Both targets on the same rows."""

    found: Data
    tpot: Process
    ttft: Process


def processes(found: Data, fitted: FittedPair) -> Processes:
    """From what the fit to all rows worked out."""
    tpot_terms = terms_of("tpot", found.table)
    steps, _ = physics("tpot", found.table, fitted.tpot, tpot_terms)
    ttft_terms = terms_of("ttft", found.table, steps)
    return Processes(
        found,
        Process(TPOT, fitted.tpot.coefficients, tpot_terms, found.tpot, fitted.tpot_inverse),
        Process(TTFT, fitted.ttft.coefficients, ttft_terms, found.ttft, fitted.ttft_inverse),
    )


def without(p: Processes, held: Sequence[int]) -> tuple[Vector, Vector, Vector, Vector]:
    """TPOT and TTFT of the held-out rows, then of physics alone, all in seconds."""
    rest = np.setdiff1d(np.arange(len(p.found.rows)), held)
    tpot, tpot_physics, steps = _target(p.found, p.tpot, p.tpot.terms, np.array(held), rest)
    terms = terms_of("ttft", p.found.table, steps)
    ttft, ttft_physics, _ = _target(p.found, p.ttft, terms, np.array(held), rest)
    return tpot, ttft, tpot_physics, ttft_physics


def _target(found: Data, p: Process, terms: Terms, held: Vector, rest: Vector) -> tuple[Vector, Vector, Vector]:
    theta = coefficients(p.spec, found, terms, p.measured, (rest, p.start))
    seconds = parts(terms, p.spec.terms, found.table.kinds, theta).sum(1)
    left = residuals(p.measured, seconds)
    pull = p.inverse[np.ix_(held, rest)] @ left[rest]
    expected = -np.linalg.solve(p.inverse[np.ix_(held, held)], pull)
    factor = np.exp(np.clip(expected, -CORRECTION_LIMIT, CORRECTION_LIMIT))
    return seconds[held] * factor, seconds[held], seconds
