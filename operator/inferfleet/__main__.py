"""The command line of the control plane."""

import argparse
import sys

from inferfleet import __version__
from inferfleet.cli import catalog, check, classes, crds, lint, reference, run, schemas


def main(argv: list[str] | None = None) -> int:
    """Parse and do; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="inferfleet", description="A Kubernetes operator for fleets of specialized inference."
    )
    parser.add_argument("--version", action="version", version=f"inferfleet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (run, crds, catalog, classes, reference, schemas, check, lint):
        command.add(commands)
    args = parser.parse_args(argv)
    status: int = args.call(args)
    return status


if __name__ == "__main__":
    sys.exit(main())
