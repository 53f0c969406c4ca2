"""`inferfleet plan`: what the operator would decide about files. Reads."""

import argparse
import sys

from inferfleet.cli.writing import PLAN_EXTRA

FORMATS = ("table", "json", "markdown", "html")
DONE, INVALID, UNUSABLE, VIOLATED = 0, 1, 2, 3
_EXAMPLES = """examples:
  inferfleet plan -f fleet/
  inferfleet plan -f pools.yaml -f models/ -o json
  kubectl kustomize overlays/production | inferfleet plan -f -
  inferfleet plan -f fleet/ --snapshot production.yaml    # nodes, demand and measurements of a cluster
  inferfleet plan -f fleet/ -o html > plan.html

exit status: 0 everything is placed, 1 a file is wrong, 2 nothing could be planned, 3 something cannot be
placed, or breaks a limit
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser(
        "plan",
        help="what would run where, at what cost, and why, without a cluster",
        description="Decide about Models, WorkloadClasses and HardwarePools of files as the operator would: which "
        "pool, variant and engine, how many replicas, what it costs, and why the others were not chosen. Without a "
        "snapshot of a cluster the output says what it assumes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_input(parser)
    parser.add_argument("-o", "--output", choices=FORMATS, default="table", help="default table")
    parser.set_defaults(call=run, extra=PLAN_EXTRA)


def add_input(parser: argparse.ArgumentParser) -> None:
    """Of plan and explain: the files, and what all three commands share."""
    parser.add_argument(
        "-f",
        "--filename",
        action="append",
        default=[],
        metavar="PATH",
        help="a file, a folder (with all below it), or - for standard input; can be given several times",
    )
    add_context(parser)


def add_context(parser: argparse.ArgumentParser) -> None:
    """What a plan is made with."""
    parser.add_argument("--snapshot", metavar="FILE", help="what a cluster knows, by inferfleet snapshot")
    parser.add_argument("-n", "--namespace", default="default", help="of Models that name none (default %(default)s)")
    parser.add_argument("--catalog", metavar="DIR", help="entries that override or extend the bundled catalog")
    parser.add_argument(
        "--engines",
        choices=("auto", "deployed", "known"),
        default="auto",
        help="what to plan with: what this release deploys (deployed), also what it does not (known), or that only "
        "for what would not be placed otherwise (auto, the default)",
    )
    parser.add_argument(
        "--now",
        metavar="TIME",
        help="when measurements are judged, such as 2026-11-20T08:00:00Z; absent: the newest time of the input",
    )


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    from inferfleet.cli.plan_world import Refused, given, planned, world_of  # noqa: PLC0415  needs an extra
    from inferfleet.offline.render.forms import PLAN  # noqa: PLC0415

    try:
        if not (args.filename or args.snapshot):
            raise Refused("error: give -f, --snapshot, or both", UNUSABLE)
        world = world_of(args, given(args, args.filename))
        if not world.models:
            asked = "there is no Model in the input; give its file, too, beside those of pools and classes"
            raise Refused(f"error: {asked}", UNUSABLE)
        report = planned(world, engines=args.engines, pictures=args.output == "html")
    except Refused as refused:
        print(refused, file=sys.stderr)  # noqa: T201
        return refused.status
    print(PLAN[args.output](report), end="")  # noqa: T201
    return VIOLATED if report.violations else DONE
