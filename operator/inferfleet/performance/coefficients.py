"""What was fitted, as a file keeps it. Pure: text in, coefficients out, and back.

The file is JSON: provenance, the measured setups as numbers, one line of loads and weights for each measured row, and
per target its terms, coefficients, kernels and intervals. Rows are kept because the kernels compare with them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from inferfleet.performance.caution import Caution
from inferfleet.performance.columns import LABELS, NUMBERS, Vector, columns
from inferfleet.performance.envelope import known
from inferfleet.performance.intervals import Bounds
from inferfleet.performance.model import DESIGN, Fitted, Kernel
from inferfleet.performance.power import Power
from inferfleet.performance.recall import recall
from inferfleet.performance.shape import Shape
from inferfleet.performance.targets import physics, table, terms_of
from inferfleet.performance.types import Coefficients, Load, Run

FORMAT = 2
DIGITS = 6
"""Significant, of every number in the file: errors of rounding stay below a thousandth of any prediction."""


class CoefficientsError(ValueError):
    """The file is not what this release reads."""


@dataclass(frozen=True)
class Remembered:
    """Measured setups and loads, row by row."""

    shapes: tuple[Shape, ...]
    loads: tuple[Load, ...]
    runs: tuple[Run, ...]


def parse(text: str) -> Coefficients:
    """Raises CoefficientsError where the file is of another format or damaged."""
    try:
        raw = json.loads(text)
        if raw["format"] != FORMAT:
            raise CoefficientsError(f"coefficients of format {raw['format']}, this release reads {FORMAT}: fit anew")
        if tuple(raw["numbers"]) != NUMBERS or tuple(raw["design"]) != DESIGN:
            raise CoefficientsError("coefficients of other terms than this release has: fit anew with `inferfleet fit`")
        return _assembled(raw, sha256(text.encode()).hexdigest()[:16])
    except (KeyError, TypeError, IndexError, json.JSONDecodeError) as error:
        raise CoefficientsError(f"coefficients cannot be read: {error!r}") from error


def _assembled(raw: Mapping[str, Any], version: str) -> Coefficients:
    rows = _rows(raw)
    cols = columns(_numbers(rows.shapes), rows.loads, rows.runs)
    t = table(cols, rows.shapes, rows.runs)
    tpot, ttft = _fitted(raw["tpot"]), _fitted(raw["ttft"])
    seconds, tpot_features = physics("tpot", t, tpot, terms_of("tpot", t))
    _, ttft_features = physics("ttft", t, ttft, terms_of("ttft", t, seconds))
    return Coefficients(
        tpot=tpot,
        ttft=ttft,
        tpot_recall=recall(tpot, tpot_features, t.groups),
        ttft_recall=recall(ttft, ttft_features, t.groups),
        tpot_caution=_caution(raw["tpot"]),
        ttft_caution=_caution(raw["ttft"]),
        tpot_bounds=_bounds(raw["tpot"]),
        ttft_bounds=_bounds(raw["ttft"]),
        measured=known(cols, rows.shapes, rows.runs),
        power=Power(**raw["power"]),
        provenance=raw["provenance"],
        version=version,
    )


def dump(
    rows: Remembered,
    fitted: tuple[Fitted, Fitted],
    cautions: tuple[Caution, Caution],
    limits: tuple[Bounds, Bounds],
    power: Power,
    where: Mapping[str, str],
) -> str:
    """The file's text; `fitted`, `cautions` and `limits` of TPOT and TTFT."""
    setups = list(dict.fromkeys(rows.shapes))
    place = {shape: i for i, shape in enumerate(setups)}
    runs = sorted(set(rows.runs), key=astuple)
    lines = [
        [place[shape], load.input_tokens, load.output_tokens, load.concurrency, runs.index(run)]
        for shape, load, run in zip(rows.shapes, rows.loads, rows.runs, strict=True)
    ]
    raw = {
        "format": FORMAT,
        "provenance": dict(where),
        "design": DESIGN,
        "numbers": NUMBERS,
        "power": asdict(power),
        "tpot": _target(fitted[0], cautions[0], limits[0]),
        "ttft": _target(fitted[1], cautions[1], limits[1]),
        "runs": [astuple(run) for run in runs],
        "setups": [[*(getattr(s, n) for n in LABELS), *(_short(getattr(s, n)) for n in NUMBERS)] for s in setups],
        "rows": lines,
    }
    return _lines(raw)


def _lines(raw: Mapping[str, Any]) -> str:
    """One line a setup and a row, so that a new fit can be compared with the old."""
    parts = []
    for name, value in raw.items():
        if name in ("setups", "rows"):
            inner = ",\n".join(json.dumps(item, separators=(",", ":")) for item in value)
            parts.append(f'"{name}":[\n{inner}\n]')
        else:
            parts.append(f'"{name}":{json.dumps(value, separators=(",", ":"))}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _target(fitted: Fitted, caution: Caution, limits: Bounds) -> Mapping[str, Any]:
    return {
        "terms": fitted.terms,
        "coefficients": [[_short(x) for x in row] for row in fitted.coefficients],
        "kernels": [asdict(kernel) for kernel in fitted.kernels],
        "caution": caution,
        "bounds": {name: [_short(x) for x in values] for name, values in limits.items()},
        "weights": [_short(x) for x in fitted.weights],
    }


def _fitted(raw: Mapping[str, Any]) -> Fitted:
    kernels = tuple(Kernel(k["group"], k["amplitude"], k["scales"]) for k in raw["kernels"])
    return Fitted(tuple(raw["terms"]), np.array(raw["coefficients"]), kernels, np.array(raw["weights"]))


def _caution(raw: Mapping[str, Any]) -> Caution:
    return {name: (values[0], values[1]) for name, values in raw["caution"].items()}


def _bounds(raw: Mapping[str, Any]) -> Bounds:
    return {name: (values[0], values[1], values[2], values[3]) for name, values in raw["bounds"].items()}


def _rows(raw: Mapping[str, Any]) -> Remembered:
    setups = [
        Shape(
            **dict(zip(LABELS, item[: len(LABELS)], strict=True)),
            **dict(zip(NUMBERS, item[len(LABELS) :], strict=True)),
        )
        for item in raw["setups"]
    ]
    runs = [Run(*item) for item in raw["runs"]]
    return Remembered(
        shapes=tuple(setups[row[0]] for row in raw["rows"]),
        loads=tuple(Load(row[1], row[2], row[3]) for row in raw["rows"]),
        runs=tuple(runs[row[4]] for row in raw["rows"]),
    )


def _numbers(shapes: Sequence[Shape]) -> Vector:
    known_rows: dict[Shape, list[float]] = {}
    for shape in shapes:
        if shape not in known_rows:
            known_rows[shape] = [float(getattr(shape, name)) for name in NUMBERS]
    return np.array([known_rows[shape] for shape in shapes])


def _short(value: float) -> float:
    return float(f"{float(value):.{DIGITS}g}")


def rounded(shape: Shape) -> Shape:
    """As the file keeps it: what is fitted must be what is read."""
    kept: dict[str, Any] = {name: getattr(shape, name) for name in LABELS}
    kept.update((name, _short(getattr(shape, name))) for name in NUMBERS)
    return Shape(**kept)
