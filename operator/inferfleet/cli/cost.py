"""`inferfleet cost`: what the fleet costs, from statuses or from what Prometheus has added up. Reads."""

import argparse
import sys
from pathlib import Path

from inferfleet.cli.writing import OPERATOR_EXTRA

OUTPUTS = ("table", "json", "focus")
BY = ("namespace", "model", "class", "pool", "tenant")
DONE, UNUSABLE = 0, 2
_EXAMPLES = """examples:
  inferfleet cost                                    # at the present rates, of the cluster that KUBECONFIG names
  inferfleet cost --by pool -n assistants
  kubectl get models,hardwarepools -A -o json | inferfleet cost -f -
  inferfleet cost --prometheus http://localhost:9090 --since 30d
  inferfleet cost --prometheus http://localhost:9090 --since 30d --by tenant
  inferfleet cost --prometheus http://localhost:9090 --since 30d -o focus > inferfleet-costs.csv

exit status: 0 printed, 2 nothing could be read, or the command line is wrong
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser(
        "cost",
        help="what Models, classes, pools and tenants cost, observed: dollars, joules, idle time",
        description="Say what the fleet costs by the hour, by the month and by token, how much of it is idle, and how "
        "much energy a token takes. Without --prometheus these are the present rates that the operator writes into the "
        "status of Models; with it, what was really booked in a period.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        help="what `kubectl get models -A -o json` printed, or - for standard input, instead of asking the cluster; "
        "with --prometheus or -o focus, what it knows of labels and regions",
    )
    parser.add_argument("-n", "--namespace", default="", help="of this namespace only")
    parser.add_argument("--by", choices=BY, default="namespace", help="what to add up by (default %(default)s)")
    parser.add_argument("-o", "--output", choices=OUTPUTS, default="table", help="default table; focus: FOCUS 1.2, CSV")
    _add_prometheus(parser)
    bill = parser.add_argument_group("what -o focus says of who bills whom")
    bill.add_argument("--provider", default="Inferfleet", metavar="NAME", help="default %(default)s")
    bill.add_argument("--account", default="default", metavar="ID", help="such as the cluster's (default %(default)s)")
    parser.add_argument("--now", metavar="TIME", help="instead of the clock's, such as 2026-11-20T08:00:00Z")
    parser.set_defaults(call=run, extra=OPERATOR_EXTRA)


def _add_prometheus(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what was booked")
    group.add_argument("--prometheus", metavar="URL", help="of the Prometheus that scrapes the operator")
    group.add_argument("--since", metavar="DURATION", help="such as 12h, 7d or 30d, up to now (default 30d)")
    group.add_argument("--prometheus-token-file", type=Path, metavar="FILE", help="a bearer token for it")


def run(args: argparse.Namespace) -> int:
    """Print it."""
    from inferfleet.cli.cost_of import UnusableError, text_of  # noqa: PLC0415  needs pydantic

    try:
        text = text_of(args)
    except UnusableError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return UNUSABLE
    # csv has its own ends of lines
    sys.stdout.write(text)
    return DONE
