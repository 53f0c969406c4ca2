"""The plain manifests are the charts: fresh, complete, and what kustomize builds is what Helm renders."""

import json
from typing import Any

import pytest
import yaml
from chart.helm import MONITORING

from e2e import charts
from e2e.cluster.binaries import ensure
from e2e.cluster.shell import run

STALE = "is stale: run `make generate`"


def built(folder: str) -> list[dict[str, Any]]:
    kubectl = ensure(["kubectl"])["kubectl"]
    return charts.objects(run([kubectl, "kustomize", charts.CHARTS / "plain" / folder]))


def keyed(objects: list[dict[str, Any]]) -> dict[str, str]:
    """By kind and name, as text that can be compared."""
    return {f"{o['kind']}/{o['metadata']['name']}": json.dumps(o, sort_keys=True) for o in objects}


def test_generated_files_are_fresh_and_no_other_is_there() -> None:
    wanted = charts.files()
    for path, text in wanted.items():
        assert path.is_file(), f"{path.relative_to(charts.ROOT)} {STALE}"
        assert path.read_text() == text, f"{path.relative_to(charts.ROOT)} {STALE}"
    assert set((charts.CHARTS / "plain").rglob("*.yaml")) <= set(wanted)


@pytest.mark.parametrize(("folder", "chart"), [("crds", "inferfleet-crds"), ("operator", "inferfleet")])
def test_kustomize_builds_what_helm_renders_and_a_namespace(folder: str, chart: str) -> None:
    found = keyed(built(folder))
    namespace = found.pop("Namespace/inferfleet-system", None)
    assert (namespace is not None) == (folder == "operator")
    assert found == keyed(charts.objects(charts.template(chart)))


def test_the_whole_is_both_parts() -> None:
    assert keyed(built(".")) == keyed(built("crds")) | keyed(built("operator"))


def test_monitoring_is_apart_since_not_every_cluster_knows_its_kinds() -> None:
    assert {o["apiVersion"] for o in built("monitoring")} == {MONITORING}
    assert MONITORING not in {o["apiVersion"] for o in built(".")}


def test_the_namespace_admits_restricted_pods_only() -> None:
    file = charts.CHARTS / "plain/operator/namespace.yaml"
    labels = yaml.safe_load(file.read_text())["metadata"]["labels"]
    assert labels == {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
