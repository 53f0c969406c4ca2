"""`inferfleet reference`: the page of every field, rule, condition and reason, generated from the types."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from inferfleet import reasons
from inferfleet.api.crdgen import RESOURCES
from inferfleet.cli.writing import YAML_EXTRA, write

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
    parser.set_defaults(call=run, extra=YAML_EXTRA)


def run(args: argparse.Namespace) -> int:
    """Print, or write."""
    text = page(args.examples)
    if args.out:
        write(args.out, text)
    else:
        print(text, end="")  # noqa: T201
    return 0


def page(examples: Path) -> str:
    """The page, with the examples that are in the folder."""
    from inferfleet.api.docgen import Words, reference  # noqa: PLC0415  needs an extra

    shown = {path.stem: path.read_text() for path in sorted(examples.glob("*.yaml"))}
    return reference(RESOURCES, Words(reasons.CONDITIONS, reasons.REASONS, _unobeyed(), shown))


def _unobeyed() -> Mapping[str, Mapping[str, str]]:
    """By kind: field to what is done instead."""
    from inferfleet.fleet import unobeyed as u  # noqa: PLC0415  needs an extra

    return {
        "Model": {field.path: field.instead for field, _ in (*u.MODEL_FIELDS, *u.WORKLOAD_FIELDS)},
        "WorkloadClass": {f"spec.{field.path}": field.instead for field, _ in u.CLASS_FIELDS},
        "HardwarePool": {field.path: field.instead for field, _ in u.POOL_FIELDS},
    }
