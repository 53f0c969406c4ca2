"""`inferfleet reference`: the page of every field, rule, condition and reason, generated from the types."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from inferfleet import reasons
from inferfleet.api.crdgen import RESOURCES
from inferfleet.api.docgen import Words, reference
from inferfleet.fleet.unobeyed import CLASS_FIELDS, MODEL_FIELDS, WORKLOAD_FIELDS

EXAMPLES = Path("examples/reference")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser("reference", help="print or write the reference of the kinds, in Markdown")
    parser.add_argument("--out", type=Path, help="write this file instead of printing")
    parser.add_argument(
        "--examples",
        type=Path,
        default=EXAMPLES,
        help="folder of <kind>-minimal.yaml and <kind>-full.yaml; without it the page has none (default %(default)s)",
    )
    parser.set_defaults(call=run)


def run(args: argparse.Namespace) -> int:
    """Print, or write."""
    text = page(args.examples)
    if args.out:
        args.out.write_text(text)
    else:
        print(text, end="")  # noqa: T201
    return 0


def page(examples: Path) -> str:
    """The page, with the examples that are in the folder."""
    shown = {path.stem: path.read_text() for path in sorted(examples.glob("*.yaml"))}
    return reference(RESOURCES, Words(reasons.CONDITIONS, reasons.REASONS, _unobeyed(), shown))


def _unobeyed() -> Mapping[str, Mapping[str, str]]:
    """By kind: field to what is done instead."""
    return {
        "Model": {field.path: field.instead for field, _ in (*MODEL_FIELDS, *WORKLOAD_FIELDS)},
        "WorkloadClass": {f"spec.{field.path}": field.instead for field, _ in CLASS_FIELDS},
    }
