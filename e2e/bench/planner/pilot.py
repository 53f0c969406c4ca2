"""`make bench-planner`, part: hardware for a language model that nobody has measured, on LLM-Pilot's data."""

import argparse
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from e2e.bench.planner.pilot_trees import recommendation
from inferfleet.fitting.pilot import (
    Cell,
    Recommendation,
    Score,
    Target,
    Verdict,
    capacities,
    cheapest,
    judge,
    score,
)
from inferfleet.fitting.pilot_data import cells as read_cells
from inferfleet.fitting.pilot_data import published_predictions, published_scores
from inferfleet.fitting.pilot_study import Outcome, study

_STATIC_PODS: Final = (*range(1, 11), 15, 20, 25, 30, 35)  # the fixed policies that the paper tries
_RESAMPLES, _SEED = 2000, 7
_OURS = "LLM-Pilot"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.planner.pilot", description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that holds llm_pilot")
    figures, section = run(parser.parse_args().data)
    print(section)
    print(figures)


def run(data: Path) -> tuple[dict[str, float], str]:
    """Figures and the section of the page, of the data sets in `data`."""
    folder, target = data / "llm_pilot", Target()
    cells = read_cells(folder)
    outcomes = study(cells, target)
    blind, informed = [o.blind for o in outcomes], [o.informed for o in outcomes]
    trees = _verdicts(cells, target, {o.language: recommendation(cells, o.language, target) for o in outcomes})
    fixed, policy = best_static(cells, target)
    published, how = reproduced(folder, target)
    figures = {
        "llm_pilot_score": score(blind).value,
        "llm_pilot_score_one_profile": score(informed).value,
        "llm_pilot_published_reproduced": published,
    }
    rows = [
        ("ours, no measurement", blind),
        ("ours, after measuring one profile of its choice", informed),
        ("boosted trees after LLM-Pilot's recipe", trees),
        (f"best fixed choice in hindsight ({policy})", fixed),
    ]
    return figures, _section(rows, outcomes, f"{how} The score is {published:.4f}.")


def reproduced(folder: Path, target: Target) -> tuple[float, str]:
    """LLM-Pilot's own score by our scoring: from its predictions where they are, else from its two published rates."""
    pairs = published_predictions(folder)
    if pairs is None:
        success, overspend, _ = published_scores(folder)[_OURS]
        return Score(success, overspend).value, (
            "LLM-Pilot's predictions are not in the folder, so only the last step of its published score is "
            "checked: S/O from its published success rate and overspend over ten models."
        )
    predicted = [p for _, p in pairs]
    names = sorted({c.language.name for c in predicted})
    chosen = {n: _from_predictions([c for c in predicted if c.language.name == n], target) for n in names}
    return score(_verdicts([m for m, _ in pairs], target, chosen)).value, (
        f"LLM-Pilot's published predictions of {len(names)} models, scored by the same code."
    )


def best_static(cells: Sequence[Cell], target: Target) -> tuple[list[Verdict], str]:
    """The one profile and count of pods that would have scored best for all models, and its name."""
    names = sorted({c.language.name for c in cells})
    profiles = sorted({c.profile.name for c in cells})
    tried = [Recommendation(profile, pods) for profile, pods in product(profiles, _STATIC_PODS)]
    judged = [(_verdicts(cells, target, dict.fromkeys(names, policy)), policy) for policy in tried]
    verdicts, policy = max(judged, key=lambda pair: score(pair[0]).value)
    return verdicts, f"{policy.pods} pods of {policy.profile}"


def interval(verdicts: Sequence[Verdict]) -> tuple[float, float]:
    """90 % of S/O over language models drawn anew."""
    draws = np.random.default_rng(_SEED).integers(0, len(verdicts), (_RESAMPLES, len(verdicts)))
    values = [score([verdicts[i] for i in row]).value for row in draws]
    low, high = np.quantile(values, [0.05, 0.95])
    return float(low), float(high)


def _from_predictions(predicted: Sequence[Cell], target: Target) -> Recommendation | None:
    prices = {c.profile.name: c.profile.price for c in predicted}
    return cheapest(capacities(predicted, target), prices, target.users)


def _verdicts(cells: Sequence[Cell], target: Target, chosen: dict[str, Recommendation | None]) -> list[Verdict]:
    judged = (judge(given, [c for c in cells if c.language.name == name], target) for name, given in chosen.items())
    return [v for v in judged if v is not None]


def _section(rows: Iterable[tuple[str, Sequence[Verdict]]], outcomes: Sequence[Outcome], anchor: str) -> str:
    lines = [
        "### Hardware for a language model that nobody has measured (LLM-Pilot)",
        "",
        "200 users, at most 100 ms to the first token per input token and 50 ms between tokens. Each model in turn is "
        "hidden; constants, beliefs and margins come from the others. S/O is the harmonic mean of the success rate "
        f"and of one less the overspend. {anchor}",
        "",
        "The form of the method was settled while looking at these same models, and they are few: a model that took "
        "no part may well score lower, and the intervals are wide.",
        "",
        "| choice | models | success | overspend | S/O (90 % interval over models) |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, verdicts in rows:
        total, (low, high) = score(verdicts), interval(verdicts)
        lines.append(
            f"| {name} | {len(verdicts)} | {total.success:.0%} | {total.overspend:.1%} "
            f"| {total.value:.3f} ({low:.2f} to {high:.2f}) |"
        )
    lines += [
        "",
        "| hidden model | cheapest that serves | no measurement | measured | after measuring it |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {o.language} | {_words(o.blind.best)} | {_outcome(o.blind)} | {o.measured} | {_outcome(o.informed)} |"
        for o in outcomes
    ]
    return "\n".join([*lines, ""])


def _outcome(verdict: Verdict) -> str:
    result = "**fails**" if verdict.overspend is None else f"+{verdict.overspend:.0%}"
    return f"{_words(verdict.recommended)}: {result}"


def _words(given: Recommendation | None) -> str:
    return "nothing" if given is None else f"{given.pods} pods of {given.profile}"


if __name__ == "__main__":
    main()
