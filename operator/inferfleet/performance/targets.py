"""TPOT and TTFT of many setups and loads, from what was fitted. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import numpy as np

from inferfleet.performance.columns import Columns, Vector
from inferfleet.performance.model import Fitted, Groups, design, features, parts
from inferfleet.performance.recall import Recall, recalled
from inferfleet.performance.shape import Shape
from inferfleet.performance.terms import Terms, capacity, tpot_terms, ttft_terms
from inferfleet.performance.types import Run

SHARES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "tpot": {
        "weights": ("dense", "output_matrix", "experts_read"),
        "cache": ("cache",),
        "links": ("hops", "exchange"),
        "overhead": ("launch", "launch_experts", "launch_linear", "host", "host_request"),
        "prefill": ("prefill_arithmetic", "prefill_attention", "prefill_read", "prefill_exchange"),
    },
    "ttft": {
        "prefill": ("arithmetic", "attention", "read", "exchange"),
        "overhead": ("launch", "host", "tokens"),
        "burst": ("burst", "contention"),
        "step": ("step", "stream", "chunks"),
        "turn": ("turn",),
        "overflow": ("overflow", "near"),
    },
}
"""Of a target's time: what the kernels see of its terms."""
CORRECTION_LIMIT = 0.8
"""Of a logarithm: no correction above a factor of 2.2."""


@dataclass(frozen=True)
class Table:
    """Many setups and loads, one row each."""

    columns: Columns
    engines: tuple[str, ...]
    groups: Groups
    kinds: Vector
    running: Vector
    """Requests that are in the batch: those in flight, as far as their KV cache fits."""


@dataclass(frozen=True)
class Seen:
    """The rows that a target was fitted on, as the kernels see them."""

    features: Columns
    groups: Groups


def table(columns: Columns, shapes: Sequence[Shape], runs: Sequence[Run] | None = None) -> Table:
    """`runs`: what tells apart measurements of one configuration, such as the engine's version."""
    engines = tuple(shape.engine for shape in shapes)
    return Table(
        columns=columns,
        engines=engines,
        groups=_groups(columns, shapes, runs or [Run()] * len(engines)),
        kinds=design(columns, engines),
        running=np.minimum(columns["requests"], capacity(columns)),
    )


def _groups(c: Columns, shapes: Sequence[Shape], runs: Sequence[Run]) -> Groups:
    architecture = [shape.architecture for shape in shapes]
    family = [f"{a}|{shape.engine}" for a, shape in zip(architecture, shapes, strict=True)]
    line = [f"{f}|{s.system}|{s.format}|{s.unmarked}" for f, s in zip(family, shapes, strict=True)]
    spread = [f"{s.tensor:.0f},{s.pipeline:.0f},{s.data:.0f},{s.expert:.0f}" for s in shapes]
    kind = [f"{f}|{s.format}|{s.unmarked}" for f, s in zip(family, shapes, strict=True)]
    config = [f"{name}|{sizes}" for name, sizes in zip(line, spread, strict=True)]
    lengths = [f"{n}|{i:.0f},{o:.0f}" for n, i, o in zip(config, c["context"], c["output"], strict=True)]
    run = [f"{n}|{r.version} {r.day}" for n, r in zip(config, runs, strict=True)]
    named = {"architecture": architecture, "family": family, "kind": kind, "config": config}
    found = {**named, "lengths": lengths, "run": run}
    return {name: np.array([_code(label) for label in labels], np.int64) for name, labels in found.items()}


@lru_cache(maxsize=100_000)
def _code(label: str) -> int:
    """A number that stands for a label, the same everywhere: numbers compare faster."""
    return int.from_bytes(sha256(label.encode()).digest()[:7], "big")


def physics(target: str, t: Table, fitted: Fitted, terms: Terms) -> tuple[Vector, Columns]:
    """Seconds without correction, and the features of every row."""
    found = parts(terms, fitted.terms, t.kinds, fitted.coefficients)
    seconds: Vector = found.sum(1)
    place = {name: index for index, name in enumerate(fitted.terms)}
    shares = {
        share: sum((found[:, place[name]] for name in names), np.zeros(len(seconds))) / seconds
        for share, names in SHARES[target].items()
    }
    return seconds, features(t.columns, t.engines, seconds, shares)


def terms_of(target: str, t: Table, tpot: Vector | None = None) -> Terms:
    """Ideal terms of a target; those of TTFT need the TPOT that physics predicts."""
    if target == "tpot":
        return tpot_terms(t.columns, t.running)
    if tpot is None:
        raise ValueError("the terms of TTFT need the predicted TPOT")
    return ttft_terms(t.columns, t.running, tpot)


def correction(t: Table, found: Columns, kernels: Sequence[Recall]) -> Vector:
    """Logarithm by which the physics of every row is wrong, as far as similar rows tell."""
    return np.clip(recalled(kernels, found, t.groups), -CORRECTION_LIMIT, CORRECTION_LIMIT)
