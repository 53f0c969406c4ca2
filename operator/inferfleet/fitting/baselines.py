"""The naive predictors that everything is compared with, on the same rows and splits. Pure.

roofline: the larger of bytes over bandwidth and operations over peak, as a data sheet has them. ridge: linear in
logarithms of the same terms and sizes. ridge + process: a Gaussian process with one length scale on what that leaves,
held out by the identity of `held_out`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from inferfleet.fitting.fit import Data
from inferfleet.performance.columns import Vector
from inferfleet.performance.model import design
from inferfleet.performance.targets import terms_of
from inferfleet.performance.terms import decode_terms, prefill_terms

RIDGE = 1.0
SCALE = 0.5
"""Length scale in standard deviations of the features, times the root of their number."""
NOISE = 0.05
AMPLITUDE = 0.3
READ = ("dense", "output_matrix", "experts_read", "cache")


def roofline(found: Data) -> tuple[Vector, Vector]:
    """TPOT and TTFT in seconds at full peaks."""
    step, prompt = decode_terms(found.table.columns, found.table.running), prefill_terms(found.table.columns)
    tpot = np.maximum(sum(step[name] for name in READ), step["arithmetic"] + step["attention"])
    ttft = np.maximum(prompt["arithmetic"] + prompt["attention"], prompt["read"])
    return tpot, ttft


def regressors(found: Data) -> Vector:
    """Standardized logarithms and kinds, with a column of ones."""
    c = found.table.columns
    terms = terms_of("tpot", found.table)
    names = ("dense", "experts_read", "cache", "arithmetic", "prefill_arithmetic", "prefill_attention", "launch")
    logs = [np.log(np.maximum(terms[name], 1e-7)) for name in names]
    sizes = [np.log(c[name]) for name in ("requests", "context", "output", "accelerators", "active", "hidden")]
    table = np.column_stack([*logs, *sizes, np.log(sum(roofline(found))), design(c, found.table.engines)[:, 1:]])
    spread = table.std(0)
    kept = spread > 0
    return np.column_stack([np.ones(len(table)), (table[:, kept] - table[:, kept].mean(0)) / spread[kept]])


def held_out_naive(found: Data, groups: Sequence[Sequence[int]]) -> Mapping[str, Mapping[str, Vector]]:
    """By predictor and target: seconds of every row that some group holds out, nan of the others."""
    x = regressors(found)
    near = AMPLITUDE**2 * np.exp(-0.5 * _squares(x[:, 1:]) / (SCALE**2 * (x.shape[1] - 1)))
    inverse = np.linalg.inv(near + NOISE**2 * np.eye(len(x)))
    tpot, ttft = roofline(found)
    targets = {"tpot": found.tpot, "ttft": found.ttft}
    linear = {name: np.full(len(x), np.nan) for name in targets}
    process = {name: np.full(len(x), np.nan) for name in targets}
    for group in groups:
        held = np.array(group)
        rest = np.setdiff1d(np.arange(len(x)), held)
        for name, measured in targets.items():
            logs = np.log(measured)
            beta = np.linalg.solve(x[rest].T @ x[rest] + RIDGE * np.eye(x.shape[1]), x[rest].T @ logs[rest])
            left = logs - x @ beta
            pull = inverse[np.ix_(held, rest)] @ left[rest]
            more = -np.linalg.solve(inverse[np.ix_(held, held)], pull)
            linear[name][held] = np.exp(x[held] @ beta)
            process[name][held] = np.exp(x[held] @ beta + more)
    return {"roofline": {"tpot": tpot, "ttft": ttft}, "ridge": linear, "ridge + process": process}


def _squares(x: Vector) -> Vector:
    total = (x * x).sum(1)
    found: Vector = np.maximum(total[:, None] + total[None] - 2 * x @ x.T, 0.0)
    return found
