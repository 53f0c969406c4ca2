"""The users' own files, checked as `inferfleet lint` checks them. Reads. Needs the `lint` extra."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from inferfleet.api.crdgen import RESOURCES, crd
from inferfleet.fleet.types import Obj
from inferfleet.lint import engine, strict
from inferfleet.lint.check import Definition, definition
from inferfleet.lint.files import gather
from inferfleet.lint.lint import Report, lint
from inferfleet.lint.sort import Ours
from inferfleet.lint.types import Finding
from inferfleet.offline.given import Files, Given, ObjectKey
from inferfleet.offline.notes import not_rendered


class InvalidError(Exception):
    """Files with errors; the report says which, in lint's words."""

    def __init__(self, report: Report, notes: Sequence[str] = ()) -> None:
        super().__init__("the files have errors")
        self.report = report
        self.notes = notes


def read_files(paths: Iterable[str], namespace: str = "default") -> Files:
    """Models without a namespace get `namespace`, as from `kubectl apply -n`.

    Raises InvalidError (what lint calls errors, and objects given twice), UnusableError or MissingError as lint does.
    """
    right: list[Ours] = []
    namespaces: list[Obj] = []

    def keep(objects: Sequence[Ours], broken: Sequence[Ours], others: Sequence[Any]) -> Iterable[Finding]:
        right.extend(objects)
        namespaces.extend(others)
        return ()

    known = {d.kind: d for d in (definition(crd(resource)) for resource in RESOURCES)}
    texts = list(gather(paths))
    notes = tuple(not_rendered(texts))
    report = lint(texts, known, engine.load(), keep)
    twice = [*_twice(right, namespace)]
    if report.findings or twice:
        raise InvalidError(replace(report, findings=(*report.findings, *twice)), notes)
    found = {_key(one, namespace): Given(_value(one, namespace), one.document) for one in right}
    return Files(found, {obj["metadata"]["name"]: obj for obj in namespaces}, notes)


def _key(one: Ours, namespace: str) -> ObjectKey:
    given, name = one.key
    return one.definition.kind, (given or namespace) if one.definition.namespaced else "", name


def _twice(objects: Sequence[Ours], namespace: str) -> Iterable[Finding]:
    """Which of the two counts depends on the order of the files: a plan must not."""
    first: dict[ObjectKey, Ours] = {}
    for one in objects:
        before = first.setdefault(_key(one, namespace), one)
        if before is one:
            continue
        at = one.document.position(("metadata", "name"))
        place = f"{before.document.file}:{before.document.position(()).line}"
        message = f"also in {place}: a plan needs one of them; give it the files of one cluster at a time"
        yield Finding(one.document.file, at, "error", one.label, "metadata.name", message)


def _value(one: Ours, namespace: str) -> Obj:
    """As the API server stores it: without nulls, with its namespace."""
    kept = _without_status(one.document.value, one.definition)
    value: Obj = strict.without_nulls(kept, one.definition.schema)
    _, place, name = _key(one, namespace)
    metadata = {**{k: v for k, v in value["metadata"].items() if v is not None}, "name": name}
    return {**value, "metadata": metadata | ({"namespace": place} if place else {})}


def _without_status(value: Obj, known: Definition) -> Obj:
    """Nobody sets a status by creating; a measured capacity in a file is what the cluster gave, and is taken."""
    return value if known.kind == "CapacityProfile" else {k: v for k, v in value.items() if k != "status"}
