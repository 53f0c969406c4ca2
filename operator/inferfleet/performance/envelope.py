"""How far a setup and load are from what was measured: the regime of its interval, and when not to trust it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inferfleet.performance.columns import Columns, Vector
from inferfleet.performance.shape import Shape
from inferfleet.performance.terms import capacity
from inferfleet.performance.types import Run

REGIMES = ("Run", "Configuration", "Line", "ModelAndSystem", "Model", "NewModel", "NewModelAndSystem")
"""What was measured: this configuration with this version of the engine under other loads; with other versions; this
model, system, engine and format spread otherwise; this model on this system; this model elsewhere; only other models on
this system; neither. Farther is wider. On hardware that is nearly what was measured, and of measurements newer than all
that were, one step farther counts."""
ALIKE = 1.15
"""Bandwidth and arithmetic that differ by less make nearly the same hardware."""
STRAINED_PRESSURE = 0.8
"""Requests over capacity from which queues make times uncertain."""
STRAINED_ACCELERATORS = 8
"""Of one replica: beyond one node."""
BEYOND = 2.0
"""So many times beyond what was measured nothing is trusted."""
RANGES: Mapping[str, str] = {
    "context": "input tokens",
    "output": "output tokens",
    "requests": "concurrent requests",
    "accelerators": "accelerators of one replica",
    "bandwidth": "bytes of memory a second",
    "speed16": "operations a second",
    "active": "weights that a token passes",
    "weights": "bytes of weights",
}


@dataclass(frozen=True)
class Known:
    """What was measured."""

    runs: frozenset[str]
    configurations: frozenset[str]
    lines: frozenset[str]
    pairs: frozenset[str]
    models: frozenset[str]
    systems: Mapping[str, tuple[float, float]]
    """Bandwidth and 16-bit operations per second of each."""
    engines: frozenset[str]
    formats: frozenset[str]
    newest: str
    """Day of the newest measurement, ISO 8601; empty: none says."""
    lowest: Mapping[str, float]
    highest: Mapping[str, float]


def known(c: Columns, shapes: Sequence[Shape], runs: Sequence[Run]) -> Known:
    """Of measured rows."""
    values = ranged(c)
    return Known(
        runs=frozenset(_run(s, run) for s, run in zip(shapes, runs, strict=True)),
        configurations=frozenset(_configuration(s) for s in shapes),
        lines=frozenset(_line(s) for s in shapes),
        pairs=frozenset(_pair(s) for s in shapes),
        models=frozenset(s.architecture for s in shapes),
        systems={s.system: (s.bandwidth, s.speed16) for s in shapes},
        engines=frozenset(s.engine for s in shapes),
        formats=frozenset(s.format for s in shapes),
        newest=max((run.day for run in runs), default=""),
        lowest={name: float(column.min()) for name, column in values.items()},
        highest={name: float(column.max()) for name, column in values.items()},
    )


def ranged(c: Columns) -> Columns:
    """What has a range."""
    return {name: c["dense_bytes"] + c["expert_bytes"] if name == "weights" else c[name] for name in RANGES}


def regimes(shapes: Sequence[Shape], measured: Known, runs: Sequence[Run] | None = None) -> list[str]:
    """By the name of `REGIMES`."""
    found: dict[tuple[Shape, Run], str] = {}
    asked = list(zip(shapes, runs or [Run()] * len(shapes), strict=True))
    for pair in asked:
        if pair not in found:
            found[pair] = regime(*pair, measured)
    return [found[pair] for pair in asked]


def regime(s: Shape, run: Run, measured: Known) -> str:
    """The nearest that was measured."""
    if s.system not in measured.systems and (twins := _twins(s, measured)):
        names = [regime(replace(s, system=twin), Run(), measured) for twin in twins]
        return _farther(min(names, key=REGIMES.index))
    if run.day > measured.newest:
        return _farther(regime(s, Run(), measured))
    nearest = (
        run != Run() and _run(s, run) in measured.runs,
        _configuration(s) in measured.configurations,
        _line(s) in measured.lines,
        _pair(s) in measured.pairs,
        s.architecture in measured.models,
        s.system in measured.systems,
    )
    return next((name for name, hit in zip(REGIMES, nearest, strict=False) if hit), REGIMES[-1])


def _farther(name: str) -> str:
    return REGIMES[min(REGIMES.index(name) + 1, len(REGIMES) - 1)]


def _twins(s: Shape, measured: Known) -> list[str]:
    """Hardware that is nearly the same."""
    return [
        name
        for name, (bandwidth, speed16) in sorted(measured.systems.items())
        if _alike(s.bandwidth, bandwidth) and _alike(s.speed16, speed16)
    ]


def _alike(a: float, b: float) -> bool:
    return max(a, b) <= ALIKE * min(a, b)


def strained(c: Columns) -> NDArray[np.bool_]:
    """Near the capacity of the KV cache, or beyond one node."""
    pressure = c["requests"] / capacity(c)
    found: NDArray[np.bool_] = (pressure > STRAINED_PRESSURE) | (c["accelerators"] > STRAINED_ACCELERATORS)
    return found


def refusals(c: Columns, shapes: Sequence[Shape], measured: Known) -> list[str | None]:
    """Why not to trust each row; None: it is inside the envelope."""
    values, room = ranged(c), capacity(c)
    outside = {name: _outside(column, measured, name) for name, column in values.items()}
    return [_refusal(shape, i, measured, values, outside, float(room[i])) for i, shape in enumerate(shapes)]


def _outside(column: Vector, measured: Known, name: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (column > BEYOND * measured.highest[name]) | (column < measured.lowest[name] / BEYOND)
    return found


def _refusal(
    shape: Shape, i: int, measured: Known, values: Columns, outside: Mapping[str, NDArray[np.bool_]], room: float
) -> str | None:
    if shape.engine not in measured.engines:
        return f"no measurement of {shape.engine} is in the fit ({', '.join(sorted(measured.engines))} are)"
    if shape.format not in measured.formats:
        return f"no measurement with {shape.format} weights is in the fit"
    for name, words in RANGES.items():
        if outside[name][i]:
            low, high = measured.lowest[name], measured.highest[name]
            return f"{values[name][i]:.4g} {words}: measured were {low:.4g} to {high:.4g}"
    if room <= 1 and values["context"][i] > 0:
        return "the KV cache of one request hardly fits beside the weights"
    return None


def _pair(s: Shape) -> str:
    return f"{s.architecture}|{s.system}"


def _line(s: Shape) -> str:
    return f"{_pair(s)}|{s.engine}|{s.format}|{s.unmarked}"


def _run(s: Shape, run: Run) -> str:
    return f"{_configuration(s)}|{run.version} {run.day}"


def _configuration(s: Shape) -> str:
    return f"{_line(s)}|{s.tensor}|{s.pipeline}|{s.data}|{s.expert}"
