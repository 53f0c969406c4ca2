"""`inferfleet diff`: what a change of files moves, costs and breaks, and the status that a pipeline sees."""

import json
from typing import Any

import make
import pytest
from jsonschema import Draft7Validator
from offline_worlds import Fleet, Obj, Said, bounded, fleet, small

__all__ = ["fleet"]


@pytest.fixture
def diff(fleet: Fleet) -> Any:
    """Of two lists of objects."""

    def call(old: tuple[Obj, ...], new: tuple[Obj, ...], *argv: str) -> Said:
        fleet.write("old/fleet.yaml", *old)
        fleet.write("new/fleet.yaml", *new)
        return fleet.run("diff", "old", "new", *argv)

    return call


def changes(said: Said) -> dict[str, str]:
    return {c["workload"]: c["change"] for c in said.json["changes"]}


def test_the_same_files_change_nothing(diff: Any) -> None:
    said = diff(small(), small())
    assert said.status == 0
    assert said.out.startswith("no workload changes\n")
    assert "0 of 1 workload change: 0.025 -> 0.025 USD per hour (0)" in said.out


def test_what_is_told_apart_from_decisions_is_no_change(diff: Any) -> None:
    class_, pool, model = small()
    named = {**model, "metadata": {**model["metadata"], "labels": {"team": "x"}}}
    assert diff((class_, pool, model), (pool, class_, named)).status == 0


def test_a_cheaper_pool_moves_the_workload(diff: Any) -> None:
    class_, pool, model = small()
    said = diff((class_, pool, model), (class_, pool, make.pool("cheap", "0.01"), model), "-o", "json")
    assert said.status == 2
    assert changes(said) == {"default/demo:chat": "Moved"}
    assert said.json["usdPerHour"] == {"before": "0.025", "after": "0.005", "change": "-0.02", "allowed": None}


def test_a_price_alone_changes_the_cost(diff: Any) -> None:
    class_, pool, model = small()
    said = diff((class_, pool, model), (class_, make.pool(price="0.10"), model), "-o", "json")
    assert (said.status, changes(said)) == (2, {"default/demo:chat": "Repriced"})
    assert said.json["usdPerHour"]["change"] == "+0.025"


def test_more_replicas_are_told_with_their_cost(diff: Any) -> None:
    said = diff(small(), small(replicas={"min": 2, "max": 3}), "-o", "text")
    assert said.status == 2
    assert "Resized: q4-0 on cpu with llama-cpp x1 -> q4-0 on cpu with llama-cpp x2" in said.out
    assert "0.025 -> 0.05 (+0.025)" in said.out


def test_models_that_come_and_go_are_told(diff: Any) -> None:
    class_, pool, model = small()
    said = diff((class_, pool, model), (class_, pool, make.model("other")), "-o", "json")
    assert changes(said) == {"default/demo:chat": "Removed", "default/other:chat": "Added"}
    assert said.status == 2


def test_a_tighter_target_leaves_less_headroom(diff: Any) -> None:
    _, pool, model = small()
    loose, tight = (make.workload_class(slo={"tpot": t}) for t in ("2s", "1s"))
    said = diff((loose, pool, model), (tight, pool, model), "-o", "json")
    (change,) = said.json["changes"]
    (headroom,) = change["headroom"]
    assert headroom["target"] == "tpot"
    assert headroom["before"] > headroom["after"] > 0
    assert said.status == 2


def test_a_broken_target_ends_with_three(diff: Any) -> None:
    _, pool, model = small()
    said = diff(small(), (make.workload_class(slo={"ttft": "1ms"}), pool, model), "-o", "json")
    assert said.status == 3
    assert changes(said) == {"default/demo:chat": "Unplaced"}
    (violation,) = said.json["violations"]
    assert (violation["new"], violation["reason"], violation["bindingConstraint"]) == (True, "NoCandidate", "ttft")


def test_what_was_broken_before_is_told_as_before_and_ends_with_three_all_the_same(diff: Any) -> None:
    broken = small(demand={"requestsPerSecond": 100_000})
    said = diff(broken, broken)
    assert said.status == 3
    assert "default/demo:chat: MaxReplicas (as before): the demand needs " in said.out


def test_a_budget_is_a_policy(diff: Any) -> None:
    assert diff(small(), small(), "--max-usd-per-hour", "0.025").status == 0
    said = diff(small(), small(), "--max-usd-per-hour", "0.02")
    assert said.status == 3
    assert "OverBudget: 0.025 USD per hour, 0.02 allowed" in said.out


def test_a_wrong_file_is_no_change(diff: Any) -> None:
    said = diff(small(), (*small(), {"apiVersion": make.API, "kind": "Pool", "metadata": {"name": "x"}}))
    assert (said.status, said.out) == (1, "")
    assert "new/fleet.yaml" in said.err


@pytest.mark.parametrize("argv", [("old", "new", "--no-such-flag"), ("old",), ("old", "nowhere"), ("-", "-")])
def test_a_wrong_command_line_is_no_change(argv: tuple[str, ...], fleet: Fleet) -> None:
    fleet.write("old/fleet.yaml", *small())
    fleet.write("new/fleet.yaml", *small())
    said = fleet.run("diff", *argv)
    assert (said.status, said.out) == (1, "")
    assert said.err


def test_markdown_leads_with_what_breaks(diff: Any) -> None:
    said = diff(small(), (make.workload_class(), bounded(1), small(replicas={"min": 2, "max": 3})[2]), "-o", "markdown")
    assert said.status == 3
    headings = [line for line in said.out.splitlines() if line.startswith("#")]
    assert headings == ["## What this changes in the fleet", "### Broken"]
    assert "| default/demo:chat | Unplaced: q4-0 on cpu with llama-cpp x1 -> nowhere (NoCandidate) |" in said.out


# --- SARIF ----------------------------------------------------------------------------------

TEXT: Any = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
SARIF: Any = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string", "format": "uri"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {"id": {"type": "string"}, "shortDescription": TEXT},
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "message": TEXT,
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "baselineState": {"enum": ["new", "unchanged", "updated", "absent"]},
                                "partialFingerprints": {
                                    "type": "object",
                                    "additionalProperties": {"type": "string"},
                                },
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "type": "object",
                                                        "required": ["uri"],
                                                    },
                                                    "region": {
                                                        "type": "object",
                                                        "required": ["startLine"],
                                                        "properties": {
                                                            "startLine": {"type": "integer", "minimum": 1},
                                                            "startColumn": {"type": "integer", "minimum": 1},
                                                        },
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
"""Of SARIF 2.1.0: what is required, and the values that the enumerations have, of what we write."""


def test_sarif_has_what_the_format_asks_for(diff: Any) -> None:
    _, pool, model = small()
    said = diff(small(), (make.workload_class(slo={"ttft": "1ms"}), pool, model), "-o", "sarif")
    body = json.loads(said.out)
    assert [error.message for error in Draft7Validator(SARIF).iter_errors(body)] == []
    (run,) = body["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[r["ruleIndex"]] for r in run["results"]] == [r["ruleId"] for r in run["results"]]


def test_sarif_points_to_the_workload_in_the_new_files(diff: Any) -> None:
    class_, pool, model = small()
    said = diff((class_, pool, model), (class_, pool, make.pool("cheap", "0.01"), model), "-o", "sarif")
    (result,) = json.loads(said.out)["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("Moved", "note")
    place = result["locations"][0]["physicalLocation"]
    line = place["region"]["startLine"]
    assert place["artifactLocation"]["uri"] == "new/fleet.yaml"
    assert '"class": "chat"' in said_line("new/fleet.yaml", line)


def said_line(file: str, number: int) -> str:
    with open(file) as lines:
        return list(lines)[number - 1]


def test_nothing_that_changes_is_an_empty_list_of_results(diff: Any) -> None:
    body = json.loads(diff(small(), small(), "-o", "sarif").out)
    assert body["runs"][0]["results"] == []
    assert [error.message for error in Draft7Validator(SARIF).iter_errors(body)] == []
