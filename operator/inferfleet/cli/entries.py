"""What `inferfleet catalog` prints. Reads. Needs PyYAML, of the `lint` and `operator` extras."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

import yaml

from inferfleet.catalog import loader
from inferfleet.catalog.describe import describe
from inferfleet.catalog.entry import Entry
from inferfleet.catalog.kinds import FILES, kind
from inferfleet.catalog.near import unknown
from inferfleet.catalog.quantization_entries import Quantization
from inferfleet.catalog.tables import table

_KINDS = tuple(FILES)


class NotThereError(ValueError):
    """No entry, or more than one, has the name; the message names near ones."""


class UsageError(ValueError):
    """Words that the command does not take."""


def text_of(args: argparse.Namespace) -> str:
    """What to print. Raises CatalogError (the overrides are wrong), NotThereError or UsageError."""
    catalog = loader.load(args.catalog)
    return _list(catalog, args) if args.action == "list" else _show(catalog, args)


def _list(catalog: loader.Catalog, args: argparse.Namespace) -> str:
    kinds = {kind: entries for kind, entries in catalog.kinds.items() if args.kind in (None, kind)}
    if args.output == "table":
        tables = [(kind, table(kind, entries.values())) for kind, entries in kinds.items()]
        return tables[0][1] if args.kind else "\n\n".join(f"{kind}\n{text}" for kind, text in tables)
    dumps = {kind: [_dump(entry) for entry in entries.values()] for kind, entries in kinds.items()}
    return _written(dumps[args.kind] if args.kind else dumps, args.output)


def _show(catalog: loader.Catalog, args: argparse.Namespace) -> str:
    kind_, entry = _find(catalog, args.words)
    return describe(kind_, entry, catalog) if args.output == "text" else _written(_dump(entry), args.output)


def _find(catalog: loader.Catalog, words: list[str]) -> tuple[str, Entry]:
    """The entry that `NAME` or `KIND NAME` means, aliases included."""
    *kinds, name = (*map(kind, words[:-1]), words[-1])
    if len(kinds) > 1 or not set(kinds) <= set(_KINDS):
        raise UsageError(f"show takes NAME, or KIND and NAME, where KIND is one of {', '.join(_KINDS)}")
    asked = {known: catalog.kinds[known] for known in kinds or _KINDS}
    found = [(known, entry) for known, entries in asked.items() if (entry := _named(entries, name))]
    if not found:
        raise NotThereError(unknown(name, [known for entries in asked.values() for known in entries]))
    if len(found) > 1:
        raise NotThereError(f"{name} is in {' and '.join(known for known, _ in found)}: name the kind, too")
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
