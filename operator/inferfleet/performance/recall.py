"""What remembered rows say of new ones: the mean of a Gaussian process, ready to be asked often. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inferfleet.performance.columns import Columns, Vector
from inferfleet.performance.model import Fitted, Groups, Kernel


@dataclass(frozen=True)
class Recall:
    """One kernel with the rows that it compares with."""

    kernel: Kernel
    members: Mapping[int, NDArray[np.int64]]
    """Rows by their group's number; for kernels of all rows one entry, 0."""
    scaled: Vector
    squares: Vector
    """Of the scaled rows, summed and halved."""
    weights: Vector


def recall(fitted: Fitted, features: Columns, groups: Groups) -> tuple[Recall, ...]:
    """Of every kernel."""
    found = []
    for kernel in fitted.kernels:
        scaled = _scaled(kernel, features)
        members = {0: np.arange(len(scaled))} if kernel.group == "all" else _members(groups[kernel.group])
        weights = kernel.amplitude**2 * fitted.weights
        found.append(Recall(kernel, members, scaled, (scaled**2).sum(1) / 2, weights))
    return tuple(found)


def recalled(kernels: Sequence[Recall], features: Columns, groups: Groups) -> Vector:
    """Expected residual of every row: the sum over kernels and remembered rows of similarity * weight."""
    total = np.zeros(len(features["requests"]))
    for each in kernels:
        rows = _scaled(each.kernel, features)
        if each.kernel.group == "all":
            total += _expected(each, rows, each.members[0])
            continue
        for label, asked in _members(groups[each.kernel.group]).items():
            if label in each.members:
                total[asked] += _expected(each, rows[asked], each.members[label])
    return total


def _expected(each: Recall, rows: Vector, members: NDArray[np.int64]) -> Vector:
    whole = len(members) == len(each.scaled)  # no copy where all rows are compared with
    scaled, squares, weights = (
        (each.scaled, each.squares, each.weights)
        if whole
        else (each.scaled[members], each.squares[members], each.weights[members])
    )
    exponent = rows @ scaled.T - squares - (rows**2).sum(1)[:, None] / 2
    return np.asarray(np.exp(np.minimum(exponent, 0.0)) @ weights, np.float64)


def _scaled(kernel: Kernel, features: Columns) -> Vector:
    return np.column_stack([features[name] / scale for name, scale in kernel.scales.items()])


def _members(labels: NDArray[np.int64]) -> Mapping[int, NDArray[np.int64]]:
    order = np.argsort(labels, kind="stable")
    names, starts = np.unique(labels[order], return_index=True)
    return {int(name): part for name, part in zip(names, np.split(order, starts[1:]), strict=True)}
