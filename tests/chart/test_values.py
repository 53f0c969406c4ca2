"""Values: every one does something, none of the first release was lost, and mistakes are refused with words."""

from typing import Any

import pytest
import yaml
from chart.helm import CRDS, MONITORING, OPERATOR, helm, kinds, named, one, operator, pods, refusal, render, variables
from chart.toggles import DIGEST, TOGGLES, paths

from e2e.charts import CHARTS
from e2e.cluster.shell import run

DEFAULTS = yaml.safe_load((CHARTS / OPERATOR / "values.yaml").read_text())

FIRST_RELEASE = {
    "image": {"repository": "inferfleet.local/operator", "tag": "e2e", "pullPolicy": "Never"},
    "runtime": {"image": {"repository": "inferfleet.local/runtime", "tag": "e2e", "pullPolicy": "Never"}},
    "replicas": 1,
    "logLevel": "info",
    "pauseMoves": False,
    "moveSaving": 0.15,
    "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "512Mi"}},
    "nodeSelector": {},
    "tolerations": [],
}
"""All values of 0.1.0."""

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"replica": 2}, "", "additional properties 'replica' not allowed"),
    ({"image": {"name": "x"}}, "/image", "additional properties 'name' not allowed"),
    ({"image": {"tag": 1}}, "/image/tag", "got number, want string"),
    ({"image": {"digest": "abc"}}, "/image/digest", "does not match pattern"),
    ({"image": {"repository": "a/b@sha256:x"}}, "/image/repository", "does not match pattern"),
    ({"runtime": {"images": {}}}, "/runtime", "additional properties 'images' not allowed"),
    ({"runtime": {"trustedHeaders": "yes"}}, "/runtime/trustedHeaders", "got string, want boolean"),
    ({"weights": {"env": {"PORT": 1}}}, "/weights/env/PORT", "got number, want string"),
    ({"weights": {"cache": {"hostPath": "models"}}}, "/weights/cache/hostPath", "does not match pattern"),
    ({"weights": {"cache": {"hostPath": "/m", "claim": "m"}}}, "/weights/cache", "not"),
    ({"imagePullSecrets": ["registry"]}, "/imagePullSecrets/0", "got string, want object"),
    ({"replicas": "two"}, "/replicas", "got string, want integer"),
    ({"replicas": 9}, "/replicas", "maximum: got 9, want 5"),
    ({"moveSaving": 15}, "/moveSaving", "maximum: got 15, want 1"),
    ({"logLevel": "loud"}, "/logLevel", "value must be one of 'debug', 'info', 'warning', 'error'"),
    ({"pauseMoves": "yes"}, "/pauseMoves", "got string, want boolean"),
    ({"watchNamespaces": "team-a"}, "/watchNamespaces", "got string, want array"),
    ({"watchNamespaces": ["Team_A"]}, "/watchNamespaces/0", "does not match pattern"),
    ({"priorityClasses": [{"name": "a"}]}, "/priorityClasses/0", "missing property 'value'"),
    ({"priorityClasses": [{"name": "a", "value": 2_000_000_000}]}, "/priorityClasses/0/value", "maximum"),
    ({"catalog": {"gpus": []}}, "/catalog", "additional properties 'gpus' not allowed"),
    ({"catalog": {"models": [{"layers": 1}]}}, "/catalog/models/0", "missing property 'name'"),
    ({"workloadClasses": {"exclude": "batch"}}, "/workloadClasses/exclude", "got string, want array"),
    ({"monitoring": {"enabled": "yes"}}, "/monitoring/enabled", "value must be one of 'auto', true, false"),
    ({"monitoring": {"interval": "15"}}, "/monitoring/interval", "does not match pattern"),
    ({"extraEnv": [{"value": "x"}]}, "/extraEnv/0", "missing property 'name'"),
    ({"nodeSelector": {"gpu": True}}, "/nodeSelector/gpu", "got boolean, want string"),
    ({"networkPolicy": {"on": True}}, "/networkPolicy", "additional properties 'on' not allowed"),
]
"""Values, where they are wrong, and what Helm says."""


def test_every_value_has_a_toggle_and_no_toggle_is_of_a_value_that_is_gone() -> None:
    assert set(TOGGLES) == paths(DEFAULTS)


@pytest.mark.parametrize("path", TOGGLES)
def test_every_value_changes_what_is_rendered(path: str) -> None:
    forced = path != "monitoring.enabled" and "enabled" in TOGGLES[path].get("monitoring", {})
    base = {"monitoring": {"enabled": True}} if forced else {}
    assert render(TOGGLES[path]) != render(base)


@pytest.mark.parametrize(("values", "where", "words"), BAD, ids=lambda v: str(v)[:60])
def test_a_mistake_is_refused_with_its_place_and_what_is_wrong(values: dict[str, Any], where: str, words: str) -> None:
    said = refusal(values)
    assert f"'{where}'" in said
    assert words in said


def test_two_priority_classes_of_one_value_are_refused() -> None:
    same = [{"name": "a", "value": 1}, {"name": "b", "value": 1}]
    assert "priorityClasses: a and b have the same value 1; keep one" in refusal({"priorityClasses": same})


def test_values_reused_from_the_first_release_as_they_were_are_refused_with_the_right_flag() -> None:
    said = refusal({"monitoring": None, "catalog": None, "global": None})
    assert "--reset-then-reuse-values" in said


def test_a_cluster_without_the_definitions_is_told_which_chart_comes_first() -> None:
    with pytest.raises(Exception, match="Install the chart inferfleet-crds first"):
        render(apis=["v1/Pod"])
    assert kinds(render({"workloadClasses": {"install": False}}, apis=["v1/Pod"]))


def test_an_unknown_value_of_the_definitions_chart_is_refused() -> None:
    assert "additional properties 'guard' not allowed" in refusal({"guard": False}, CRDS)


def test_all_values_of_the_first_release_still_work() -> None:
    objects = render(FIRST_RELEASE)
    assert operator(objects)["image"] == "inferfleet.local/operator:e2e"
    assert variables(objects)["INFERFLEET_RUNTIME_IMAGE"] == "inferfleet.local/runtime:e2e"
    assert one(objects, "Deployment")["spec"]["replicas"] == 1


def test_the_selector_of_the_first_release_has_not_changed_since_it_is_immutable() -> None:
    labels = {"app.kubernetes.io/name": "inferfleet-operator", "app.kubernetes.io/instance": "inferfleet"}
    for path in TOGGLES:
        assert one(render(TOGGLES[path]), "Deployment")["spec"]["selector"] == {"matchLabels": labels}


@pytest.mark.parametrize("chart", [OPERATOR, CRDS])
def test_helm_lint_finds_nothing(chart: str) -> None:
    assert "0 chart(s) failed" in run([helm(), "lint", "--strict", CHARTS / chart])


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("inferfleet.local/operator", "mirror.example.com/x/operator:1"),
        ("localhost:5000/a/operator", "mirror.example.com/x/a/operator:1"),
        ("team/operator", "mirror.example.com/x/team/operator:1"),
        ("operator", "mirror.example.com/x/operator:1"),
    ],
)
def test_a_mirror_takes_the_place_of_the_registry_and_of_nothing_else(repository: str, expected: str) -> None:
    mirror = {"imageRegistry": "mirror.example.com/x"}
    objects = render({"global": mirror, "image": {"repository": repository, "tag": "1"}})
    assert {c["image"] for pod in pods(objects) for c in pod["containers"]} == {expected}
    assert variables(objects)["INFERFLEET_RUNTIME_IMAGE"].startswith("mirror.example.com/x/runtime:")


def test_a_digest_wins_over_a_tag() -> None:
    image = {"tag": "1", "digest": DIGEST}
    objects = render({"image": image, "runtime": {"image": image}})
    assert operator(objects)["image"] == f"inferfleet.local/operator@{DIGEST}"
    assert variables(objects)["INFERFLEET_RUNTIME_IMAGE"] == f"inferfleet.local/runtime@{DIGEST}"


def test_a_budget_is_there_only_while_another_replica_can_take_over() -> None:
    assert "PodDisruptionBudget" in kinds(render())
    assert "PodDisruptionBudget" not in kinds(render({"replicas": 1}))


def test_a_change_of_the_catalog_replaces_the_pods() -> None:
    def note(watts: int) -> str:
        values = {"catalog": {"hardware": [{"name": "nvidia-l4", "maxWatts": watts}]}}
        return str(one(render(values), "Deployment")["spec"]["template"]["metadata"]["annotations"])

    assert note(65) != note(66)
    assert "annotations" not in one(render(), "Deployment")["spec"]["template"]["metadata"]


def test_every_preset_becomes_a_class_but_those_left_out() -> None:
    every = sorted(path.stem for path in (CHARTS / OPERATOR / "files/workloadclasses").glob("*.yaml"))
    assert len(every) > 5
    assert named(render(), "WorkloadClass") == every
    assert named(render(TOGGLES["workloadClasses.exclude"]), "WorkloadClass") == [n for n in every if n != "batch"]


def test_what_models_need_stays_when_the_chart_goes() -> None:
    kept = [o for o in render() if o["kind"] in ("WorkloadClass", "PriorityClass")]
    kept += [o for o in render(chart=CRDS) if o["kind"] == "CustomResourceDefinition"]
    assert len(kept) > 10
    for obj in kept:
        annotations = obj["metadata"].get("annotations", {})
        assert annotations.get("helm.sh/resource-policy") == "keep", f"{obj['kind']} {obj['metadata']['name']}"


def test_monitoring_is_there_where_the_cluster_knows_it_or_values_force_it() -> None:
    ours = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    assert not ours & kinds(render())
    assert ours <= kinds(render(apis=[MONITORING]))
    assert ours <= kinds(render({"monitoring": {"enabled": True}}))
    assert not ours & kinds(render({"monitoring": {"enabled": False}}, apis=[MONITORING]))
