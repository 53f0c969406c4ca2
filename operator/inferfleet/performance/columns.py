"""Many setups and loads as columns of numbers, so that thousands are predicted at once. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date

import numpy as np
from numpy.typing import NDArray

from inferfleet.performance.shape import Shape
from inferfleet.performance.types import Load, Run

Vector = NDArray[np.float64]
Columns = Mapping[str, Vector]
"""By name of the number; all of one length."""
NUMBERS: tuple[str, ...] = tuple(f.name for f in fields(Shape) if f.type is float)
"""Of a shape, in the order in which they are stored."""
TODAY = date(2026, 4, 1)
"""After the newest measurement in the fit."""
LABELS: tuple[str, ...] = ("architecture", "engine", "system", "format")
"""Of a shape: what it is one of a kind of."""


def columns(numbers: Vector, loads: Sequence[Load], runs: Sequence[Run] | None = None) -> Columns:
    """Rows of `numbers` are shapes in the order of `NUMBERS`, one for each load and, if given, each run.

    Tokens found in the prefix cache are not prefilled, but attended to: `prompt` counts what is prefilled, `context`
    all that is cached.
    """
    found = {name: numbers[:, place] for place, name in enumerate(NUMBERS)}
    found["context"] = np.array([float(load.input_tokens) for load in loads])
    found["prompt"] = np.array([max(1.0, load.input_tokens * (1 - load.prefix_hit)) for load in loads])
    found["output"] = np.array([float(max(1, load.output_tokens)) for load in loads])
    found["requests"] = np.array([float(max(1, load.concurrency)) for load in loads])
    asked = runs or [Run()] * len(loads)
    ages = {run: months(run.day) for run in set(asked)}
    found["age"] = np.array([ages[run] for run in asked])
    found["brief"] = np.array([float(run.brief) for run in asked])
    return found


def months(day: str) -> float:
    """Before `TODAY`; what is newer, and what nobody dates, is of today: trends are not carried on."""
    return max(0.0, (TODAY - date.fromisoformat(day)).days / 30.44) if day else 0.0


def numbers_of(shapes: Sequence[Shape]) -> Vector:
    """One row a shape."""
    return np.array([[float(getattr(shape, name)) for name in NUMBERS] for shape in shapes])
