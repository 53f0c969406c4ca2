"""Writes the table of wrong manifests anew: the cases of the fields from the schema, the messages from the servers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from apiserver import bad_input_fields, bad_input_table
from apiserver.bad_input_table import Case

from inferfleet.kube.kinds import Obj

Ask = Callable[[Case, str], tuple[str, ...]]
"""What `newest` or `oldest` says to a case."""
HOW = "INFERFLEET_GOLDEN=1 pytest tests/apiserver/test_bad_input.py writes"
HAND = f"Cases by hand; {HOW} their messages. Read the diff."
MADE = f"Made from the schema by bad_input_fields.py: {HOW} this file. Read the diff."


def record(kind: str, ask: Ask) -> None:
    """Write both files of a kind."""
    bases = bad_input_table.bases()[kind]
    hand, made = bad_input_table.files(kind)
    written = bad_input_table.load(hand) if hand.exists() else []
    _write(hand, HAND, [_told(kind, raw, bases, ask) for raw in written])
    _write(made, MADE, [_told(kind, raw, bases, ask) for raw in bad_input_fields.generated(kind, bases)])


def _told(kind: str, raw: dict[str, Any], bases: dict[str, Obj], ask: Ask) -> dict[str, Any]:
    case = bad_input_table.case(kind, raw, bases)
    newest, oldest = ask(case, "newest"), ask(case, "oldest")
    kept = {key: value for key, value in raw.items() if not key.startswith("messages")} | {"messages": list(newest)}
    return kept if oldest == bad_input_table.older(newest) else kept | {"messages133": list(oldest)}


def _write(file: Path, head: str, raw: list[dict[str, Any]]) -> None:
    file.write_text(bad_input_table.dump(raw, head))
