"""`inferfleet diff`: what a change of files would change in the fleet. Reads."""

import argparse
import sys
from decimal import Decimal, InvalidOperation

from inferfleet.cli.plan import add_context
from inferfleet.cli.writing import PLAN_EXTRA

FORMATS = ("text", "json", "markdown", "sarif")
WRONG = 1
"""Of everything that keeps it from comparing, also a wrong flag: 2 says that something changes."""
_EXAMPLES = """examples:
  git worktree add ../before origin/main && inferfleet diff ../before/fleet fleet
  inferfleet diff before/ after/ -o markdown >> "$GITHUB_STEP_SUMMARY"
  inferfleet diff before/ after/ --snapshot production.yaml --max-usd-per-hour 120

exit status: 0 nothing changes, 1 nothing could be compared, 2 something changes, 3 the new plan breaks a
target, a limit or --max-usd-per-hour (whether or not the old one did)
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser(
        "diff",
        help="what a change of files moves, costs and breaks",
        description="Plan two folders (or files) and compare: what moves, USD per hour, how much of the latency "
        "targets is left, and which limits the new plan breaks.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", metavar="OLD", help="a folder or file, or - for standard input")
    parser.add_argument("new", metavar="NEW", help="the same, after the change")
    add_context(parser)
    parser.add_argument("--max-usd-per-hour", type=_money, metavar="USD", help="what the new plan may cost")
    parser.add_argument("-o", "--output", choices=FORMATS, default="text", help="default text")
    parser.error = lambda message: parser.exit(WRONG, f"{parser.format_usage()}{parser.prog}: error: {message}\n")  # type: ignore[method-assign]
    parser.set_defaults(call=run, extra=PLAN_EXTRA, unusable=WRONG, complain=parser.error)


def _money(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal(-1)
    if not (found.is_finite() and found >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of USD such as 12.50")
    return found


def run(args: argparse.Namespace) -> int:
    """Print what changes."""
    from inferfleet.cli.diff_worlds import compared  # noqa: PLC0415  needs an extra
    from inferfleet.cli.plan_world import Refused  # noqa: PLC0415
    from inferfleet.offline.render.forms import DIFF  # noqa: PLC0415

    try:
        found = compared(args)
    except Refused as refused:
        print(refused, file=sys.stderr)  # noqa: T201
        return WRONG
    print(DIFF[args.output](found), end="")  # noqa: T201
    return found.status
