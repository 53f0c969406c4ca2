"""What `inferfleet lint` looks at and says. Reads. Needs the `lint` extra."""

from collections.abc import Iterable, Sequence
from typing import Any

from inferfleet.api.crdgen import RESOURCES, crd
from inferfleet.catalog import loader
from inferfleet.lint import engine
from inferfleet.lint.advice import Advice, Known, advise
from inferfleet.lint.check import Definition, definition
from inferfleet.lint.files import gather
from inferfleet.lint.lint import Adviser, Report, lint
from inferfleet.lint.sort import Ours
from inferfleet.lint.types import START, Finding

BUG = "a bug: advice about these files is missing"


def report_on(paths: Iterable[str]) -> Report:
    """Raises MissingError (there is no evaluator) or UnusableError (there is nothing to read)."""
    evaluator = engine.load()
    return lint(list(gather(paths)), definitions(), evaluator, adviser())


def definitions() -> dict[str, Definition]:
    """Of our kinds, as they are installed."""
    found = [definition(crd(resource)) for resource in RESOURCES]
    return {known.kind: known for known in found}


def adviser() -> Adviser:
    """With the bundled catalog, and the classes that the chart installs."""
    catalog = loader.load()
    known = Known(catalog, {name: preset.spec for name, preset in catalog.workloads.items()})

    def warnings(objects: Sequence[Ours], broken: Sequence[Ours], namespaces: Sequence[Any]) -> Iterable[Finding]:
        try:
            return [_finding(advice) for advice in advise(objects, namespaces, known, broken)]
        except Exception as error:  # the operator's own functions: what they miss must not hide the errors found
            message = f"{BUG}: {type(error).__name__}: {error}; please report it"
            return [Finding(objects[0].document.file, START, "warning", "", "", message)]

    return warnings


def _finding(advice: Advice) -> Finding:
    document = advice.about.document
    message = f"{advice.reason}: {advice.message}"
    return Finding(document.file, document.position(advice.path), "warning", advice.about.label, "", message)
