"""`inferfleet fit`: the coefficients of the performance model, from a folder of measurements."""

import argparse
import sys
from pathlib import Path

from inferfleet.cli.writing import OPERATOR_EXTRA, write


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser("fit", help="fit the performance model to measurements and write its coefficients")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with aiconfigurator/silicon_sample.csv and splitwise_perf/"
    )
    parser.add_argument("--out", type=Path, help="write performance.json into this folder instead of printing it")
    parser.set_defaults(call=run, extra=OPERATOR_EXTRA)


def run(args: argparse.Namespace) -> int:
    """Print or write; 2 with a sentence where the data cannot be used."""
    from inferfleet.catalog.loader import load  # noqa: PLC0415  needs an extra
    from inferfleet.fitting.command import coefficients_text  # noqa: PLC0415
    from inferfleet.performance.silicon import RowError  # noqa: PLC0415

    try:
        text = coefficients_text(args.data, load())
    except RowError as error:
        print(f"inferfleet fit: {error}", file=sys.stderr)  # noqa: T201
        return 2
    if args.out:
        write(args.out / "performance.json", text)
    else:
        print(text, end="")  # noqa: T201
    return 0
