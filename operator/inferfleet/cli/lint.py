"""`inferfleet lint`: what the API server and the operator would say about files. Reads."""

import argparse
import sys

from inferfleet.cli.writing import YAML_EXTRA

FORMATS = ("github", "json", "text")
CLEAN, FINDINGS, UNUSABLE = 0, 1, 2
_EXAMPLES = """examples:
  inferfleet lint -f models/ -f pools.yaml
  kubectl kustomize overlays/production | inferfleet lint -f -
  helm template my-fleet | inferfleet lint -f - --strict
  inferfleet lint -f . -o github                # annotations on a pull request

exit status: 0 nothing wrong, 1 findings (warnings count with --strict), 2 nothing could be checked
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser(
        "lint",
        help="check YAML files without a cluster",
        description="Check Models, WorkloadClasses, HardwarePools and CapacityProfiles without a cluster. Errors are "
        "what the API server would refuse, in its own words; warnings are what the operator would say in conditions. "
        "Other kinds are skipped.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-f",
        "--filename",
        action="append",
        required=True,
        metavar="PATH",
        help="a file, a folder (with all below it), or - for standard input; can be given several times",
    )
    parser.add_argument("-o", "--output", choices=FORMATS, default="text", help="default text")
    parser.add_argument("--strict", action="store_true", help="warnings fail, too")
    parser.set_defaults(call=run, extra=YAML_EXTRA)


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    from inferfleet.cli.linting import report_on  # noqa: PLC0415  needs an extra
    from inferfleet.lint.engine import MissingError  # noqa: PLC0415
    from inferfleet.lint.files import UnusableError  # noqa: PLC0415
    from inferfleet.lint.report import FORMATS as WRITTEN  # noqa: PLC0415

    try:
        report = report_on(args.filename)
    except (MissingError, UnusableError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return UNUSABLE
    print(WRITTEN[args.output](report), end="")  # noqa: T201
    failed = report.count("error") or (args.strict and report.count("warning"))
    return FINDINGS if failed else CLEAN
