"""Held-out predictions of every split, and the intervals that follow from their errors. Pure.

A measurement that stands in the sample under several labels is held out with the last of them: rows whose twin stays in
the fit are predicted by the fit that has seen it, as any reader of the sample would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inferfleet.fitting.fit import Data, FittedPair, predicted, unique
from inferfleet.fitting.fit import fit as fit_pair
from inferfleet.fitting.held_out import Processes, processes, without
from inferfleet.fitting.splits import fold, held_out, strict
from inferfleet.performance.columns import Vector
from inferfleet.performance.envelope import REGIMES, Known, known, regime, strained
from inferfleet.performance.intervals import Bounds, bounds
from inferfleet.performance.silicon import Row
from inferfleet.performance.types import Run

CALIBRATION = (
    "leave_cell",
    "leave_run",
    "leave_config_strict",
    "leave_architecture_system",
    "leave_architecture",
    "leave_system",
)
"""Splits whose errors make the intervals; together they show every regime."""
PARTS = 5
LEVELS = (0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98)
"""Of quantiles of rows."""
SURE = (0.92, 0.9)
"""Share of held-out configurations that bounds of TPOT and TTFT must hold: a network whose like none has been held out
errs more in TPOT than the calibration shows."""
Limits = tuple[Bounds, Bounds]
"""Of TPOT and TTFT."""


@dataclass(frozen=True)
class Errors:
    """Of the rows that a split holds out. Logarithms of measured over predicted, one element a row."""

    rows: tuple[int, ...]
    tpot: Vector
    ttft: Vector
    tpot_physics: Vector
    ttft_physics: Vector
    regimes: tuple[str, ...]
    strained: Vector


@dataclass(frozen=True)
class Fit:
    """The rows, where their measurements stand, and what was fitted to all of them."""

    rows: tuple[Row, ...]
    found: Data
    places: tuple[int, ...]
    fitted: FittedPair
    processes: Processes

    @property
    def runs(self) -> tuple[Run, ...]:
        """Of every measurement, version and day: what tells apart those of one configuration."""
        return tuple(row.run for row in self.found.rows)


def prepared(rows: Sequence[Row]) -> Fit:
    """Everything that splits share."""
    found, places = unique(rows)
    fitted = fit_pair(found)
    return Fit(tuple(rows), found, tuple(places), fitted, processes(found, fitted))


def errors(fit: Fit, split: str) -> Errors:
    """Every group of the split held out in turn."""
    seen = predicted(fit.fitted, fit.found.table)
    whole = np.log(np.stack([seen.tpot, seen.ttft, seen.tpot_physics, seen.ttft_physics]))
    measured = np.log(np.stack([fit.found.tpot, fit.found.ttft, fit.found.tpot, fit.found.ttft]))
    tense, runs = strained(fit.found.table.columns), fit.runs
    rows, parts, names = [], [], []
    for group in held_out(split, fit.rows).values():
        hidden, values = _group(fit, group, whole)
        near = _known(fit, hidden)
        for row in group:
            place = fit.places[row]
            rows.append(row)
            parts.append(measured[:, place] - values[:, place])
            names.append(regime(fit.found.shapes[place], runs[place], near))
    table = np.array(parts).T
    flags = np.array([float(tense[fit.places[row]]) for row in rows])
    return Errors(tuple(rows), table[0], table[1], table[2], table[3], tuple(names), flags)


def _group(fit: Fit, group: Sequence[int], whole: Vector) -> tuple[list[int], Vector]:
    """Measurements that no other label keeps in the fit, and logarithms of all predictions without them."""
    stay = _stay(fit, group)
    hidden = sorted({fit.places[row] for row in group} - stay)
    values = whole.copy()
    if hidden:
        values[:, hidden] = np.log(np.stack(without(fit.processes, hidden)))
    return hidden, values


def _stay(fit: Fit, group: Sequence[int]) -> set[int]:
    inside = set(group)
    return {place for row, place in enumerate(fit.places) if row not in inside}


def _known(fit: Fit, hidden: Sequence[int]) -> Known:
    found, runs = fit.found, fit.runs
    rest = sorted(set(range(len(found.rows))) - set(hidden))
    columns = {name: column[rest] for name, column in found.table.columns.items()}
    return known(columns, [found.shapes[i] for i in rest], [runs[i] for i in rest])


def limits(all_errors: Mapping[str, Errors], rows: Sequence[Row], keep: Mapping[str, Vector] | None = None) -> Limits:
    """Bounds of TPOT and TTFT; `keep` chooses rows of every split.

    Rows of one configuration err alike, so that quantiles of rows are too sure: the level of every regime is the lowest
    whose bounds, made from four fifths of the configurations, hold `SURE` of the last fifth.
    """
    chosen = [
        (all_errors[name], keep[name] if keep else np.ones(len(all_errors[name].rows), bool)) for name in CALIBRATION
    ]
    tense = np.concatenate([e.strained[k] for e, k in chosen])
    names = [name for e, k in chosen for name in np.array(e.regimes)[k]]
    parts = np.array([int(fold("part", *strict(rows[row]))) % PARTS for e, k in chosen for row in np.array(e.rows)[k]])
    tpot, ttft = (np.concatenate([getattr(e, target)[k] for e, k in chosen]) for target in ("tpot", "ttft"))
    return _levelled(tpot, names, tense, parts, SURE[0]), _levelled(ttft, names, tense, parts, SURE[1])


def _levelled(left: Vector, names: Sequence[str], tense: Vector, parts: Vector, sure: float) -> Bounds:
    """Bounds of every regime at its own level."""
    chosen: dict[str, float] = {}
    for level in LEVELS:
        held = np.zeros(len(left), bool)
        for part in range(PARTS):
            out = parts == part
            made = bounds(left[~out], list(np.array(names)[~out]), tense[~out], level)
            held[out] = _inside(left[out], list(np.array(names)[out]), tense[out], made)
        for name in set(names) - set(chosen):
            if held[np.array(names) == name].mean() >= sure:
                chosen[name] = level
    whole = {level: bounds(left, names, tense, level) for level in LEVELS}
    return {name: whole[chosen.get(name, LEVELS[-1])][name] for name in REGIMES}


def _inside(left: Vector, names: Sequence[str], tense: Vector, found: Bounds) -> NDArray[np.bool_]:
    four = np.array([found[name] for name in names]).reshape(-1, 4)
    low, high = np.where(tense > 0, four[:, 2], four[:, 0]), np.where(tense > 0, four[:, 3], four[:, 1])
    return np.asarray((low <= left) & (left <= high))


def coverage(all_errors: Mapping[str, Errors], rows: Sequence[Row]) -> Mapping[str, tuple[float, float]]:
    """Percent of held-out TPOT and TTFT inside intervals made from the other four fifths of the configurations."""
    part = np.array([int(fold(*strict(row))) % PARTS for row in rows])
    inside: dict[str, list[tuple[bool, bool]]] = {name: [] for name in all_errors}
    for side in range(PARTS):
        keep = {name: part[list(e.rows)] != side for name, e in all_errors.items()}
        tpot, ttft = limits(all_errors, rows, keep)
        for name, e in all_errors.items():
            out = ~keep[name]
            near, tense = list(np.array(e.regimes)[out]), e.strained[out]
            pairs = zip(_inside(e.tpot[out], near, tense, tpot), _inside(e.ttft[out], near, tense, ttft), strict=True)
            inside[name].extend((bool(a), bool(b)) for a, b in pairs)
    return {name: (_percent([a for a, _ in hits]), _percent([b for _, b in hits])) for name, hits in inside.items()}


def _percent(hits: Sequence[bool]) -> float:
    return 100.0 * sum(hits) / len(hits) if hits else float("nan")
