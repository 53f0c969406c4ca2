"""`inferfleet explain`: why a Model is served as it is, of files or of a cluster. Reads."""

import argparse
import sys

from inferfleet.cli.plan import add_input
from inferfleet.cli.writing import OPERATOR_EXTRA, PLAN_EXTRA

DONE, UNUSABLE = 0, 2
_EXAMPLES = """examples:
  inferfleet explain assistants/llama-3-1-8b -f fleet/
  inferfleet explain llama-3-1-8b                # of the cluster that KUBECONFIG names
  inferfleet explain llama-3-1-8b --snapshot production.yaml

exit status: 0 explained, 1 a file is wrong, 2 there is no such Model, or no access to the cluster
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser(
        "explain",
        help="why a Model is served where it is, and not elsewhere",
        description="Say of each workload of a Model what was chosen, what it is expected to reach, what else could "
        "serve, and why the rest cannot. Without -f and --snapshot the cluster is asked.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="NAME, or NAMESPACE/NAME where several have the name")
    add_input(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default text")
    parser.set_defaults(call=run, extra=PLAN_EXTRA)


def run(args: argparse.Namespace) -> int:
    """Print why."""
    if not (args.filename or args.snapshot):
        args.extra = OPERATOR_EXTRA
    from inferfleet.cli.explain_model import explained  # noqa: PLC0415  needs an extra
    from inferfleet.cli.plan_world import Refused  # noqa: PLC0415

    try:
        print(explained(args), end="")  # noqa: T201
    except Refused as refused:
        print(refused, file=sys.stderr)  # noqa: T201
        return refused.status
    return DONE
