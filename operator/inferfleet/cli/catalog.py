"""`inferfleet catalog`: what is known of hardware, engines, quantizations, models and workloads."""

import argparse
import sys
from pathlib import Path

from inferfleet.catalog.kinds import FILES, kind
from inferfleet.cli.writing import YAML_EXTRA

DONE, NOT_THERE, UNUSABLE = 0, 1, 2
_KINDS = tuple(FILES)
_STATUSES = (
    "exit status: 0 printed, 1 there is no such entry, or what --catalog names is wrong, 2 the command line is wrong"
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser(
        "catalog",
        help="list and show presets with their sources",
        description="Hardware, engines, quantizations, models and workloads that plans are made of, with sources.",
        epilog=_STATUSES,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="tables of all entries, or of one kind", epilog=_STATUSES)
    some = f"one of {', '.join(_KINDS)}; absent: all"
    listing.add_argument("kind", nargs="?", type=kind, choices=_KINDS, metavar="KIND", help=some)
    listing.add_argument("-o", "--output", choices=("table", "json", "yaml"), default="table", help="default: table")
    showing = actions.add_parser("show", help="one entry in full, with its sources", epilog=_STATUSES)
    showing.add_argument("words", nargs="+", metavar="[KIND] NAME", help="the kind only where the name is ambiguous")
    showing.add_argument("-o", "--output", choices=("text", "json", "yaml"), default="text", help="default: text")
    for action in (listing, showing):
        action.add_argument("--catalog", type=Path, help="folder whose entries override or extend the bundled ones")
        action.set_defaults(call=run, extra=YAML_EXTRA)


def run(args: argparse.Namespace) -> int:
    """Print."""
    from inferfleet.catalog.loader import CatalogError  # noqa: PLC0415  needs an extra
    from inferfleet.cli.entries import NotThereError, UsageError, text_of  # noqa: PLC0415

    try:
        print(text_of(args))  # noqa: T201
    except (CatalogError, NotThereError, UsageError) as error:
        print(f"inferfleet catalog: {error}", file=sys.stderr)  # noqa: T201
        return UNUSABLE if isinstance(error, UsageError) else NOT_THERE
    return DONE
