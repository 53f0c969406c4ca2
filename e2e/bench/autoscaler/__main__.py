"""`make bench-autoscaler`: autoscalers beside each other on recorded and scripted traffic, in a simulator that is gated
by recorded runs first. Reads a folder of measurements; writes `build/bench/autoscaler.json`, a section of
docs/benchmarks.md and pictures. Two processes.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from e2e.bench import record
from e2e.bench.autoscaler import report
from e2e.bench.autoscaler.jobs import Ask
from e2e.bench.autoscaler.pace.decisions import decide_100_models_ms
from e2e.bench.autoscaler.pace.scrape import scrape_figures
from e2e.bench.autoscaler.pictures import picture
from e2e.bench.autoscaler.traffic.traces import sources
from e2e.bench.autoscaler.work import RUNS, everything

PICTURES = Path("docs/pictures")
NOT_GATED = f"The recorded runs ({RUNS}) were not there: the simulator was not gated."


def main(argv: Sequence[str]) -> int:
    """Exit status: 1 where there are no data at all."""
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.autoscaler", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="measurements (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="first hours, one seed, few baselines")
    parser.add_argument("--main", action="store_true", help="of the baselines those alone that the targets name")
    parser.add_argument("--trace", action="append", choices=list(sources()), help="only this one (may be repeated)")
    parser.add_argument("--no-publish", action="store_true", help="print only: write neither page nor pictures")
    asked = parser.parse_args(argv)
    if not asked.data.is_dir():
        print(f"{asked.data} is not there: make bench-autoscaler DATA=<folder of the measurements>", file=sys.stderr)
        return 1
    began = time.monotonic()
    names, absent = available(asked.data, asked.trace, quick=asked.quick)
    keys: dict[str, float] = {"decide_100_models_ms": round(decide_100_models_ms(), 2), **scrape_figures()}
    found, gate = [], NOT_GATED
    for one in everything(asked.data, names, quick=asked.quick, others=not asked.main):
        if isinstance(one, report.Outcome):
            found.append(one)
            print(f"{report.section(one)}\n", flush=True)
        elif one is not None:
            keys |= {name: round(value, 3) for name, value in one[0].items()}
            gate = one[1]
            print(f"{gate}\n", flush=True)
    found.sort(key=lambda one: names.index(one.name))
    keys |= report.figures(found)
    body = [record.conditions(), _conditions(absent, asked), report.promises(keys), gate]
    body += [f"{report.section(one)}{_picture(one, asked)}" for one in found]
    body.append(f"```json\n{json.dumps(keys, indent=2)}\n```")
    print("\n\n".join([body[2], body[-1], f"{(time.monotonic() - began) / 60:.0f} minutes"]))
    if not asked.no_publish:
        print(f"written to {record.publish('autoscaler', keys, chr(10).join(f'{part}{chr(10)}' for part in body))}")
    return 0


def available(data: Path, only: Sequence[str] | None, *, quick: bool) -> tuple[list[str], list[str]]:
    """Names of traces that can be made, and sentences about those that cannot."""
    names, absent = [], []
    for name, source in sources().items():
        if (only and name not in only) or (quick and name.endswith("_7d")):
            absent += [f"{name}: not asked for"] if only else []
            continue
        if source.needs and not any(data.glob(source.needs)):
            absent.append(f"{name}: {source.needs} is not in the folder of measurements")
            print(f"{absent[-1]}; its row is left out", file=sys.stderr)
            continue
        names.append(name)
    return names, absent


def _conditions(absent: Sequence[str], asked: argparse.Namespace) -> str:
    words = (
        "Simulated. Attainment and cost are means (least to most) over three seeds for ours, static fleets and the "
        "tuned main baselines; all else, and seven days, have one. A baseline is tuned on another day, or another "
        "draw, for the least replica-hours that reach the goal."
    )
    short = " QUICK: the first hours of each trace, one seed, few baselines, no tuning on a whole day: no judgement."
    main = " On recorded traffic only the baselines that the targets name." if asked.main and not asked.quick else ""
    left = f" Left out: {'; '.join(absent)}." if absent else ""
    return f"{words}{short if asked.quick else ''}{main}{left}"


def _picture(found: report.Outcome, asked: argparse.Namespace) -> str:
    if asked.no_publish:
        return ""
    scenario = Ask(asked.data, found.name, asked.quick).scored(0)
    lines: dict[str, Sequence[tuple[float, int]]] = {"Inferfleet": found.ours[0].line}
    if found.best and found.best.schedule:
        lines["schedule that knows all"] = found.best.schedule.line
    if name := found.best_baseline:
        lines[report.titled(name)] = found.cells[name][0].line
    file = record.ROOT / PICTURES / f"autoscaler-{found.name.replace('_', '-')}.svg"
    file.write_text(picture(found.name.replace("_", " "), scenario.trace, scenario.seconds, lines))
    return f"\n\n![{found.name}: demand and replicas](pictures/{file.name})"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
