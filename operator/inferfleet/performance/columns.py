"""Many setups and loads as columns of numbers, so that thousands are predicted at once. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from inferfleet.performance.shape import Shape
from inferfleet.performance.types import Load

Vector = NDArray[np.float64]
Columns = Mapping[str, Vector]
"""By name of the number; all of one length."""
NUMBERS: tuple[str, ...] = tuple(f.name for f in fields(Shape) if f.type is float)
"""Of a shape, in the order in which they are stored."""
LABELS: tuple[str, ...] = ("architecture", "engine", "system", "format")
"""Of a shape: what it is one of a kind of."""


def columns(numbers: Vector, loads: Sequence[Load]) -> Columns:
    """Rows of `numbers` are shapes in the order of `NUMBERS`, one for each load.

    Tokens found in the prefix cache are not prefilled, but attended to: `prompt` counts what is prefilled, `context`
    all that is cached.
    """
    found = {name: numbers[:, place] for place, name in enumerate(NUMBERS)}
    found["context"] = np.array([float(load.input_tokens) for load in loads])
    found["prompt"] = np.array([max(1.0, load.input_tokens * (1 - load.prefix_hit)) for load in loads])
    found["output"] = np.array([float(max(1, load.output_tokens)) for load in loads])
    found["requests"] = np.array([float(max(1, load.concurrency)) for load in loads])
    return found


def numbers_of(shapes: Sequence[Shape]) -> Vector:
    """One row a shape."""
    return np.array([[float(getattr(shape, name)) for name in NUMBERS] for shape in shapes])
