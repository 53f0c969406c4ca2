"""Plans of fleets with limited accelerators, and what is told of files that are odd and not wrong."""

import io
from typing import Any

import make
import pytest
from offline_worlds import Fleet, Obj, Said, bounded, fleet, small, workload

from inferfleet.cli.progress import progress

__all__ = ["fleet"]


def gpus(nodes: int, **changes: Any) -> Obj:
    """A pool of so many nodes with eight H100 each."""
    there = {"selector": {"pool": "h100"}, "acceleratorsPerNode": 8, "maxNodes": nodes}
    return make.pool("h100", "6.88", accelerator="nvidia-h100-80gb", nodes=there, **changes)


def spread(name: str, accelerators: int) -> Obj:
    """A Model whose replica takes so many accelerators of that pool."""
    pin = {"mode": "Pinned", "pool": "h100", "variant": "bf16", "engine": "vllm", "tensorParallel": accelerators}
    source = {"uri": f"oci://registry.example.com/models/{name}:1"}
    return make.model(
        name,
        architecture={"preset": "llama-3.1-70b"},
        variants=[{"name": "bf16", "quantization": "BF16", "source": source}],
        workloads=make.workloads(placement=pin, replicas={"min": 1, "max": 1}),
    )


def slow() -> Obj:
    return make.workload_class(slo={"ttft": "10s", "tpot": "500ms"})


def planned(fleet: Fleet, *objects: Obj | str) -> Said:
    return fleet.plan(*objects, argv=("-o", "json", "--engines", "known"))


def test_replicas_of_several_accelerators_take_all_of_them_from_the_pool(fleet: Fleet) -> None:
    said = planned(fleet, slow(), gpus(1), *(spread(name, 4) for name in ("a", "b", "c")))
    assert said.status == 3
    assert [bool(w["placements"]) for w in said.json["workloads"]] == [True, True, False]
    assert set(workload(said.json, model="c")["rejectedCounts"]) == {"PoolExhausted", "NotPinned"}
    assert said.json["pools"][0]["taken"] == said.json["pools"][0]["room"] == 8


def test_workloads_of_one_model_share_a_pool_by_accelerators_too(fleet: Fleet) -> None:
    model = spread("a", 4)
    (chat,) = model["spec"]["workloads"]
    model["spec"]["workloads"] = [chat | {"class": name} for name in ("chat", "code", "rag")]
    others = [slow() | {"metadata": {"name": name}} for name in ("code", "rag")]
    said = planned(fleet, slow(), *others, gpus(1), model)
    assert sorted(bool(w["placements"]) for w in said.json["workloads"]) == [False, True, True]


def test_what_is_more_important_gets_a_scarce_pool_whatever_its_name(fleet: Fleet) -> None:
    urgent = slow() | {"metadata": {"name": "urgent"}}
    urgent = urgent | {"spec": urgent["spec"] | {"priority": 100}}
    late = spread("z", 8)
    late["spec"]["workloads"][0]["class"] = "urgent"
    said = planned(fleet, slow(), urgent, gpus(1), spread("a", 8), late)
    assert workload(said.json, model="a")["placements"] == []
    assert len(workload(said.json, "urgent", "z")["placements"]) == 1


def test_the_table_says_how_much_of_a_pool_is_used_and_of_which_demand(fleet: Fleet) -> None:
    hosted = "https://api.example.com/v1"
    external = {"protocol": "OpenAI", "endpoint": hosted, "credentialsKey": "key", "models": []}
    provider: Obj = {"kind": "HardwarePool", "metadata": {"name": "hosted"}, "spec": {"external": external}}
    model = spread("a", 4)
    model["spec"]["workloads"][0]["demand"] = {"requestsPerSecond": 1}
    served = {
        "name": "x",
        "architecture": "llama-3.1-8b",
        "quantization": "FP8",
        "price": {"inputPer1MTokens": "1", "outputPer1MTokens": "1"},
    }
    external["models"] = [served]
    files = (slow(), gpus(1), {"apiVersion": make.API} | provider, model)
    lines = fleet.plan(*files, argv=("--engines", "known")).out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert rows["h100"][3:8] == ["1", "4", "of", "8", "1"]
    assert rows["hosted"][1:] == [hosted, "-", "-", "-", "-", "0"]
    assert "64 tok/s" in lines[1]


def test_of_many_that_miss_a_limit_the_nearest_is_told(fleet: Fleet) -> None:
    strict = make.workload_class(limits={"costPer1MTokens": "0.0001"})
    _, pool, model = small()
    said = fleet.plan(strict, make.pool("dear", "0.5"), pool, model, argv=("-o", "json"))
    (violation,) = workload(said.json)["violations"]
    assert "CostLimitExceeded 6 (the nearest is q4-0 on cpu with llama-cpp: " in violation["message"]


def test_a_name_that_the_catalog_lacks_is_noted_with_its_place_and_a_near_one(fleet: Fleet) -> None:
    pool = gpus(1)
    pool["spec"]["accelerator"] = "nvidia-h100"
    said = fleet.plan(*small(), pool)
    (note,) = [line for line in said.out.splitlines() if "the catalog has no nvidia-h100" in line]
    assert note.startswith("  fleet.yaml:")
    assert note.endswith(
        "HardwarePool h100: spec.accelerator: the catalog has no nvidia-h100; did you mean nvidia-h100-80gb?"
    )


def test_a_class_that_is_not_there_is_told_once_as_what_is_broken(fleet: Fleet) -> None:
    _, pool, model = small()
    plan = fleet.planned(pool, model)
    assert [v["reason"] for v in workload(plan)["violations"]] == ["ClassNotFound"]
    assert plan["notes"] == []


OVERLAY = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [fleet.yaml]\n"


@pytest.mark.parametrize(
    ("more", "noted"), [("", False), ("namespace: demo\n", True), ("patches: [{path: x.yaml}]\n", True)]
)
def test_an_overlay_that_would_change_something_is_noted(more: str, noted: bool, fleet: Fleet) -> None:
    fleet.write("apps/fleet.yaml", *small())
    fleet.write("apps/kustomization.yaml", OVERLAY + more)
    said = fleet.run("plan", "-f", "apps", "-o", "json")
    assert said.status == 0
    assert any("kubectl kustomize apps" in note for note in said.json["notes"]) == noted


def test_errors_in_an_overlay_come_with_the_hint_to_render_it(fleet: Fleet) -> None:
    fleet.write("kustomization.yaml", OVERLAY + "patches: [{path: patch.yaml}]\n")
    patch: Obj = {"apiVersion": make.API, "kind": "Model", "metadata": {"name": "demo"}, "spec": {}}
    fleet.write("patch.yaml", patch)
    said = fleet.run("plan", "-f", ".")
    assert (said.status, said.out) == (1, "")
    assert "note: kustomization.yaml: what it changes is not applied" in said.err
    assert said.err.endswith("error: nothing is planned\n")


def test_a_plan_with_engines_of_the_future_says_how_to_plan_with_them_alone(fleet: Fleet) -> None:
    files = (slow(), gpus(1), spread("a", 8))
    assert any("--engines known" in note for note in fleet.planned(*files)["notes"])
    assert not any("--engines known" in note for note in planned(fleet, *files).json["notes"])


def test_a_folder_without_files_is_a_fleet_that_is_not_there_yet(fleet: Fleet) -> None:
    fleet.write("new/fleet.yaml", *small())
    (fleet.folder / "old").mkdir()
    said = fleet.run("diff", "old", "new", "-o", "json")
    assert (said.status, [c["change"] for c in said.json["changes"]]) == (2, ["Added"])
    gone = fleet.run("diff", "new", "old", "-o", "json")
    assert (gone.status, [c["change"] for c in gone.json["changes"]]) == (2, ["Removed"])
    neither = fleet.run("diff", "old", "old")
    assert (neither.status, neither.err) == (1, "error: there is nothing in old and nothing in old\n")


def test_a_small_change_of_headroom_is_told_with_the_digit_that_shows_it(fleet: Fleet) -> None:
    _, pool, model = small()
    fleet.write("old/fleet.yaml", make.workload_class(slo={"ttft": "2000ms"}), pool, model)
    fleet.write("new/fleet.yaml", make.workload_class(slo={"ttft": "1900ms"}), pool, model)
    line = fleet.run("diff", "old", "new").out.splitlines()[1]
    before, after = line.split("TTFT ")[1].split(" -> ")
    assert before.endswith("%")
    assert before != after


def test_an_explanation_without_a_cluster_says_what_would_do(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(fleet.folder / "nowhere"))
    said = fleet.run("explain", "demo")
    assert (said.status, said.out) == (2, "")
    assert said.err.endswith("; -f or --snapshot explains without a cluster\n")


def test_a_placement_whose_figures_are_a_guess_is_marked(fleet: Fleet) -> None:
    usual: Obj = {"inputTokens": {"p50": 1000, "p95": 1000}, "outputTokens": {"p50": 1000, "p95": 1000}}
    class_ = slow()
    class_["spec"]["traffic"] = usual
    measured, never_measured = spread("a", 4), spread("a", 4)
    never_measured["spec"]["workloads"][0]["placement"]["engine"] = "lmdeploy"
    (placement,) = workload(planned(fleet, class_, gpus(1), never_measured).json, model="a")["placements"]
    assert placement["guess"].startswith("lmdeploy was never measured")
    table = fleet.plan(class_, gpus(1), never_measured, argv=("--engines", "known")).out
    assert table.splitlines()[1].endswith("not deployed by this release; figures are a guess")
    (known,) = workload(planned(fleet, class_, gpus(1), measured).json, model="a")["placements"]
    assert known["guess"] is None


def test_a_pool_that_is_full_is_told_in_accelerators(fleet: Fleet) -> None:
    model = spread("a", 4)
    model["spec"]["workloads"][0] |= {"replicas": {"min": 1, "max": 50}, "demand": {"requestsPerSecond": 500}}
    said = planned(fleet, slow(), gpus(1), model)
    messages = [v["message"] for v in workload(said.json, model="a")["violations"] if v["reason"] == "PoolExhausted"]
    assert len(messages) == 1
    assert (
        " replicas of 4 accelerators are needed, and the nodes of pool h100 have room for 8 accelerators" in messages[0]
    )


def test_beside_a_snapshot_it_says_which_nodes_are_still_to_come(fleet: Fleet) -> None:
    labels, allocatable = {"pool": "h100"}, {"cpu": "96", "memory": "1Ti", "nvidia.com/gpu": "8"}
    node: Obj = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": labels}}
    node["status"] = {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]}
    snapshot: Obj = {"snapshot": "inferfleet/v1", "takenAt": "2026-11-20T08:00:00Z", "objects": [node]}
    fleet.write("snapshot.yaml", snapshot)
    for most, told in ((1, False), (3, True)):
        said = fleet.plan(slow(), gpus(most), spread("a", 4), argv=("-o", "json", "--snapshot", "snapshot.yaml"))
        assert ("up to spec.nodes.maxNodes there can be 2 nodes of h100 more" in said.json["assumptions"]) == told


def test_many_workloads_get_pictures_only_of_what_costs_most(fleet: Fleet) -> None:
    models = [make.model(f"m{i}", workloads=make.workloads(replicas={"min": 1 + i % 3, "max": 3})) for i in range(52)]
    text = fleet.plan(make.workload_class(), make.pool(), *models, argv=("-o", "html")).out
    assert text.count("<section>") == 52
    assert "frontiers are drawn of 50 workloads" in text
    (least,) = [s for s in text.split("<section>") if s.startswith("<h3>default/m9:chat</h3>")]
    assert "<figure>" not in least
    (most,) = [s for s in text.split("<section>") if s.startswith("<h3>default/m8:chat</h3>")]
    assert "<figure>" in most


class Impatient(io.RawIOBase):
    """Standard input of somebody who presses Ctrl-C."""

    buffer = property(lambda self: self)

    def read(self, size: int = -1) -> bytes:
        raise KeyboardInterrupt


def test_a_user_who_does_not_wait_sees_no_traceback(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Impatient())
    said = fleet.run("plan", "-f", "-")
    assert (said.status, said.out, said.err) == (130, "", "")


class Terminal(io.StringIO):
    """Somebody watches."""

    def isatty(self) -> bool:
        return True


def test_progress_is_told_on_a_terminal_and_wiped_out_at_the_end() -> None:
    terminal = Terminal()
    with progress(terminal) as tell:
        tell("1 of 2 Models compared")
    assert terminal.getvalue() == "\r1 of 2 Models compared\x1b[K\r\x1b[K"


def test_progress_is_silent_where_nobody_watches() -> None:
    file = io.StringIO()
    for where in (file, None):
        with progress(where) as tell:
            tell("1 of 2 Models compared")
    assert file.getvalue() == ""


def test_bounded_cpu_pools_are_counted_in_cores(fleet: Fleet) -> None:
    (pool,) = fleet.planned(make.workload_class(), bounded(3), make.model())["pools"]
    assert (pool["unit"], pool["taken"], pool["room"]) == ("cores", 1.0, 3.0)
