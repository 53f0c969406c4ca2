"""The operator may do exactly what it does, and in namespaced mode only where it does it."""

from typing import Any

from chart.helm import Obj, named, one, render
from chart.toggles import TOGGLES

APPLIED = ("get", "list", "watch", "create", "patch", "delete")
FOLLOWED = ("list", "watch")

NAMESPACED = {
    ("inferfleet.io", "models"): FOLLOWED,
    ("inferfleet.io", "models/status"): ("patch",),
    ("apps", "deployments"): APPLIED,
    ("", "services"): APPLIED,
    ("", "configmaps"): APPLIED,
    ("policy", "poddisruptionbudgets"): APPLIED,
    ("networking.k8s.io", "networkpolicies"): APPLIED,
    ("", "pods"): FOLLOWED,
    ("", "events"): ("create",),
}
"""What the operator needs wherever it serves Models: resources to verbs."""
CLUSTER = {
    ("inferfleet.io", "workloadclasses"): FOLLOWED,
    ("inferfleet.io", "hardwarepools"): FOLLOWED,
    ("inferfleet.io", "capacityprofiles"): (*FOLLOWED, "create", "patch"),
    ("inferfleet.io", "workloadclasses/status"): ("patch",),
    ("inferfleet.io", "hardwarepools/status"): ("patch",),
    ("inferfleet.io", "capacityprofiles/status"): ("patch",),
    ("", "nodes"): FOLLOWED,
    ("", "namespaces"): FOLLOWED,
}
"""What it needs of objects without a namespace."""
LEASE = {("coordination.k8s.io", "leases"): ("get", "create", "update")}
"""What it needs in its own namespace."""

Needs = set[tuple[str, str, str]]


def needs(*tables: dict[tuple[str, str], tuple[str, ...]]) -> Needs:
    """(group, resource, verb)."""
    return {(*what, verb) for table in tables for what, verbs in table.items() for verb in verbs}


def granted(role: Obj) -> Needs:
    """By a role; wildcards would show as themselves."""
    rules: list[dict[str, Any]] = role["rules"]
    return {(g, r, v) for rule in rules for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}


def subjects(binding: Obj) -> list[tuple[str, str, str]]:
    """Kind, namespace and name."""
    return [(s["kind"], s["namespace"], s["name"]) for s in binding["subjects"]]


OPERATOR = [("ServiceAccount", "inferfleet-system", "inferfleet-operator")]


def test_in_cluster_mode_one_role_holds_all_and_nothing_else() -> None:
    objects = render()
    assert granted(one(objects, "ClusterRole", "inferfleet-operator")) == needs(NAMESPACED, CLUSTER)
    assert granted(one(objects, "Role", "inferfleet-operator")) == needs(LEASE)
    assert named(objects, "Role") == ["inferfleet-operator"]
    assert subjects(one(objects, "ClusterRoleBinding")) == subjects(one(objects, "RoleBinding")) == OPERATOR


def test_in_namespaced_mode_nothing_is_granted_elsewhere() -> None:
    objects = render(TOGGLES["watchNamespaces"])
    assert granted(one(objects, "ClusterRole", "inferfleet-operator")) == needs(CLUSTER)
    roles = [o for o in objects if o["kind"] == "Role" and o["metadata"]["namespace"] != "inferfleet-system"]
    assert sorted(r["metadata"]["namespace"] for r in roles) == ["team-a", "team-b"]
    for role in roles:
        assert granted(role) == needs(NAMESPACED)
    bindings = [o for o in objects if o["kind"] == "RoleBinding"]
    assert sorted(b["metadata"]["namespace"] for b in bindings) == ["inferfleet-system", "team-a", "team-b"]
    assert all(subjects(b) == OPERATOR for b in bindings)


def test_a_binding_refers_to_a_role_of_its_namespace() -> None:
    objects = render(TOGGLES["watchNamespaces"])
    roles = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects}
    for binding in (o for o in objects if o["kind"].endswith("Binding")):
        namespace = binding["metadata"].get("namespace")
        assert (binding["roleRef"]["kind"], namespace, binding["roleRef"]["name"]) in roles


def test_the_namespace_of_the_operator_may_be_served_too() -> None:
    objects = render({"watchNamespaces": ["inferfleet-system"]})
    assert named(objects, "Role") == ["inferfleet-operator", "inferfleet-operator-models"]


def test_nothing_is_granted_by_a_wildcard_and_nobody_reads_secrets() -> None:
    for values in ({}, TOGGLES["watchNamespaces"]):
        for role in (o for o in render(values) if o["kind"] in ("Role", "ClusterRole")):
            for group, resource, verb in granted(role):
                assert "*" not in (group, resource, verb)
                assert resource != "secrets"


def test_bindings_follow_another_service_account() -> None:
    expected = [("ServiceAccount", "inferfleet-system", "existing")]
    objects = render(TOGGLES["serviceAccount.create"] | TOGGLES["watchNamespaces"])
    assert "ServiceAccount" not in {o["kind"] for o in objects}
    assert all(subjects(o) == expected for o in objects if o["kind"].endswith("Binding"))
    assert one(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "existing"


def test_without_rbac_only_the_roles_for_users_are_left() -> None:
    assert named(render(TOGGLES["rbac.create"]), "ClusterRole") == ["inferfleet-edit", "inferfleet-view"]
    assert named(render(TOGGLES["rbac.aggregate"]), "ClusterRole") == ["inferfleet-operator"]


def test_who_may_edit_or_view_workloads_may_do_so_with_models() -> None:
    objects = render()
    edit, view = one(objects, "ClusterRole", "inferfleet-edit"), one(objects, "ClusterRole", "inferfleet-view")
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    assert {k for k in edit["metadata"]["labels"] if k.startswith(prefix)} == {f"{prefix}admin", f"{prefix}edit"}
    assert {k for k in view["metadata"]["labels"] if k.startswith(prefix)} == {f"{prefix}view"}
    assert {verb for _, _, verb in granted(view)} == {"get", "list", "watch"}
    assert {resource for _, resource, _ in granted(edit)} == {"models"}
