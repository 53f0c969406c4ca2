"""Fit both targets to measured rows. Pure: rows in, coefficients out; deterministic on one machine."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inferfleet.fitting.solve import Problem, solve
from inferfleet.fitting.specification import TPOT, TTFT, Specification
from inferfleet.performance.coefficients import rounded
from inferfleet.performance.columns import Vector, columns, numbers_of
from inferfleet.performance.model import Fitted, similarity
from inferfleet.performance.recall import Recall, recall
from inferfleet.performance.shape import Shape, shape_of
from inferfleet.performance.silicon import Row
from inferfleet.performance.targets import (
    CORRECTION_LIMIT,
    Seen,
    Table,
    correction,
    physics,
    table,
    terms_of,
)
from inferfleet.performance.terms import Terms

REPEATS_COUNTED = 3
"""One measurement under several labels counts at most so often."""
OUTLIER = 0.15
"""Leave-one-out residual from which a row's noise is taken to be larger (a Cauchy weight)."""


@dataclass(frozen=True)
class Data:
    """Measured rows as a table; one measurement that stands under several labels is one row with a count."""

    rows: tuple[Row, ...]
    shapes: tuple[Shape, ...]
    table: Table
    counts: Vector
    tpot: Vector
    ttft: Vector

    def take(self, keep: Sequence[int]) -> "Data":
        """Some of the rows."""
        return data([self.rows[i] for i in keep], [self.shapes[i] for i in keep], self.counts[list(keep)])


@dataclass(frozen=True)
class FittedPair:
    """Both targets, with the rows that they remember."""

    tpot: Fitted
    ttft: Fitted
    tpot_seen: Seen
    ttft_seen: Seen
    tpot_inverse: Vector
    """(K + noise)^-1 of the rows."""
    ttft_inverse: Vector


@dataclass(frozen=True)
class Predicted:
    """Seconds of every row: of the physics, and corrected."""

    tpot: Vector
    ttft: Vector
    tpot_physics: Vector
    ttft_physics: Vector


def data(rows: Sequence[Row], shapes: Sequence[Shape], counts: Vector) -> Data:
    """Rows that were measured; raises ValueError on one that was not."""
    if any(row.ttft is None or row.tpot is None for row in rows):
        raise ValueError("rows without silicon_ttft_ms or silicon_tpot_ms cannot be fitted")
    runs = [row.run for row in rows]
    cols = columns(numbers_of(shapes), [row.load for row in rows], runs)
    return Data(
        rows=tuple(rows),
        shapes=tuple(shapes),
        table=table(cols, shapes, runs),
        counts=counts,
        tpot=np.array([row.tpot for row in rows], float),
        ttft=np.array([row.ttft for row in rows], float),
    )


def unique(rows: Sequence[Row]) -> tuple[Data, list[int]]:
    """Rows without repetitions, and for every row given the place of its measurement."""
    shapes = shapes_of(rows)
    keys = [_key(row, shape) for row, shape in zip(rows, shapes, strict=True)]
    counts, place = Counter(keys), {key: i for i, key in enumerate(dict.fromkeys(keys))}
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    kept = [first[key] for key in place]
    number = np.array([float(counts[keys[i]]) for i in kept])
    return data([rows[i] for i in kept], [shapes[i] for i in kept], number), [place[key] for key in keys]


def shapes_of(rows: Sequence[Row]) -> list[Shape]:
    """Rounded as the file keeps them; each setup's numbers are computed once."""
    known: dict[tuple[object, ...], Shape] = {}
    found = []
    for s in (row.setup for row in rows):
        names = (s.model.name, s.accelerator.name, s.quantization.name, s.engine)
        key = (*names, s.parallelism, s.speculation, s.kv_bytes_per_element)
        if key not in known:
            known[key] = rounded(shape_of(s))
        found.append(known[key])
    return found


def fit(found: Data) -> FittedPair:
    """Coefficients first, then what they leave."""
    tpot_terms = terms_of("tpot", found.table)
    tpot, tpot_seen, tpot_inverse = _target("tpot", TPOT, found, tpot_terms, found.tpot)
    steps, _ = physics("tpot", found.table, tpot, tpot_terms)
    ttft_terms = terms_of("ttft", found.table, steps)
    ttft, ttft_seen, ttft_inverse = _target("ttft", TTFT, found, ttft_terms, found.ttft)
    return FittedPair(tpot, ttft, tpot_seen, ttft_seen, tpot_inverse, ttft_inverse)


def predicted(fitted: FittedPair, t: Table) -> Predicted:
    """Both targets."""
    tpot, features = physics("tpot", t, fitted.tpot, terms_of("tpot", t))
    ttft, other = physics("ttft", t, fitted.ttft, terms_of("ttft", t, tpot))
    return Predicted(
        tpot=tpot * np.exp(correction(t, features, _recall(fitted.tpot, fitted.tpot_seen))),
        ttft=ttft * np.exp(correction(t, other, _recall(fitted.ttft, fitted.ttft_seen))),
        tpot_physics=tpot,
        ttft_physics=ttft,
    )


def _recall(fitted: Fitted, seen: Seen) -> tuple[Recall, ...]:
    return recall(fitted, seen.features, seen.groups)


def _target(name: str, spec: Specification, found: Data, terms: Terms, measured: Vector) -> tuple[Fitted, Seen, Vector]:
    first = Fitted(spec.terms, coefficients(spec, found, terms, measured), spec.kernels, np.zeros(0))
    seconds, features = physics(name, found.table, first, terms)
    seen = Seen(features, found.table.groups)
    left = residuals(measured, seconds)
    inverse = remembering(spec, found.counts, seen, left)
    return Fitted(spec.terms, first.coefficients, spec.kernels, inverse @ left), seen, inverse


def coefficients(
    spec: Specification, found: Data, terms: Terms, measured: Vector, some: tuple[Vector, Vector] | None = None
) -> Vector:
    """Of the physics; `some`: fitted to some of the rows, from coefficients that were fitted to all."""
    rows, start = some or (np.arange(len(measured)), None)
    ideal = np.column_stack([terms[term] for term in spec.terms])[rows]
    weights = np.sqrt(found.counts[rows])
    logs = np.log(measured[rows])
    return solve(
        Problem(ideal, found.table.kinds[rows], logs, weights, spec.centre(), spec.stiffness(), spec.delta, start)
    )


def residuals(measured: Vector, seconds: Vector) -> Vector:
    """Logarithms, as far as a correction may go."""
    return np.clip(np.log(measured / seconds), -CORRECTION_LIMIT, CORRECTION_LIMIT)


def remembering(spec: Specification, counts: Vector, seen: Seen, left: Vector) -> Vector:
    """(K + noise)^-1, found twice: rows that the others contradict count less the second time."""
    rows = (seen.features, seen.groups)
    near = similarity(spec.kernels, rows, rows)
    noise = spec.noise**2 / np.minimum(counts, REPEATS_COUNTED)
    inverse = _inverse(near, noise)
    alone = (inverse @ left) / np.diag(inverse)
    return _inverse(near, noise * (1 + (alone / OUTLIER) ** 2))


def _inverse(near: Vector, noise: Vector) -> Vector:
    return np.asarray(np.linalg.inv(near + np.diag(noise + 1e-6)), np.float64)


def _key(row: Row, shape: Shape) -> tuple[object, ...]:
    load, s = row.load, row.setup
    where = (shape.architecture, shape.engine, row.system, shape.format, s.parallelism, shape.unmarked)
    return (*where, load.input_tokens, load.output_tokens, load.concurrency, row.ttft, row.tpot)
