"""Findings as people, programs and GitHub read them. Pure."""

import json

from inferfleet.lint.lint import Report
from inferfleet.lint.types import Finding


def text(report: Report) -> str:
    """One line for each finding, and a summary."""
    lines = [_line(finding) for finding in report.findings]
    return "\n".join([*lines, summary(report)]) + "\n"


def github(report: Report) -> str:
    """Workflow commands, which GitHub shows at the line of a pull request."""
    lines = [_annotation(finding) for finding in report.findings]
    return "\n".join([*lines, summary(report)]) + "\n"


def as_json(report: Report) -> str:
    """Findings and counts."""
    body = {
        "findings": [_fields(finding) for finding in report.findings],
        "summary": {
            "files": report.files,
            "objects": report.objects,
            "skipped": report.skipped,
            "errors": report.count("error"),
            "warnings": report.count("warning"),
            "rulesAboutChangesNotChecked": report.transitions,
        },
    }
    return json.dumps(body, indent=2) + "\n"


FORMATS = {"text": text, "json": as_json, "github": github}


def summary(report: Report) -> str:
    """`2 files, 3 objects of Inferfleet, 1 other skipped: 0 errors, 0 warnings`."""
    looked = f"{_count(report.files, 'file')}, {_count(report.objects, 'object')} of Inferfleet"
    others = f", {_count(report.skipped, 'other')} skipped" if report.skipped else ""
    found = f"{_count(report.count('error'), 'error')}, {_count(report.count('warning'), 'warning')}"
    changes = _count(report.transitions, "rule")
    unchecked = f"; not checked without the stored object: {changes} about what may change"
    return f"{looked}{others}: {found}{unchecked if report.transitions else ''}"


def said(finding: Finding) -> str:
    """`spec.slo.ttft: Invalid value: ...`, as kubectl prints it."""
    return f"{finding.field}: {finding.message}" if finding.field else finding.message


def _line(finding: Finding) -> str:
    """Control characters of names and keys are shown as they are in YAML, so that a finding is one line."""
    what = "warning: " if finding.severity == "warning" else ""
    about = f"{finding.object}: " if finding.object else ""
    return _printable(f"{finding.file}:{finding.position.line}: {what}{about}{said(finding)}")


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _annotation(finding: Finding) -> str:
    place = f"file={_property(finding.file)},line={finding.position.line},col={finding.position.column}"
    title = f",title={_property(finding.object)}" if finding.object else ""
    return f"::{finding.severity} {place}{title}::{_data(_printable(said(finding)))}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(_printable(value)).replace(":", "%3A").replace(",", "%2C")


def _fields(finding: Finding) -> dict[str, object]:
    return {
        "file": finding.file,
        "line": finding.position.line,
        "column": finding.position.column,
        "severity": finding.severity,
        "object": finding.object,
        "field": finding.field,
        "message": finding.message,
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
