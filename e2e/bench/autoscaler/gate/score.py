"""The gate of the simulator: recorded runs of an autoscaled vLLM on H100, simulated with the pods that were there.

Each run is scored with what was fitted on the two next ones (by name, in a circle) and never on itself. Reads.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from e2e.bench.autoscaler.gate.model import Habits, Speed, habits, replay
from e2e.bench.autoscaler.gate.runs import Recorded, read
from inferfleet.sim.types import Floats

TTFT, ITL = 2.0, 0.05
"""Seconds: the data's own targets."""
LIMITS: Mapping[str, float] = {
    "attainment_points": 2.0,
    "itl_p50_percent": 3.0,
    "itl_p99_percent": 10.0,
    "ttft_p50_percent": 15.0,
    "ttft_p95_percent": 25.0,
}
"""What each may differ by, either way."""
TEACHERS = 2
SEEDS = (1, 2, 3)
_START = (9.5, 0.1, 42.0, 8.0)
_UNITS = (1e-3, 1e-3, 1e3, 1e-3)
_TRIALS = 90
_FITTED = (("itl", (5, 25, 40, 50, 60, 75, 95, 99), 0.03), ("ttft", (10, 50, 75, 90, 95), 0.15))
"""Percentiles that the fit looks at, and the relative error that counts as one."""


@dataclass(frozen=True)
class Score:
    """One run, simulated beside recorded; means over seeds. Attainment as a share, the others in seconds."""

    run: str
    teachers: tuple[str, ...]
    speed: Speed
    simulated: Mapping[str, float]
    recorded: Mapping[str, float]

    @property
    def errors(self) -> dict[str, float]:
        """By the names of `LIMITS`, signed."""
        found = {"attainment_points": 100 * (self.simulated["attainment"] - self.recorded["attainment"])}
        for name in ("itl_p50", "itl_p99", "ttft_p50", "ttft_p95"):
            found[f"{name}_percent"] = 100 * (self.simulated[name] / self.recorded[name] - 1)
        return found


def gate(data: Path) -> dict[str, float]:
    """The worst differences of all runs, by `gate_<name of LIMITS>`; prints a table. FileNotFoundError without runs."""
    figures, section = run(data)
    print(section)
    return dict(figures)


def run(data: Path) -> tuple[Mapping[str, float], str]:
    """Figures and a section in Markdown."""
    scores = tuple(score(one, teachers) for one, teachers in folds(read(data)))
    figures = {f"gate_{name}": max(abs(s.errors[name]) for s in scores) for name in LIMITS}
    figures["gate_passed"] = float(all(figures[f"gate_{name}"] <= limit for name, limit in LIMITS.items()))
    return figures, section(scores)


def folds(runs: Sequence[Recorded]) -> list[tuple[Recorded, tuple[Recorded, ...]]]:
    """Each run with those that it is judged from. Raises ValueError for a single run, which has none."""
    if len(runs) < 2:
        raise ValueError("the gate needs two recorded runs with requests at least: one to fit on, one to score")
    count = min(TEACHERS, len(runs) - 1)
    return [(one, tuple(runs[(i + k) % len(runs)] for k in range(1, count + 1))) for i, one in enumerate(runs)]


def score(one: Recorded, teachers: tuple[Recorded, ...]) -> Score:
    """Fit on the teachers, simulate the other."""
    known = habits(teachers)
    speed = fit(teachers, known)
    found = [figures_of(s.ttft, s.itl) for s in (replay(one, speed, known, seed) for seed in SEEDS)]
    mean = {name: float(np.mean([f[name] for f in found])) for name in found[0]}
    return Score(one.name, tuple(t.name for t in teachers), speed, mean, figures_of(one.ttft, one.itl))


def fit(runs: Sequence[Recorded], known: Habits) -> Speed:
    """The speed whose simulations differ least from the runs, over percentiles of both latencies."""
    result = minimize(
        lambda x: sum(_difference(run, _speed(x), known) for run in runs),
        np.array(_START),
        method="Nelder-Mead",
        options={"maxfev": _TRIALS, "initial_simplex": _simplex()},
    )
    return _speed(result.x)


def _difference(one: Recorded, speed: Speed, known: Habits) -> float:
    simulated = replay(one, speed, known, seed=0)
    found = 0.0
    for name, percentiles, unit in _FITTED:
        mine, theirs = (np.nanpercentile(getattr(x, name), percentiles) for x in (simulated, one))
        found += float(np.abs(np.log(mine / theirs)).sum()) / unit
    return found


def _speed(x: Floats) -> Speed:
    return Speed(*(float(abs(value) * unit) for value, unit in zip(x, _UNITS, strict=True)))


def _simplex() -> Floats:
    rows = [list(_START)]
    for i, value in enumerate(_START):
        rows.append([*_START[:i], value * 1.08, *_START[i + 1 :]])
    return np.array(rows)


def figures_of(ttft: Floats, itl: Floats) -> dict[str, float]:
    """A request without a first token meets no target."""
    return {
        "attainment": float(np.mean((ttft <= TTFT) & (itl <= ITL))),
        "itl_p50": float(np.nanpercentile(itl, 50)),
        "itl_p99": float(np.nanpercentile(itl, 99)),
        "ttft_p50": float(np.nanpercentile(ttft, 50)),
        "ttft_p95": float(np.nanpercentile(ttft, 95)),
    }


def section(scores: Sequence[Score]) -> str:
    """A table of all runs, and the worst differences."""
    head = "| run | attainment | ITL p50 ms | ITL p99 ms | TTFT p50 s | TTFT p95 s |\n|---|---|---|---|---|---|"
    rows = [_row(s) for s in scores]
    worst = [f"{max(abs(s.errors[n]) for s in scores):.1f} (allowed {limit:.0f})" for n, limit in LIMITS.items()]
    fitted = [
        f"{s.run.split('_', 1)[-1]}: {s.speed.base * 1e3:.2f} ms + {s.speed.per_sequence * 1e3:.3f} ms a sequence, "
        f"{s.speed.prefill_rate / 1e3:.0f} k prompt tokens/s, {s.speed.overhead * 1e3:.0f} ms outside of the engine"
        for s in scores
    ]
    return "\n".join(
        [
            "### The simulator against recorded runs",
            "",
            "Simulated / recorded (difference). Each run is simulated with the pods that it had, with speeds that were "
            "fitted on two other runs; targets: TTFT 2 s, ITL 50 ms.",
            "",
            head,
            *rows,
            f"| worst difference: points, else % | {' | '.join(worst)} |",
            "",
            "Fitted on the others: " + "; ".join(fitted) + ".",
        ]
    )


def _row(s: Score) -> str:
    cells = [f"{s.simulated['attainment']:.3f} / {s.recorded['attainment']:.3f} ({s.errors['attainment_points']:+.1f})"]
    for name, factor, digits in (("itl_p50", 1e3, 1), ("itl_p99", 1e3, 1), ("ttft_p50", 1, 3), ("ttft_p95", 1, 3)):
        mine, theirs = s.simulated[name] * factor, s.recorded[name] * factor
        cells.append(f"{mine:.{digits}f} / {theirs:.{digits}f} ({s.errors[f'{name}_percent']:+.1f} %)")
    return f"| {s.run} | {' | '.join(cells)} |"


def main(argv: Sequence[str]) -> int:
    """Exit status: 0 passed, 1 not, 2 without data."""
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.autoscaler.gate.score", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of data sets (%(default)s)")
    try:
        figures = gate(parser.parse_args(argv).data)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if figures["gate_passed"] else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
