"""All files together: what is wrong, and what was looked at. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from inferfleet.lint import cel
from inferfleet.lint.check import UNCHECKED, Definition, check
from inferfleet.lint.engine import Engine
from inferfleet.lint.files import Text
from inferfleet.lint.read import read
from inferfleet.lint.sort import Foreign, Misnamed, Ours, sort
from inferfleet.lint.types import Document, Fault, Finding, Json, Unreadable

Adviser = Callable[[Sequence[Ours], Sequence[Ours], Sequence[Json]], Iterable[Finding]]
"""From objects without errors, objects with errors, and the Namespaces, to warnings."""


@dataclass(frozen=True)
class Report:
    """What came of it."""

    findings: tuple[Finding, ...]
    files: int
    objects: int
    """Of our kinds."""
    skipped: int
    """Documents that are not."""
    transitions: int
    """Rules about changes of the objects' kinds, which need the stored object."""

    def count(self, severity: str) -> int:
        """Of errors or warnings."""
        return sum(finding.severity == severity for finding in self.findings)


def lint(
    texts: Iterable[Text | Unreadable], definitions: Mapping[str, Definition], engine: Engine, adviser: Adviser
) -> Report:
    """Every finding, by file and line."""
    files, findings, sorted_ = 0, [], []
    for text in texts:
        files += 1
        for item in (text,) if isinstance(text, Unreadable) else read(text.file, text.text):
            if isinstance(item, Unreadable):
                findings.append(Finding(item.file, item.position, "error", "", "", item.message))
            else:
                sorted_.append(sort(item, definitions))
    ours = [one for one in sorted_ if isinstance(one, Ours)]
    wrong = {id(one): check(one.document, one.definition, engine) for one in ours}
    for one in ours:
        findings += _about(one.document, one.label, wrong[id(one)])
    for other in sorted_:
        if isinstance(other, Misnamed):
            findings += _about(other.document, _label(other.document), [other.fault])
    foreign = [one.document.value for one in sorted_ if isinstance(one, Foreign)]
    right, broken = [one for one in ours if not wrong[id(one)]], [one for one in ours if wrong[id(one)]]
    findings += adviser(right, broken, [o for o in foreign if _is_namespace(o)])
    kinds = {one.definition.kind for one in ours}
    return Report(
        findings=tuple(sorted(findings, key=lambda f: (f.file, f.position))),
        files=files,
        objects=len(ours),
        skipped=len(foreign),
        transitions=sum(_transitions(definitions[kind]) for kind in kinds),
    )


def _about(document: Document, label: str, faults: Sequence[Fault]) -> Iterator[Finding]:
    places = [document.position(fault.path) for fault in faults]
    for fault, place in zip(faults, places, strict=True):
        # What is about the rest of the object comes after what is known of it.
        at = max(places) if fault is UNCHECKED else place
        yield Finding(document.file, at, "error", label, fault.field, fault.message)


def _label(document: Document) -> str:
    kind = document.value.get("kind") if isinstance(document.value, dict) else None
    return str(kind or "")


def _is_namespace(value: Json) -> bool:
    if not isinstance(value, dict) or value.get("kind") != "Namespace" or value.get("apiVersion") != "v1":
        return False
    metadata = value.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str) and isinstance(labels or {}, dict)


def _transitions(definition: Definition) -> int:
    return sum(cel.is_transition(rule) for rule in cel.rules(definition.schema))
