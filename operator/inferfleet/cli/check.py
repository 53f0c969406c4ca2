"""`inferfleet check`: whether an installed operator works."""

import argparse

from inferfleet.cli.writing import OPERATOR_EXTRA

SECONDS = 60.0
"""For everything: a new leader may need the 15 s of the old one's Lease."""
_STATUSES = "exit status: 0 all is well, 1 a check failed, 2 a wrong flag"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    text = "check an installed operator: its kinds, its health, its metrics, and that one process leads"
    parser = commands.add_parser("check", help=text, description=text, epilog=_STATUSES)
    parser.add_argument("--namespace", default="inferfleet-system", help="the operator's own (default %(default)s)")
    parser.add_argument("--watch-namespaces", default="", help="those it serves, comma-separated; empty: all")
    parser.add_argument("--metrics", default="", help="URL of its metrics; empty: not asked")
    parser.add_argument("--health", default="", help="URL of its health; empty: not asked")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for how long to try (default %(default)s)")
    parser.set_defaults(call=run, extra=OPERATOR_EXTRA)


def run(args: argparse.Namespace) -> int:
    """Print a line for each check; 1 when one failed."""
    from inferfleet.cli.checks import Target, check_all  # noqa: PLC0415  needs an extra

    watched = tuple(name.strip() for name in args.watch_namespaces.split(",") if name.strip())
    return check_all(Target(args.namespace, watched, args.metrics, args.health), args.seconds)
