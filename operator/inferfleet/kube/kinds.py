"""The kinds of objects we use and where the API server keeps them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

Obj = dict[str, Any]
"""A Kubernetes object as the JSON it travels in."""


@dataclass(frozen=True)
class Kind:
    """One kind of object in one version."""

    api_version: str
    """`v1` for the core group, else `<group>/<version>`."""
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of an object, or without `name` of a collection (all namespaces without `namespace`).

        Raises ValueError when a namespaced object is addressed without its namespace.
        """
        if self.namespaced and name and not namespace:
            raise ValueError(f"{self.kind} {name!r} is namespaced, but no namespace was given")
        root = "/api/" if "/" not in self.api_version else "/apis/"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{self.api_version}{scope}/{self.plural}{tail}"


DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments", namespaced=True)
SERVICE = Kind("v1", "Service", "services", namespaced=True)
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps", namespaced=True)
POD_DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", namespaced=True)
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", namespaced=True)
POD = Kind("v1", "Pod", "pods", namespaced=True)
NODE = Kind("v1", "Node", "nodes", namespaced=False)
NAMESPACE = Kind("v1", "Namespace", "namespaces", namespaced=False)
EVENT = Kind("v1", "Event", "events", namespaced=True)
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases", namespaced=True)
CUSTOM_RESOURCE_DEFINITION = Kind(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)

API_VERSION = "inferfleet.io/v1alpha1"
MODEL = Kind(API_VERSION, "Model", "models", namespaced=True)
WORKLOAD_CLASS = Kind(API_VERSION, "WorkloadClass", "workloadclasses", namespaced=False)
HARDWARE_POOL = Kind(API_VERSION, "HardwarePool", "hardwarepools", namespaced=False)
CAPACITY_PROFILE = Kind(API_VERSION, "CapacityProfile", "capacityprofiles", namespaced=False)

OURS = (MODEL, WORKLOAD_CLASS, HARDWARE_POOL, CAPACITY_PROFILE)
CORE = (
    DEPLOYMENT,
    SERVICE,
    CONFIG_MAP,
    POD_DISRUPTION_BUDGET,
    NETWORK_POLICY,
    POD,
    NODE,
    NAMESPACE,
    EVENT,
    LEASE,
    CUSTOM_RESOURCE_DEFINITION,
)


def _by_type(kinds: Iterable[Kind]) -> Mapping[tuple[str, str], Kind]:
    return MappingProxyType({(kind.api_version, kind.kind): kind for kind in kinds})


KINDS = _by_type((*CORE, *OURS))
"""By (apiVersion, kind)."""


def kind_of(obj: Obj) -> Kind:
    """The kind of an object; ValueError when it is none of `KINDS`."""
    found = KINDS.get((obj.get("apiVersion", ""), obj.get("kind", "")))
    if found is None:
        raise ValueError(f"no known kind: apiVersion {obj.get('apiVersion')!r}, kind {obj.get('kind')!r}")
    return found


def key_of(obj: Obj) -> tuple[str, str]:
    """(namespace, name); the namespace of a cluster-scoped object is empty."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]
