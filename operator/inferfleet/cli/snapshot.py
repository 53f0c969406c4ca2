"""`inferfleet snapshot`: what a cluster knows, for plans without it. Reads."""

import argparse
import sys
from pathlib import Path

from inferfleet.cli.writing import OPERATOR_EXTRA

DONE, UNUSABLE = 0, 1
_EXAMPLES = """examples:
  inferfleet snapshot --out production.yaml
  inferfleet snapshot -o json | gzip > production.json.gz
  inferfleet plan -f fleet/ --snapshot production.yaml

The file has nodes (labels and sizes), Namespaces, HardwarePools, WorkloadClasses, Models, CapacityProfiles, placements,
and observed demand. It has no Secrets.

exit status: 0 written, 1 the cluster or the file cannot be reached, 2 the command line is wrong
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser(
        "snapshot",
        help="save what a cluster knows, for plan --snapshot",
        description="Save nodes, pools, classes, Models, measured capacities, placements and observed demand of the "
        "cluster that KUBECONFIG names (else the pod's own, else ~/.kube/config).",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml", help="default yaml")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it; absent: standard output")
    parser.add_argument("--now", metavar="TIME", help="the time to write down; absent: the clock's")
    parser.set_defaults(call=run, extra=OPERATOR_EXTRA)


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from inferfleet.cli.plan_world import Refused  # noqa: PLC0415  needs an extra
    from inferfleet.cli.snapshot_cluster import observed  # noqa: PLC0415
    from inferfleet.cli.writing import write  # noqa: PLC0415
    from inferfleet.offline.snapshot import dump  # noqa: PLC0415

    try:
        text = dump(observed(args.now), args.output)
    except Refused as refused:
        print(refused, file=sys.stderr)  # noqa: T201
        return UNUSABLE
    if args.out:
        write(args.out, text)
    else:
        print(text, end="")  # noqa: T201
    return DONE
