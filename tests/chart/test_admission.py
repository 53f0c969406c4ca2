"""A real API server takes everything that the charts render, without a warning; and it guards the definitions."""

from collections.abc import Callable
from copy import deepcopy

import pytest
from chart.conftest import Said, Server, namespace
from chart.helm import CRDS, render
from chart.toggles import TOGGLES

Must = Callable[[Said], None]
DEFINITIONS = [f"{p}.inferfleet.io" for p in ("models", "workloadclasses", "hardwarepools", "capacityprofiles")]

SHAPES = (
    *("watchNamespaces", "catalog.hardware", "priorityClasses", "replicas", "resources.requests.memory", "affinity"),
    *("topologySpreadConstraints", "imagePullSecrets", "extraEnv", "podLabels", "podAnnotations"),
    *("serviceAccount.create", "networkPolicy.metricsFrom", "networkPolicy.egress", "image.digest"),
)
"""Values that change the shape of an object, not only a text in it."""


@pytest.mark.parametrize("path", ["", *SHAPES])
def test_every_object_is_admitted_under_restricted_without_a_warning(server: Server, must: Must, path: str) -> None:
    objects = render(TOGGLES[path] if path else {})
    for name in TOGGLES["watchNamespaces"]["watchNamespaces"]:
        must(server.apply([namespace(name)]))
    accounts = [o for o in objects if o["kind"] == "ServiceAccount"]
    must(server.apply([*accounts, *_needed_by_the_test(objects)]))  # a Pod is refused before its ServiceAccount exists
    said = server.apply(objects, "--dry-run=server", "--force-conflicts")
    assert (said.code, said.words) == (0, "")


def _needed_by_the_test(objects: list[dict[str, object]]) -> list[dict[str, object]]:
    if any(o["kind"] == "ServiceAccount" for o in objects):
        return []
    meta = {"name": "existing", "namespace": "inferfleet-system"}
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}]


def test_a_pod_that_is_not_restricted_would_be_noticed(server: Server) -> None:
    objects = deepcopy([o for o in render() if o["kind"] == "Deployment"])
    del objects[0]["spec"]["template"]["spec"]["securityContext"]
    said = server.apply(objects, "--dry-run=server")
    assert 'would violate PodSecurity "restricted' in said.words


@pytest.mark.parametrize("name", DEFINITIONS)
def test_deleting_a_definition_is_refused_and_says_what_would_be_lost_and_how_to_allow_it(
    server: Server, name: str
) -> None:
    said = server.kubectl("delete", "customresourcedefinition", name)
    assert said.code == 1
    assert f"deleting {name} would delete every" in said.words
    assert f"kubectl annotate customresourcedefinition {name} inferfleet.io/allow-deletion=true" in said.words


def test_deleting_all_definitions_at_once_is_refused_too(server: Server) -> None:
    one_by_one = server.kubectl("delete", "customresourcedefinitions", "--all")
    assert all(f"deleting {name} would delete" in one_by_one.words for name in DEFINITIONS)
    collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert "would delete" in server.kubectl("delete", f"--raw={collection}").words
    there = server.kubectl("get", "customresourcedefinitions", *DEFINITIONS)
    assert there.code == 0, there.words


def test_definitions_of_others_can_be_deleted(server: Server, must: Must) -> None:
    must(server.apply([_foreign()]))
    must(server.kubectl("delete", "customresourcedefinition", "things.example.com"))


def _foreign() -> dict[str, object]:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Thing", "plural": "things"},
            "scope": "Cluster",
            "versions": [version],
        },
    }


def test_with_the_annotation_a_definition_can_be_deleted(server: Server, must: Must) -> None:
    name = "capacityprofiles.inferfleet.io"
    must(server.kubectl("annotate", "customresourcedefinition", name, "inferfleet.io/allow-deletion=true"))
    must(server.kubectl("delete", "customresourcedefinition", name))
    must(server.apply([o for o in render(chart=CRDS) if o["metadata"]["name"] == name]))
