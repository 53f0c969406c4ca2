"""Helm and kubectl on a real API server: install, upgrade, leave out, uninstall, install again."""

from collections.abc import Callable

import pytest
from chart.conftest import Said, Server

from e2e.charts import CHARTS, NAMESPACE

Must = Callable[[Said], None]
CHART = str(CHARTS / "inferfleet")
OURS = "--selector=app.kubernetes.io/part-of=inferfleet"
CLUSTER = "workloadclasses,priorityclasses,clusterroles,clusterrolebindings"
IN_NAMESPACE = "serviceaccounts,services,deployments,configmaps,roles,rolebindings,networkpolicies,poddisruptionbudgets"


@pytest.fixture(autouse=True)
def _clean(server: Server, must: Must) -> None:
    """Nothing of the chart's, nor of its releases, is there; the definitions are."""
    must(server.kubectl("delete", "workloadclasses", "--all"))
    must(server.kubectl("delete", CLUSTER, OURS))
    must(server.kubectl("delete", IN_NAMESPACE, OURS, "--namespace", NAMESPACE))
    must(server.kubectl("delete", "secrets", "--selector=owner=helm", "--namespace", NAMESPACE))


def test_helm_installs_upgrades_and_leaves_behind_what_models_need(server: Server, must: Must) -> None:
    must(server.helm("install", "inferfleet", CHART))
    must(server.helm("upgrade", "inferfleet", CHART))  # the first write after a creation stores the status's defaults
    classes = _versions(server, "workloadclasses")
    assert "batch" in classes
    must(server.helm("upgrade", "inferfleet", CHART))
    assert _versions(server, "workloadclasses") == classes

    must(server.helm("upgrade", "inferfleet", CHART, "--set=workloadClasses.exclude={batch}"))
    assert "batch" in _versions(server, "workloadclasses")
    must(server.helm("uninstall", "inferfleet"))
    assert set(_versions(server, "workloadclasses")) == set(classes)
    assert {"inferfleet-interactive", "inferfleet-batch"} <= set(_versions(server, "priorityclasses"))
    assert _versions(server, "deployments", "--namespace", NAMESPACE) == {}

    must(server.helm("install", "inferfleet", CHART))
    assert _versions(server, "workloadclasses") == classes
    must(server.helm("uninstall", "inferfleet"))


def test_a_class_or_priority_of_others_is_left_alone(server: Server, must: Must) -> None:
    spec = {"traffic": {"inputTokens": {"p50": 7, "p95": 8}, "outputTokens": {"p50": 7, "p95": 8}}}
    own = {"apiVersion": "inferfleet.io/v1alpha1", "kind": "WorkloadClass", "metadata": {"name": "batch"}, "spec": spec}
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 3}
    meta = {"name": "inferfleet-interactive", "labels": {"app.kubernetes.io/part-of": "inferfleet"}}
    must(server.apply([own, priority | {"metadata": meta}]))
    before = _versions(server, "workloadclasses,priorityclasses")

    must(server.helm("install", "inferfleet", CHART))
    after = _versions(server, "workloadclasses,priorityclasses")
    assert after["batch"] == before["batch"]
    assert after["inferfleet-interactive"] == before["inferfleet-interactive"]
    assert "agents" in after
    must(server.helm("uninstall", "inferfleet"))


def _versions(server: Server, kinds: str, *flags: str) -> dict[str, str]:
    """resourceVersion by name."""
    columns = "-o=custom-columns=N:.metadata.name,V:.metadata.resourceVersion"
    said = server.kubectl("get", kinds, columns, "--no-headers", *flags)
    assert said.code == 0, said.words
    return dict(line.split() for line in said.out.splitlines())


def test_the_plain_manifests_can_be_applied_again_and_again(server: Server, must: Must) -> None:
    for folder in ("crds", "operator", "", ""):
        must(server.kubectl("apply", "--server-side", "--force-conflicts", f"--kustomize={CHARTS}/plain/{folder}"))
    before = _versions(server, "workloadclasses")
    said = server.kubectl("apply", "--server-side", "--force-conflicts", f"--kustomize={CHARTS}/plain")
    assert (said.code, said.words) == (0, "")
    assert _versions(server, "workloadclasses") == before


def test_the_first_release_is_upgraded_and_rolled_back(server: Server, must: Must) -> None:
    first = str(CHARTS.parent / "e2e/packages/inferfleet-0.1.0.tgz")
    must(server.helm("install", "inferfleet", first, "--set=image.repository=registry.example.com/operator"))
    reused = server.helm("upgrade", "inferfleet", CHART, "--reuse-values")
    assert "use --reset-then-reuse-values instead of --reuse-values" in reused.words

    must(server.helm("upgrade", "inferfleet", CHART, "--reset-then-reuse-values"))
    image = "jsonpath={.items[*].spec.template.spec.containers[0].image}"
    said = server.kubectl("get", "deployments", "--namespace", NAMESPACE, "-o", image)
    assert said.out.startswith("registry.example.com/operator:")
    assert "inferfleet-interactive" in _versions(server, "priorityclasses")

    must(server.helm("rollback", "inferfleet"))
    assert "batch" in _versions(server, "workloadclasses")
    must(server.helm("uninstall", "inferfleet"))
