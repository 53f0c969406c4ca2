"""`inferfleet explain` of files: one Model in full."""

from pathlib import Path

import make
from offline_worlds import Fleet, fleet, small

from inferfleet.offline.render.explain import explain
from inferfleet.offline.types import RejectedRow, Report, WorkloadRow

__all__ = ["fleet"]
EXAMPLES = Path(__file__).parents[2] / "examples"


def explained(fleet: Fleet, name: str = "demo", *argv: str) -> str:
    said = fleet.run("explain", name, "-f", "fleet.yaml", *argv)
    assert (said.status, said.err) == (0, "")
    return said.out


def test_it_says_what_was_chosen_what_else_could_serve_and_what_cannot(fleet: Fleet) -> None:
    tiny = make.pool("tiny", nodes={"selector": {"a": "b"}, "replica": {"cpu": "500m", "memory": "64Mi"}})
    fleet.write("fleet.yaml", *small(), tiny)
    text = explained(fleet)
    assert text.startswith("default/demo:chat\n  declared at fleet.yaml:")
    assert "  CheapestWithinSLO: q4-0 on cpu with llama-cpp" in text
    assert "could serve, too:\n    q8-0 on cpu with llama-cpp: " in text
    assert "    MemoryDoesNotFit (" in text
    assert "f16 on tiny with llama-cpp" in text


def test_headroom_is_told_of_targets_alone(fleet: Fleet) -> None:
    _, pool, model = small()
    fleet.write("fleet.yaml", make.workload_class(slo={"ttft": "2s"}), pool, model)
    text = explained(fleet)
    (ttft,) = [line for line in text.splitlines() if "    TTFT: " in line]
    (tpot,) = [line for line in text.splitlines() if "    TPOT: " in line]
    assert ttft.endswith(" left")
    assert tpot.endswith("no target")


def test_a_workload_that_nothing_can_serve_says_why_of_every_candidate(fleet: Fleet) -> None:
    _, pool, model = small()
    fleet.write("fleet.yaml", make.workload_class(slo={"ttft": "1ms"}), pool, model)
    text = explained(fleet)
    assert "  NoCandidate: " in text
    assert "  cannot serve (" in text
    assert "    SLOViolated (3):\n      ttft of " in text


def test_a_name_that_several_namespaces_have_needs_its_namespace(fleet: Fleet) -> None:
    fleet.write("fleet.yaml", *small(), make.model(namespace="other"))
    said = fleet.run("explain", "demo", "-f", "fleet.yaml")
    assert (said.status, said.err) == (2, "error: demo is in default, other: name it NAMESPACE/demo\n")
    assert explained(fleet, "other/demo").startswith("other/demo:chat\n")


def test_a_model_that_is_not_there_is_told_with_those_that_are(fleet: Fleet) -> None:
    fleet.write("fleet.yaml", *small())
    said = fleet.run("explain", "llama", "-f", "fleet.yaml")
    assert (said.status, said.err) == (2, "error: there is no Model llama; there are default/demo\n")


def test_as_json_it_has_the_model_alone(fleet: Fleet) -> None:
    fleet.write("fleet.yaml", *small(), make.model("other"))
    said = fleet.run("explain", "other", "-f", "fleet.yaml", "-o", "json")
    assert [w["model"] for w in said.json["workloads"]] == ["other"]


def test_of_what_generates_nothing_only_the_whole_request_is_told(fleet: Fleet) -> None:
    said = fleet.run("explain", "embedder", "-f", str(EXAMPLES / "embeddings"))
    assert "    end to end: " in said.out
    assert "TTFT: " not in said.out
    assert "TPOT: " not in said.out


def test_what_is_better_only_for_itself_is_told_among_what_could_serve() -> None:
    better = RejectedRow("h100", "fp8", "vllm", "WorseForFleet", "0.4 USD per 1M tokens, 0.8 times the chosen")
    row = WorkloadRow(("default", "demo", "chat"), planned=True, reason="x", message="y", rejected=(better,))
    text = explain(Report((row,)), [row])
    assert "could serve, too:\n    fp8 on h100 with vllm: 0.4 USD" in text
    assert "cannot serve" not in text


def test_candidates_that_cannot_serve_are_grouped_by_their_reason(fleet: Fleet) -> None:
    tiny = make.pool("tiny", nodes={"selector": {"a": "b"}, "replica": {"cpu": "500m", "memory": "64Mi"}})
    _, pool, model = small()
    fleet.write("fleet.yaml", make.workload_class(slo={"ttft": "1ms"}), pool, tiny, model)
    text = explained(fleet)
    headings = [line.strip() for line in text.splitlines() if line.startswith("    ") and line.endswith("):")]
    assert headings == ["MemoryDoesNotFit (3):", "SLOViolated (3):"]
