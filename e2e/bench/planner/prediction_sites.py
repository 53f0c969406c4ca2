"""Error of a configuration that the fit has not seen, after 0, 1, 3 and 10 measurements on site. Pure."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import numpy as np

from inferfleet.fitting.crossing import Errors, Fit
from inferfleet.fitting.splits import strict
from inferfleet.performance.model import Fitted
from inferfleet.performance.onsite import corrections

POINTS = (0, 1, 3, 10)
FEWEST = 12
"""Different measurements of a configuration: below it ten points would leave nothing to predict."""


def on_site(fit: Fit, e: Errors) -> Mapping[str, float]:
    """Median percent on loads that were not measured, by points and target; points chosen by a stable hash."""
    wrong: dict[str, list[float]] = {f"{n}_{target}": [] for n in POINTS for target in ("tpot", "ttft")}
    for members in _configurations(fit, e):
        for target, left, fitted in (("tpot", e.tpot, fit.fitted.tpot), ("ttft", e.ttft, fit.fitted.ttft)):
            for n in POINTS:
                wrong[f"{n}_{target}"].extend(_left(fit, e, left, fitted, (members, n)))
    return {name: round(float(np.median(values)), 2) for name, values in wrong.items()}


def _configurations(fit: Fit, e: Errors) -> list[list[int]]:
    """Places in the errors of one row a measurement, in an order that a hash decides."""
    found: dict[str, dict[int, int]] = {}
    for i, row in enumerate(e.rows):
        found.setdefault("|".join(strict(fit.rows[row])), {}).setdefault(fit.places[row], i)
    shuffled = [
        sorted(m.values(), key=lambda i: sha256(fit.rows[e.rows[i]].id.encode()).digest()) for m in found.values()
    ]
    return [members for members in shuffled if len(members) >= FEWEST]


def _left(fit: Fit, e: Errors, left: np.ndarray, fitted: Fitted, chosen: tuple[Sequence[int], int]) -> list[float]:
    """The last rows are predicted whatever is measured, so that all numbers of points are scored alike."""
    members, n = chosen
    known, rest = members[:n], members[max(POINTS) :]
    points = [(fit.rows[e.rows[i]].load, float(np.exp(left[i]))) for i in known]
    factors = corrections(fitted, points, [fit.rows[e.rows[i]].load for i in rest])
    return [abs(float(np.exp(-left[i]) * factor) - 1) * 100 for i, factor in zip(rest, factors, strict=True)]
