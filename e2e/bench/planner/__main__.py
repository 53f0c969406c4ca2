"""`make bench-planner`: how good predictions, placements and recommendations are, on public measurements; how long
they take. Reads a folder of measurements; writes `build/bench/planner.json` and a section of docs/benchmarks.md.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from e2e.bench import record
from e2e.bench.planner import candidates, options, pilot, placement, prediction

Part = Callable[[Path], tuple[Mapping[str, float], str]]
PARTS: Mapping[str, tuple[str, Part]] = {
    "prediction": ("aiconfigurator", prediction.run),
    "placement": ("trtllm_perf_overview", placement.run),
    "recommendation": ("llm_pilot", pilot.run),
    "candidates": ("", candidates.run),
    "options": ("", options.run),
}
"""With the folder of DATA that each reads; empty: none."""


def main(argv: Sequence[str]) -> int:
    """Exit status: 1 where the data are not there."""
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.planner", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder of measurements (%(default)s)"
    )
    data: Path = parser.parse_args(argv).data
    if absent := [folder for folder, _ in PARTS.values() if folder and not (data / folder).is_dir()]:
        print(
            f"{data} lacks {', '.join(absent)}: make bench-planner DATA=<folder of the measurements>", file=sys.stderr
        )
        return 1
    figures: dict[str, float] = {}
    sections = []
    for name, (_, run) in PARTS.items():
        began = time.monotonic()
        print(f"{name} ...", flush=True)
        found, section = run(data)
        figures |= found
        sections.append(section)
        print(f"{section}\n\n({name}: {time.monotonic() - began:.0f} s)\n", flush=True)
    sections.append(f"```json\n{json.dumps(figures, indent=2)}\n```")
    file = record.publish("planner", figures, "\n\n".join([record.conditions(), *sections]))
    print(f"written to {file} and {record.PAGE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
