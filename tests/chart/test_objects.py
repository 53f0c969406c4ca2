"""Whatever the values: objects of known kinds, with our labels, pods that `restricted` admits, images of the list."""

import re

import pytest
from chart.helm import CRDS, MONITORING, OPERATOR, Obj, one, operator, pods, render, variables
from chart.toggles import TOGGLES

from e2e.charts import CHARTS, NAMESPACE

KNOWN = {
    "v1": {"ServiceAccount", "Service", "ConfigMap", "Pod"},
    "apps/v1": {"Deployment"},
    "policy/v1": {"PodDisruptionBudget"},
    "networking.k8s.io/v1": {"NetworkPolicy"},
    "rbac.authorization.k8s.io/v1": {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"},
    "scheduling.k8s.io/v1": {"PriorityClass"},
    "inferfleet.io/v1alpha1": {"WorkloadClass"},
    "apiextensions.k8s.io/v1": {"CustomResourceDefinition"},
    "admissionregistration.k8s.io/v1": {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"},
    MONITORING: {"ServiceMonitor", "PodMonitor", "PrometheusRule"},
}
CLUSTER_SCOPED = {
    *("ClusterRole", "ClusterRoleBinding", "PriorityClass", "WorkloadClass", "CustomResourceDefinition"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
}
EVERYTHING = {"": {}, **TOGGLES}


@pytest.fixture(params=EVERYTHING)
def objects(request: pytest.FixtureRequest) -> list[Obj]:
    """The chart with one value changed, where Prometheus is known."""
    return render(EVERYTHING[request.param], apis=[MONITORING])


def test_only_known_kinds_in_their_stable_versions(objects: list[Obj]) -> None:
    for obj in [*objects, *render(chart=CRDS)]:
        assert obj["kind"] in KNOWN[obj["apiVersion"]]


def test_no_two_objects_have_one_name(objects: list[Obj]) -> None:
    names = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects]
    assert len(names) == len(set(names))


def test_every_object_says_where_it_belongs(objects: list[Obj]) -> None:
    for obj in objects:
        labels = obj["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "inferfleet"
        assert labels["app.kubernetes.io/instance"] == OPERATOR
        assert labels["app.kubernetes.io/version"]
        namespace = obj["metadata"].get("namespace")
        assert (namespace is None) == (obj["kind"] in CLUSTER_SCOPED)
        assert namespace in (None, NAMESPACE) or obj["kind"] in ("Role", "RoleBinding")


def test_what_selects_the_operators_pods_selects_them_and_not_the_test(objects: list[Obj]) -> None:
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    test = [o["metadata"]["labels"] for o in objects if o["kind"] == "Pod"]
    for selector in _selectors(objects):
        assert selector.items() <= labels.items()
        assert not any(selector.items() <= found.items() for found in test)


def _selectors(objects: list[Obj]) -> list[dict[str, str]]:
    specs = {o["kind"]: o["spec"] for o in objects if o["kind"] != "Pod" and "spec" in o}
    found = [specs["Deployment"]["selector"]["matchLabels"], specs["Service"]["selector"]]
    found += [specs[k]["selector"]["matchLabels"] for k in ("PodDisruptionBudget",) if k in specs]
    return found + [specs[k]["podSelector"]["matchLabels"] for k in ("NetworkPolicy",) if k in specs]


def test_pods_keep_to_the_pod_security_standard_restricted(objects: list[Obj]) -> None:
    for pod in pods(objects):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert {kind for v in pod.get("volumes", []) for kind in v if kind != "name"} <= {"emptyDir", "configMap"}
        for container in pod["containers"]:
            own = container["securityContext"]
            assert own == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"requests", "limits"} <= set(container["resources"])
            assert not any("hostPort" in port for port in container.get("ports", []))


def test_no_pod_runs_an_image_that_a_mirror_would_lack(objects: list[Obj]) -> None:
    listed = (CHARTS / OPERATOR / "images.txt").read_text().split()
    names = {re.sub(r"[:@][^/]*$", "", image).rpartition("/")[2] for image in listed}
    assert names == {"operator", "runtime"}
    used = [c["image"] for pod in pods(objects) for c in pod["containers"]]
    for image in [*used, variables(objects)["INFERFLEET_RUNTIME_IMAGE"]]:
        assert re.sub(r"[:@][^/]*$", "", image).rpartition("/")[2] in names


def test_with_default_values_images_are_those_of_the_list() -> None:
    listed = (CHARTS / OPERATOR / "images.txt").read_text().split()
    used = {c["image"] for pod in pods(render()) for c in pod["containers"]}
    assert used | {variables(render())["INFERFLEET_RUNTIME_IMAGE"]} == set(listed)


def test_the_network_policy_lets_in_what_the_services_and_probes_need(objects: list[Obj]) -> None:
    ports = {p["containerPort"] for p in operator(objects)["ports"]}
    assert {p["port"] for p in one(objects, "Service")["spec"]["ports"]} == ports
    for policy in (o["spec"] for o in objects if o["kind"] == "NetworkPolicy"):
        assert {p["port"] for rule in policy["ingress"] for p in rule["ports"]} == ports


def test_who_may_read_the_metrics_always_includes_the_test() -> None:
    rules = one(render(TOGGLES["networkPolicy.metricsFrom"]), "NetworkPolicy")["spec"]["ingress"]
    peers = next(rule["from"] for rule in rules if rule["ports"][0]["port"] == 9090)
    test = one(render(), "Pod")["metadata"]["labels"]
    assert any(p.get("podSelector", {}).get("matchLabels", {"": ""}).items() <= test.items() for p in peers)
