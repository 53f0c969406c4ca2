"""A comparison as SARIF 2.1.0, which code hosts show at the lines of a pull request. Pure.

What breaks is an error, what costs more or moves a note. OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from inferfleet import __version__
from inferfleet.offline.compare import Change, Comparison
from inferfleet.offline.render import words
from inferfleet.offline.render.changes import figures_of, what
from inferfleet.offline.types import Place, Violation

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
RULES: Mapping[str, str] = {
    "Added": "A workload that the old plan did not have",
    "Removed": "A workload that the new plan does not have",
    "Moved": "A workload that changes its pool, variant or engine",
    "Resized": "A workload that changes its replicas",
    "Repriced": "A workload that changes its cost alone",
    "Placed": "A workload that could not be placed before",
    "Unplaced": "A workload that cannot be placed any more",
    "Retimed": "A workload whose latency, or its target, changes alone",
    "OverBudget": "A plan that costs more than it may",
}
"""Beside the reasons of what is broken, which the reference explains."""


def diff(found: Comparison) -> str:
    """One run."""
    results = [*_results(found)]
    used = sorted({r["ruleId"] for r in results})
    rules = [_rule(id_) for id_ in used]
    driver = {"name": "inferfleet", "version": __version__, "semanticVersion": __version__, "rules": rules}
    for result in results:
        result["ruleIndex"] = used.index(result["ruleId"])
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(id_: str) -> dict[str, Any]:
    text = RULES.get(id_, f"A target, limit or capacity that the plan breaks: {id_}")
    return {"id": id_, "shortDescription": {"text": text}}


def _results(found: Comparison) -> Iterable[dict[str, Any]]:
    for change in found.changes:
        for violation in (*change.new, *change.old):
            yield _broken(change, violation)
        if change.kind not in ("Same", "Unplaced", "Broken"):  # the last two are told as what is broken
            yield _changed(change)
    if found.over_budget:
        after, allowed = words.usd(found.after.usd_per_hour), words.usd(found.budget)
        place = next((w.place for w in found.after.workloads if w.place), None)
        text = f"the fleet would cost {after} USD per hour, {allowed} are allowed"
        yield _result("OverBudget", "error", text, place, "fleet")


def _broken(change: Change, violation: Violation) -> dict[str, Any]:
    name = f"{change.row.name}/{violation.reason}/{violation.binding or ''}"
    text = f"{change.row.name}: {violation.reason}: {violation.message}"
    result = _result(violation.reason, "error", text, change.row.place, name)
    return result | {"baselineState": "new" if violation in change.new else "unchanged"}


def _changed(change: Change) -> dict[str, Any]:
    _, cost, headroom = figures_of(change)
    text = f"{change.row.name}: {what(change)}; {cost} USD per hour"
    text += f"; headroom {headroom}" if headroom != words.DASH else ""
    return _result(change.kind, "note", text, change.row.place, f"{change.row.name}/change")


def _result(rule: str, level: str, text: str, place: Place | None, fingerprint: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "ruleId": rule,
        "level": level,
        "message": {"text": text},
        "partialFingerprints": {"inferfleetWorkload/v1": fingerprint},
    }
    return body | ({"locations": [_location(place)]} if place else {})


def _location(place: Place) -> dict[str, Any]:
    """Relative to where the command ran; standard input has no file of its own."""
    path = place.file.replace("\\", "/").removeprefix("./")
    uri = f"file://{quote(path)}" if path.startswith("/") else quote(path)
    region = {"startLine": place.line, "startColumn": place.column}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
