"""Lint on plain objects, with its words in the form in which `apiserver.server` gives the API server's. Reads."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from inferfleet.cli.linting import definitions
from inferfleet.lint.check import Definition, check, definition
from inferfleet.lint.engine import Engine, load
from inferfleet.lint.read import read
from inferfleet.lint.types import Document, Fault

GADGET_FILE = Path(__file__).parent / "apiserver/lint_gadget.yaml"
STRICT = "strict decoding error: "


def gadget_crd() -> dict[str, Any]:
    """A CRD with every feature that lint knows."""
    crd: dict[str, Any] = yaml.safe_load(GADGET_FILE.read_text())
    return crd


class Linter:
    """Ours and the gadget, with one evaluator."""

    def __init__(self) -> None:
        gadget = definition(gadget_crd())
        self.definitions: dict[str, Definition] = definitions() | {gadget.kind: gadget}
        self.engine: Engine = load()

    def lines(self, document: Document) -> tuple[str, ...]:
        """What a user would read of a refusal, each line once, sorted."""
        known = self.definitions[document.value["kind"]]
        faults = check(document, known, self.engine)
        return tuple(sorted(set(_as_told(faults, known))))

    def lines_of(self, obj: Any) -> tuple[str, ...]:
        """The same, of an object."""
        return self.lines(document(obj))


def document(obj: Any) -> Document:
    """As a file that holds the object would be read."""
    (found,) = read("case.json", json.dumps(obj))
    assert isinstance(found, Document), found
    return found


def _as_told(faults: Iterable[Fault], known: Definition) -> list[str]:
    """What is about no field comes as one sentence."""
    handled = f'{known.kind} in version "{known.version}" cannot be handled as a {known.kind}: '
    strict = [fault.message.removeprefix(STRICT) for fault in faults if fault.message.startswith(STRICT)]
    if strict:
        return [f"{handled}{STRICT}{', '.join(strict)}"]
    return [fault.text if fault.field else handled + fault.message for fault in faults]
