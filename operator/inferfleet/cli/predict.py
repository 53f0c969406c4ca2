"""`inferfleet predict`: predictions for rows with the columns of the silicon sample."""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from inferfleet.cli.writing import OPERATOR_EXTRA

if TYPE_CHECKING:
    from inferfleet.performance.silicon import Row
    from inferfleet.performance.types import Estimate, Interval

HEAD = (
    "id", "ttft_ms", "ttft_low_ms", "ttft_high_ms", "tpot_ms", "tpot_low_ms", "tpot_high_ms",
    "tokens_per_second", "watts", "regime", "abstained",
)  # fmt: skip

_COLUMNS = """columns that are needed (others may be there; what is measured is not looked at):
  backend                  vllm, sglang or trtllm
  model_path               as on Hugging Face
  system                   such as h100_sxm
  precision                such as fp8
  mode                     agg; rows that are disagg are left out
  isl, osl                 tokens of a prompt and of an answer
  batch_size               requests at once, of each data-parallel rank
  tp_size                  accelerators that share each layer; also read: pp_size, moe_ep_size, attention_dp_size

abstained, the last column, says why a row is so unlike what was measured that its prediction is a guess.

exit status: 0 predicted, 2 the file or a row of it cannot be understood
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser(
        "predict",
        help="predict latency and throughput of deployments listed in a CSV file",
        description="Predict TTFT and TPOT (milliseconds, with an interval in which 90 % of measurements are "
        "expected), tokens per second and watts of each row, as CSV on standard output.",
        epilog=_COLUMNS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--csv",
        type=Path,
        required=True,
        metavar="FILE",
        help="rows with the columns of aiconfigurator's silicon_sample.csv",
    )
    parser.set_defaults(call=run, extra=OPERATOR_EXTRA)


def run(args: argparse.Namespace) -> int:
    """CSV to standard output, one line for each aggregated row that can be understood, a sentence for each other.

    2: none can, or the file is no such table."""
    from inferfleet.catalog.loader import load  # noqa: PLC0415  needs an extra
    from inferfleet.performance.silicon import RowError, read_possible  # noqa: PLC0415

    with args.csv.open(newline="", encoding="utf-8") as file:
        try:
            rows, wrong = read_possible(csv.DictReader(file), load())
        except (RowError, csv.Error, UnicodeDecodeError) as error:
            print(f"inferfleet predict: {args.csv}: {error}", file=sys.stderr)  # noqa: T201
            return 2
    for sentence in wrong:
        print(f"inferfleet predict: {args.csv}: {sentence}", file=sys.stderr)  # noqa: T201
    if wrong and not rows:
        return 2
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(HEAD)
    writer.writerows(_lines(rows))
    return 0


def _lines(rows: list["Row"]) -> Iterator[tuple[str, ...]]:
    from inferfleet.performance.load import coefficients  # noqa: PLC0415  needs an extra
    from inferfleet.performance.predict import predict_many  # noqa: PLC0415

    runs = [row.run for row in rows]
    found = predict_many([row.setup for row in rows], [row.load for row in rows], coefficients(), runs)
    for row, estimate in zip(rows, found, strict=True):
        yield row.id, *_figures(estimate)


def _figures(e: "Estimate") -> tuple[str, ...]:
    rate, watts = f"{e.tokens_per_second.mid:.6g}", "" if e.watts is None else f"{e.watts:.4g}"
    return (*_milliseconds(e.ttft), *_milliseconds(e.tpot), rate, watts, e.regime, e.abstained or "")


def _milliseconds(interval: "Interval") -> tuple[str, str, str]:
    mid, low, high = (f"{1000 * value:.6g}" for value in (interval.mid, interval.low, interval.high))
    return mid, low, high
