"""`inferfleet plan` on the users' own files: what would run where, what it costs, and what is assumed."""

import os
import random
import subprocess
import sys
from pathlib import Path

import harness
import make
import pytest
from offline_worlds import Fleet, bounded, fleet, small, workload

from inferfleet.fleet.profiles import profile_objects

__all__ = ["fleet"]
ROOT = Path(__file__).parents[2]
PLANNED = ("quickstart", "cpu-edge", "batch", "embeddings")
"""Examples that this release serves."""


@pytest.mark.parametrize("name", PLANNED)
def test_an_example_that_this_release_serves_is_placed(name: str, fleet: Fleet) -> None:
    said = fleet.run("plan", "-f", str(ROOT / "examples" / name), "-o", "json")
    assert (said.status, said.err) == (0, "")
    assert all(w["placements"] and w["planned"] and not w["notDeployed"] for w in said.json["workloads"])


def test_the_quickstart_says_what_it_chose_and_what_it_takes_for_granted(fleet: Fleet) -> None:
    said = fleet.run("plan", "-f", str(ROOT / "examples/quickstart"))
    assert said.status == 0
    assert "default/demo:chat  q4-0 on cpu-small with llama-cpp" in said.out
    for assumption in (
        "no snapshot of a cluster: nothing runs yet",
        "as many nodes as needed of cpu-small, cpu-tiny: spec.nodes.maxNodes is absent",
        "no CapacityProfile: every speed is an estimate",
    ):
        assert assumption in said.out
    assert "cpu-small, cpu-tiny select the same nodes" in said.out


def test_what_the_operator_cannot_place_is_planned_with_what_it_does_not_deploy_yet(fleet: Fleet) -> None:
    argv = ("plan", "-f", str(ROOT / "examples/chat-and-completion"), "-o", "json")
    said = fleet.run(*argv)
    chat = workload(said.json, "support-chat", "llama-3-1-8b")
    assert (said.status, chat["planned"]) == (3, True)
    assert chat["notDeployed"].startswith("this release does not deploy ")
    (violation,) = chat["violations"]
    assert violation["message"].startswith("this release deploys nothing for it: none of ")
    assert "EngineUnsupported" in violation["message"]


def test_only_what_is_deployed_can_be_asked_for(fleet: Fleet) -> None:
    example = str(ROOT / "examples/chat-and-completion")
    said = fleet.run("plan", "-f", example, "-o", "json", "--engines", "deployed")
    chat = workload(said.json, "support-chat", "llama-3-1-8b")
    assert (said.status, chat["planned"], chat["placements"], chat["notDeployed"]) == (3, False, [], None)
    assert set(chat["rejectedCounts"]) == {"EngineUnsupported"}


def test_with_all_that_is_known_a_provider_competes(fleet: Fleet) -> None:
    example = str(ROOT / "examples/external-provider")
    said = fleet.run("plan", "-f", example, "-o", "json", "--engines", "known")
    faq = workload(said.json, "public-faq", "questions")
    assert (faq["placements"][0]["pool"], faq["violations"]) == ("hosted", [])
    assert faq["notDeployed"] == "this release does not deploy external on hosted"


def test_the_price_of_an_hour_is_that_of_all_replicas(fleet: Fleet) -> None:
    plan = fleet.planned(*small(replicas={"min": 3, "max": 5}))
    (placement,) = workload(plan)["placements"]
    assert (placement["replicas"], placement["usdPerHour"]) == (3, "0.075")  # 3 x half a core x 0.05 USD
    assert plan["summary"]["usdPerHour"] == "0.075"
    assert plan["pools"] == [
        {
            "name": "cpu",
            "hardware": "cpu-x86-avx2",
            "perAcceleratorHour": "0.05",
            "nodes": None,
            "unit": "cores",
            "taken": 1.5,
            "room": None,
            "replicas": 3,
            "usdPerHour": "0.075",
            "problem": None,
        }
    ]


def test_declared_demand_decides_the_replicas(fleet: Fleet) -> None:
    few = fleet.planned(*small(demand={"requestsPerSecond": 1}, replicas={"max": 1000}))
    many = fleet.planned(*small(demand={"requestsPerSecond": 1000}, replicas={"max": 1000}))
    assert workload(few)["placements"][0]["replicas"] < workload(many)["placements"][0]["replicas"]
    assert workload(many)["demand"] == {"tokensPerSecond": 64_000, "unit": "generated"}


def test_a_demand_above_the_maximum_is_broken(fleet: Fleet) -> None:
    said = fleet.plan(*small(demand={"requestsPerSecond": 100_000}), argv=("-o", "json"))
    assert said.status == 3
    (violation,) = workload(said.json)["violations"]
    assert (violation["reason"], violation["bindingConstraint"]) == ("MaxReplicas", "replicas.max")
    assert "replicas.max is 3" in violation["message"]


def test_a_demand_beyond_the_nodes_is_broken(fleet: Fleet) -> None:
    _, _, model = small(demand={"requestsPerSecond": 100_000}, replicas={"max": 1000})
    said = fleet.plan(make.workload_class(), bounded(2), model, argv=("-o", "json"))
    assert said.status == 3
    assert {"PoolExhausted", "MaxReplicas"} == {v["reason"] for v in workload(said.json)["violations"]}
    assert workload(said.json)["placements"][0]["replicas"] == 2


def test_models_share_what_a_pool_has(fleet: Fleet) -> None:
    models = [make.model(name, workloads=make.workloads(replicas={"min": 2, "max": 2})) for name in ("a", "b")]
    said = fleet.plan(make.workload_class(), bounded(3), *models, argv=("-o", "json"))
    assert said.status == 3
    first, second = workload(said.json, model="a"), workload(said.json, model="b")
    assert first["placements"][0]["replicas"] == 2
    assert (second["placements"], set(second["rejectedCounts"])) == ([], {"PoolExhausted"})
    assert said.json["pools"][0] | {"usdPerHour": ""} == {
        "name": "cpu",
        "hardware": "cpu-x86-avx2",
        "perAcceleratorHour": "0.05",
        "nodes": 3,
        "unit": "cores",
        "taken": 2.0,
        "room": 3.0,
        "replicas": 2,
        "usdPerHour": "",
        "problem": None,
    }


def test_a_namespace_that_is_in_the_files_counts_and_another_is_let_in(fleet: Fleet) -> None:
    class_, _, model = small()
    closed = make.pool(allowedNamespaces={"matchLabels": {"tier": "production"}})
    stranger = fleet.planned(class_, closed, model)
    assert workload(stranger)["planned"]
    assert any("allows namespace default" in line for line in stranger["assumptions"])
    known = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"tier": "test"}}}
    refused = fleet.planned(class_, closed, model, known)
    assert set(workload(refused)["rejectedCounts"]) == {"NamespaceNotAllowed"}


def test_a_model_without_a_namespace_gets_the_one_of_the_flag(fleet: Fleet) -> None:
    model = make.model()
    del model["metadata"]["namespace"]
    plan = fleet.planned(make.workload_class(), make.pool(), model, argv=("-n", "assistants"))
    assert [w["namespace"] for w in plan["workloads"]] == ["assistants"]


def test_a_declared_capacity_of_the_files_replaces_the_estimate(fleet: Fleet) -> None:
    estimated = workload(fleet.planned(*small()))["placements"][0]
    assert estimated["capacitySource"] == "Estimated"
    (profile,) = profile_objects(harness.planned(make.node(), *small())[1]).values()
    declared = {"tokensPerSecond": 123, "asOf": "2026-07-20", "source": "a test"}
    profile = {**profile, "spec": {**profile["spec"], "declared": declared}}
    plan = fleet.planned(*small(), profile)
    (placement,) = workload(plan)["placements"]
    assert (placement["capacitySource"], placement["tokensPerSecond"]) == ("Declared", 123)
    assert "measured capacities are believed as of 2026-07-20T00:00:00Z" in plan["assumptions"]
    late = fleet.planned(*small(), profile, argv=("--now", "2027-01-01T00:00:00Z"))
    assert workload(late)["placements"][0]["capacitySource"] == "Estimated"


def test_a_class_that_is_not_there_is_told_with_its_model(fleet: Fleet) -> None:
    said = fleet.plan(make.pool(), make.model(workloads=[{"class": "nowhere"}]))
    assert said.status == 3
    assert "default/demo:nowhere: ClassNotFound: WorkloadClass nowhere does not exist" in said.out


def test_a_class_of_the_chart_is_there_without_a_file(fleet: Fleet) -> None:
    said = fleet.plan(make.pool(), make.model(workloads=[{"class": "realtime-chat"}]), argv=("-o", "json"))
    assert workload(said.json, "realtime-chat")["reason"] != "ClassNotFound"


@pytest.mark.parametrize("output", ["table", "json", "markdown", "html"])
def test_the_order_of_the_files_changes_nothing(output: str, fleet: Fleet) -> None:
    objects = [*small(), make.pool("cpu-2", "0.06", labels={"a": "b"}), make.model("other")]
    texts = set()
    for seed in (1, 2):
        shuffled = list(objects)
        random.Random(seed).shuffle(shuffled)
        said = fleet.plan(*shuffled, argv=("-o", output))
        texts.add(said.out.replace(str(fleet.folder), ""))
    lines = {"\n".join(line for line in text.splitlines() if "declaredAt" not in line) for text in texts}
    assert len(lines) == 1


def test_two_processes_say_the_same_bytes(fleet: Fleet) -> None:
    command = [sys.executable, "-m", "inferfleet", "plan", "-f", str(ROOT / "examples/quickstart"), "-o", "html"]
    runs = [
        subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]


def test_standard_input_is_read(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.write("a.yaml", *small())
    with (fleet.folder / "a.yaml").open() as given:
        monkeypatch.setattr(sys, "stdin", given)
        said = fleet.run("plan", "-f", "-")
    assert (said.status, said.err) == (0, "")


# --- input that is wrong --------------------------------------------------------------------


def test_nothing_is_planned_of_a_file_with_an_error(fleet: Fleet) -> None:
    said = fleet.plan(*small(), make.pool("other", nodes={"replicas": {}}))
    assert (said.status, said.out) == (1, "")
    assert "HardwarePool other: strict decoding error: unknown field" in said.err
    assert said.err.startswith("fleet.yaml:")
    assert said.err.endswith("error: nothing is planned\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "fleet.yaml:1: not YAML"),
        ("apiVersion: inferfleet.io/v1alpha1\nkind: Pool\nmetadata: {name: x}\n", 'no matches for kind "Pool"'),
        ("{{ .Values.x }}: 1\n---\nb: {{ a }}\n", "it looks like a Helm template"),
    ],
)
def test_what_cannot_be_read_is_told_as_lint_tells_it(text: str, told: str, fleet: Fleet) -> None:
    said = fleet.plan(text)
    assert (said.status, said.out) == (1, "")
    assert told in said.err


def test_an_object_that_is_given_twice_is_no_fleet(fleet: Fleet) -> None:
    fleet.write("a/fleet.yaml", *small())
    fleet.write("b/pool.yaml", make.pool(price="0.01"))
    said = fleet.run("plan", "-f", ".")
    assert (said.status, said.out) == (1, "")
    assert "HardwarePool cpu" in said.err
    assert "also in a/fleet.yaml:" in said.err


@pytest.mark.parametrize("argv", [("-f", "nowhere"), (), ("-f", "empty.yaml"), ("-f", "fleet.yaml", "--now", "soon")])
def test_a_command_line_that_names_nothing_to_plan_ends_with_two(argv: tuple[str, ...], fleet: Fleet) -> None:
    fleet.write("fleet.yaml", *small())
    fleet.write("empty.yaml", make.pool())
    said = fleet.run("plan", *argv)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("error: ")


def test_help_says_what_the_exit_statuses_mean(fleet: Fleet) -> None:
    for command in ("plan", "diff", "explain", "snapshot"):
        said = fleet.run(command, "--help")
        assert said.status == 0
        assert "exit status: 0 " in " ".join(said.out.split())


def test_a_scarce_pool_goes_to_the_workload_that_can_do_with_nothing_else(fleet: Fleet) -> None:
    """The first Model by name would take the only cheap node for itself; together they cost less otherwise."""
    labels = {"site": "edge"}
    narrow = make.workloads(pools={"matchLabels": labels})
    models = (make.model("first"), make.model("second", workloads=narrow))
    pools = (bounded(1, "cheap", price="0.01", labels=labels), bounded(1, "dear", price="0.02"))
    said = fleet.plan(make.workload_class(), *pools, *models, argv=("-o", "json"))
    assert said.status == 0
    found = {w["model"]: w["placements"][0]["pool"] for w in said.json["workloads"]}
    assert found == {"first": "dear", "second": "cheap"}
    assert any(note.startswith("placed together as one fleet: at most 0.0% above") for note in said.json["notes"])
