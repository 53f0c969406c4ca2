"""How well the performance model predicts what it has not seen, beside naive predictors. Reads a folder of data.

`python -m e2e.bench.planner.prediction DIR` prints the section. Splits are fixed by a stable hash; intervals of the
medians are bootstraps over groups (configurations), not rows.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from e2e.bench.planner.prediction_memory import capacity_errors, words
from e2e.bench.planner.prediction_sites import on_site
from e2e.bench.record import table
from inferfleet.catalog.loader import load
from inferfleet.fitting.baselines import held_out_naive
from inferfleet.fitting.caution import cautioned
from inferfleet.fitting.command import measured
from inferfleet.fitting.crossing import Errors, Fit, coverage, errors, prepared
from inferfleet.fitting.splits import SPLITS, held_out, strict
from inferfleet.performance.columns import Vector

REACH: Mapping[str, tuple[str, str]] = {
    "leave_cell": ("2.5 / 6", "8 / 18"),
    "leave_config": ("5 / 10", "12 / 25"),
    "leave_model": ("15 / 25", "25 / 45"),
    "leave_model_system": ("12 / 20", "20 / 40"),
    "time": ("8 / 12", "15 / 25"),
}
"""Median / mean error in percent that was aimed at, TPOT and TTFT."""
NAIVE = (*REACH, "leave_config_strict", "leave_architecture")
"""Splits on which the naive predictors are scored, too."""
TRIED = """\
What was tried and did not help: looser differences between kinds of hardware and engines, or a loss nearer to
squares (better on known configurations, worse on new models, systems and days); no correction at all on new models; a
shorter memory of old measurements (better for TTFT by time, worse for TPOT). What is left is mostly procedure: internal
runs queue prompts differently in every file, and some rows are explained by no setting that they name."""
RESAMPLES = 1000
SEED = 20261122
Section = tuple[dict[str, float], str]


@dataclass(frozen=True)
class Score:
    """Percent."""

    median: float
    mean: float
    low: float
    high: float

    @property
    def words(self) -> str:
        """For a table."""
        return f"{self.median:.1f} / {self.mean:.1f} [{self.low:.1f}, {self.high:.1f}]"


def run(data: Path) -> Section:
    """Flat figures, and a section in Markdown."""
    fit = prepared(measured(data, load()))
    found = cautioned({split: errors(fit, split) for split in SPLITS}, fit.rows)
    inside = coverage(found, fit.rows)
    naive = {split: _naive(fit, split) for split in NAIVE}
    figures = _figures(fit, found, inside)
    sites = on_site(fit, found["leave_config_strict"])
    figures.update({f"on_site_{name}": value for name, value in sites.items()})
    fits = capacity_errors(data, load())
    figures["kv_capacity_error_median"] = round(float(np.median(np.abs(fits))), 2)
    return figures, f"{_section(fit, found, inside, naive, sites)}\n\n{words(fits)}"


def _figures(fit: Fit, found: Mapping[str, Errors], inside: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    figures = {}
    for split, e in found.items():
        for target, left, covered in (("tpot", e.tpot, inside[split][0]), ("ttft", e.ttft, inside[split][1])):
            score = _score(left, _groups(fit, e))
            figures[f"{split}_{target}_median"] = round(score.median, 2)
            figures[f"{split}_{target}_mean"] = round(score.mean, 2)
            figures[f"{split}_{target}_coverage"] = round(covered, 1)
    return figures


def _score(left: Vector, groups: Sequence[str]) -> Score:
    """Of predicted over measured, with a bootstrap of the median over groups."""
    wrong = np.abs(np.exp(-left) - 1) * 100
    names, place = np.unique(np.array(groups), return_inverse=True)
    members = [wrong[place == i] for i in range(len(names))]
    chance = np.random.default_rng(SEED)
    medians = [
        np.median(np.concatenate([members[i] for i in chance.integers(0, len(members), len(members))]))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(medians, (0.05, 0.95))
    return Score(float(np.median(wrong)), float(wrong.mean()), float(low), float(high))


def _groups(fit: Fit, e: Errors) -> list[str]:
    return ["|".join(strict(fit.rows[row])) for row in e.rows]


def _naive(fit: Fit, split: str) -> Mapping[str, tuple[Score, Score]]:
    """The baselines held out alike; a measurement under two labels is held out with either."""
    groups = [sorted({fit.places[row] for row in group}) for group in held_out(split, fit.rows).values()]
    out = {}
    for name, times in held_out_naive(fit.found, groups).items():
        scores = []
        for target, truth in (("tpot", fit.found.tpot), ("ttft", fit.found.ttft)):
            kept = [row for group in held_out(split, fit.rows).values() for row in group]
            places = [fit.places[row] for row in kept]
            left = np.log(truth[places] / times[target][places])
            scores.append(_score(left, ["|".join(strict(fit.rows[row])) for row in kept]))
        out[name] = (scores[0], scores[1])
    return out


def _section(
    fit: Fit,
    found: Mapping[str, Errors],
    inside: Mapping[str, tuple[float, float]],
    naive: Mapping[str, Mapping[str, tuple[Score, Score]]],
    sites: Mapping[str, float],
) -> str:
    parts = [
        "Aggregated rows of the silicon sample; median / mean absolute error in percent, in brackets the 90 % "
        "bootstrap interval of the median over configurations. Held-out rows are never in the fit that predicts them. "
        "`strict` and `architecture` hold out the same measurement or network under other labels, too.",
        _errors_table(fit, found),
        TRIED,
        "Naive predictors, held out with every label of a measurement: their rows compare with ours where the split is "
        "`strict` or by architecture; elsewhere ours may have seen a twin.",
        _naive_table(naive),
        "Share of held-out rows inside 90 % intervals, whose bounds come from four fifths of the other configurations:",
        _coverage_table(inside),
        "Error (median, percent) on the other loads of a configuration that the fit has not seen, after so many "
        "measurements of it on site:",
        table(("points", "TPOT", "TTFT"), [(n, sites[f"{n}_tpot"], sites[f"{n}_ttft"]) for n in (0, 1, 3, 10)]),
        "Cells (model, system, engine) with the largest errors when the configuration is held out:",
        _worst_table(fit, found["leave_config_strict"]),
    ]
    return "\n\n".join(parts)


def _errors_table(fit: Fit, found: Mapping[str, Errors]) -> str:
    rows = []
    for split, e in found.items():
        reach, groups = REACH.get(split, ("", "")), _groups(fit, e)
        scores = [_score(left, groups).words for left in (e.tpot, e.tpot_physics, e.ttft, e.ttft_physics)]
        rows.append((split, len(e.rows), scores[0], reach[0], scores[1], scores[2], reach[1], scores[3]))
    head = ("split", "rows", "TPOT", "to reach", "TPOT, physics alone", "TTFT", "to reach", "TTFT, physics alone")
    return table(head, rows)


def _naive_table(naive: Mapping[str, Mapping[str, tuple[Score, Score]]]) -> str:
    rows = [
        (split, name, tpot.words, ttft.words) for split, found in naive.items() for name, (tpot, ttft) in found.items()
    ]
    return table(("split", "naive predictor", "TPOT", "TTFT"), rows)


def _coverage_table(inside: Mapping[str, tuple[float, float]]) -> str:
    rows = [(split, f"{tpot:.1f}", f"{ttft:.1f}") for split, (tpot, ttft) in inside.items()]
    return table(("split", "TPOT", "TTFT"), rows)


def _worst_table(fit: Fit, e: Errors, most: int = 12) -> str:
    lines: dict[str, list[int]] = {}
    for i, row in enumerate(e.rows):
        r = fit.rows[row]
        lines.setdefault(f"{r.setup.model.name}, {r.system}, {r.setup.engine}, {r.precision}", []).append(i)
    wrong = np.abs(np.exp(-np.stack([e.tpot, e.ttft])) - 1) * 100
    scored = [
        (name, len(at), *(f"{np.median(wrong[k, at]):.1f} / {wrong[k, at].mean():.1f}" for k in (0, 1)))
        for name, at in sorted(lines.items(), key=lambda item: -float(np.median(wrong[0, item[1]])))
    ]
    return table(("cell", "rows", "TPOT", "TTFT"), scored[:most])


def main(arguments: Sequence[str]) -> int:
    """Print figures and section."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m e2e.bench.planner.prediction DIR: a folder with aiconfigurator/silicon_sample.csv")
        return 2
    figures, text = run(Path(arguments[0]))
    print(json.dumps(figures, indent=2))
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
