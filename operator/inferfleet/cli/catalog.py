"""`inferfleet catalog`: what is known of hardware, engines, quantizations, models and workloads."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from inferfleet.catalog import loader
from inferfleet.catalog.describe import describe
from inferfleet.catalog.entry import Entry
from inferfleet.catalog.near import unknown
from inferfleet.catalog.quantization_entries import Quantization
from inferfleet.catalog.tables import table

_KINDS = tuple(loader.FILES)


class _UnknownError(ValueError):
    """A name or kind that is not there."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser(
        "catalog",
        help="list and show presets with their sources",
        description="Hardware, engines, quantizations, models and workloads that plans are made of, with sources.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="tables of all entries, or of one kind")
    listing.add_argument("kind", nargs="?", choices=_KINDS, help=f"one of {', '.join(_KINDS)}; absent: all")
    listing.add_argument("-o", "--output", choices=("table", "json", "yaml"), default="table", help="default: table")
    listing.set_defaults(call=run)
    showing = actions.add_parser("show", help="one entry in full, with its sources")
    showing.add_argument("words", nargs="+", metavar="[KIND] NAME", help="the kind only where the name is ambiguous")
    showing.add_argument("-o", "--output", choices=("text", "json", "yaml"), default="text", help="default: text")
    showing.set_defaults(call=run)
    for action in (listing, showing):
        action.add_argument("--catalog", type=Path, help="folder whose entries override or extend the bundled ones")


def run(args: argparse.Namespace) -> int:
    """Print; 1 where the overrides are wrong or there is no such entry."""
    try:
        catalog = loader.load(args.catalog)
        text = _list(catalog, args) if args.action == "list" else _show(catalog, args)
    except (loader.CatalogError, _UnknownError) as error:
        sys.stderr.write(f"inferfleet catalog: {error}\n")
        return 1
    sys.stdout.write(f"{text}\n")
    return 0


def _list(catalog: loader.Catalog, args: argparse.Namespace) -> str:
    kinds = {kind: entries for kind, entries in catalog.kinds.items() if args.kind in (None, kind)}
    if args.output == "table":
        tables = [(kind, table(kind, entries.values())) for kind, entries in kinds.items()]
        return tables[0][1] if args.kind else "\n\n".join(f"{kind}\n{text}" for kind, text in tables)
    dumps = {kind: [_dump(entry) for entry in entries.values()] for kind, entries in kinds.items()}
    return _written(dumps[args.kind] if args.kind else dumps, args.output)


def _show(catalog: loader.Catalog, args: argparse.Namespace) -> str:
    kind, entry = find(catalog, args.words)
    return describe(kind, entry, catalog) if args.output == "text" else _written(_dump(entry), args.output)


def find(catalog: loader.Catalog, words: list[str]) -> tuple[str, Entry]:
    """The entry that `NAME` or `KIND NAME` means, aliases included. Raises _UnknownError with near names."""
    if len(words) > 2 or (len(words) == 2 and words[0] not in _KINDS):
        raise _UnknownError(f"show takes NAME, or KIND and NAME, where KIND is one of {', '.join(_KINDS)}")
    kinds = {kind: catalog.kinds[kind] for kind in (words[:1] if len(words) == 2 else _KINDS)}
    name = words[-1]
    found = [(kind, entry) for kind, entries in kinds.items() if (entry := _named(entries, name))]
    if not found:
        names = [known for entries in kinds.values() for known in entries]
        raise _UnknownError(unknown(name, names))
    if len(found) > 1:
        raise _UnknownError(f"{name} is in {' and '.join(kind for kind, _ in found)}: name the kind, too")
    return found[0]


def _named(entries: Mapping[str, Entry], name: str) -> Entry | None:
    aliases = {alias: e for e in entries.values() if isinstance(e, Quantization) for alias in e.aliases}
    known = {key.casefold(): entry for key, entry in (*aliases.items(), *entries.items())}
    return known.get(name.casefold())


def _dump(entry: Entry) -> dict[str, Any]:
    dumped = entry.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {**{key: value for key, value in dumped.items() if key != "sources"}, "sources": dumped.get("sources", {})}


def _written(value: Any, output: str) -> str:
    if output == "json":
        return json.dumps(value, indent=2)
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
    return text.rstrip("\n")
