"""`inferfleet run`: the operator."""

import argparse
from functools import partial

from inferfleet import settings
from inferfleet.cli.writing import OPERATOR_EXTRA

_STATUSES = "exit status: 0 after SIGTERM or SIGINT, 1 it cannot start, 2 a wrong flag or variable"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser(
        "run", help="run the operator", description="Run the operator until SIGTERM or SIGINT.", epilog=_STATUSES
    )
    settings.add_arguments(parser)
    parser.set_defaults(call=partial(run, parser), extra=OPERATOR_EXTRA)


def run(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Until a signal."""
    given = settings.from_arguments(args)
    if problem := settings.contradiction(given):
        parser.error(problem)
    from inferfleet.cli.process import serve  # noqa: PLC0415  needs an extra

    return serve(given)
