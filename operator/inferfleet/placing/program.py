"""A mixed-integer program as it is built row by row, and its run by HiGHS. Pure: the same program, the same answer.

Determinism: one thread and a fixed seed; the order of columns and rows is the caller's. Only a time limit that
strikes makes the answer depend on the machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite

import highspy
import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-7


@dataclass
class Program:
    """Minimize cost * x within bounds of columns and rows. Filled by one function, then solved."""

    cost: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    integer: list[bool] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    columns: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    least: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)

    def column(self, cost: float, upper: float, *, integer: bool = False) -> int:
        """A variable from 0 to `upper`; its position."""
        self.cost.append(cost)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.cost) - 1

    def row(self, terms: Mapping[int, float], least: float = -inf, most: float = inf) -> None:
        """least <= sum of terms <= most."""
        self.columns += terms.keys()
        self.values += terms.values()
        self.starts.append(len(self.columns))
        self.least.append(least)
        self.most.append(most)


@dataclass(frozen=True)
class Solution:
    """Of a program."""

    values: NDArray[np.float64]
    objective: float
    bound: float
    """No solution has a smaller objective."""
    proven: bool
    """Whether the gap asked for was reached."""


def solve(program: Program, time_limit: float, gap: float, start: Sequence[float] | None = None) -> Solution | None:
    """The best found, or None: infeasible, or nothing found in `time_limit` seconds."""
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    options = {"output_flag": False, "threads": 1, "random_seed": 0, "time_limit": max(time_limit, 0.001)}
    gaps = {"mip_rel_gap": gap, "mip_abs_gap": 1e-7, "mip_feasibility_tolerance": TOLERANCE}
    for name, value in {**options, **gaps, "primal_feasibility_tolerance": TOLERANCE}.items():
        highs.setOptionValue(name, value)
    highs.passModel(_model(program))
    if start is not None:
        known = highspy.HighsSolution()
        known.col_value = list(start)
        highs.setSolution(known)
    highs.run()
    info, status = highs.getInfo(), highs.getModelStatus()
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return None
    values = np.array(highs.getSolution().col_value)
    proven = status == highspy.HighsModelStatus.kOptimal
    objective = float(info.objective_function_value)
    bound = float(info.mip_dual_bound) if any(program.integer) else (objective if proven else -inf)
    # Infinite: the start was within its tolerance and nothing else was, which proves nothing.
    return Solution(values, objective, min(bound, objective), proven and isfinite(bound))


def _model(program: Program) -> highspy.HighsLp:
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(program.cost), len(program.least)
    model.col_cost_ = np.array(program.cost)
    model.col_lower_ = np.zeros(len(program.cost))
    model.col_upper_ = np.array(program.upper, dtype=np.float64)
    kinds = highspy.HighsVarType
    model.integrality_ = [kinds.kInteger if integer else kinds.kContinuous for integer in program.integer]
    model.row_lower_, model.row_upper_ = np.array(program.least), np.array(program.most)
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = np.array(program.starts, dtype=np.int32)
    model.a_matrix_.index_ = np.array(program.columns, dtype=np.int32)
    model.a_matrix_.value_ = np.array(program.values, dtype=np.float64)
    return model
