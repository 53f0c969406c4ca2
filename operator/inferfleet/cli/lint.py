"""`inferfleet lint`: what the API server and the operator would say about files. Reads."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from inferfleet.api.crdgen import RESOURCES, crd
from inferfleet.catalog import loader
from inferfleet.lint import engine
from inferfleet.lint.advice import Advice, Known, advise
from inferfleet.lint.check import Definition, definition
from inferfleet.lint.files import UnusableError, gather
from inferfleet.lint.lint import Adviser, lint
from inferfleet.lint.report import FORMATS
from inferfleet.lint.sort import Ours
from inferfleet.lint.types import START, Finding

BUG = "a bug: advice about these files is missing"
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
    parser.add_argument("-o", "--output", choices=sorted(FORMATS), default="text", help="default text")
    parser.add_argument("--strict", action="store_true", help="warnings fail, too")
    parser.set_defaults(call=run)


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    try:
        evaluator = engine.load()
        report = lint(list(gather(args.filename)), definitions(), evaluator, adviser())
    except (engine.MissingError, UnusableError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return UNUSABLE
    print(FORMATS[args.output](report), end="")  # noqa: T201
    failed = report.count("error") or (args.strict and report.count("warning"))
    return FINDINGS if failed else CLEAN


def definitions() -> dict[str, Definition]:
    """Of our kinds, as they are installed."""
    found = [definition(crd(resource)) for resource in RESOURCES]
    return {known.kind: known for known in found}


def adviser() -> Adviser:
    """With the bundled catalog, and the classes that the chart installs."""
    catalog = loader.load()
    known = Known(catalog, {name: preset.spec for name, preset in catalog.workloads.items()})

    def warnings(objects: Sequence[Ours], namespaces: Sequence[Any]) -> Iterable[Finding]:
        try:
            return [_finding(advice) for advice in advise(objects, namespaces, known)]
        except Exception as error:  # the operator's own functions: what they miss must not hide the errors found
            message = f"{BUG}: {type(error).__name__}: {error}; please report it"
            return [Finding(objects[0].document.file, START, "warning", "", "", message)]

    return warnings


def _finding(advice: Advice) -> Finding:
    document = advice.about.document
    message = f"{advice.reason}: {advice.message}"
    return Finding(document.file, document.position(advice.path), "warning", advice.about.label, "", message)
