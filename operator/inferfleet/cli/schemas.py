"""`inferfleet schemas`: JSON Schemas for editors, generated from the types."""

import argparse
import json
from pathlib import Path

from inferfleet.api.crdgen import RESOURCES
from inferfleet.cli.writing import YAML_EXTRA, give


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser("schemas", help="write JSON Schemas of the kinds, for editors")
    parser.add_argument("--out", type=Path, required=True, help="the folder: one file for each kind, and all.json")
    parser.set_defaults(call=run, extra=YAML_EXTRA)


def run(args: argparse.Namespace) -> int:
    """Write each file."""
    give(files(), args.out)
    return 0


def files() -> dict[str, str]:
    """File name to JSON."""
    from inferfleet.api.schemagen import schemas  # noqa: PLC0415  needs an extra

    return {name: json.dumps(schema, indent=1) + "\n" for name, schema in schemas(RESOURCES).items()}
