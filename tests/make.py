"""Builders of the objects that tests are about: say only what matters, the rest is sensible."""

from typing import Any

from inferfleet.api.workload_class import WorkloadClassSpec

Obj = dict[str, Any]
API = "inferfleet.io/v1alpha1"

PIN = {"mode": "Pinned", "pool": "cpu", "variant": "q8-0"}
"""To the variant of `model` that is not the cheapest."""

ARCHITECTURE = {
    "layers": 8,
    "hidden": 512,
    "feedForward": 1536,
    "heads": 8,
    "kvHeads": 4,
    "headDim": 64,
    "vocabulary": 2048,
}


def class_spec(**changes: Any) -> Obj:
    """A chat class; `changes` replace whole sections."""
    spec: Obj = {
        "traffic": {"inputTokens": {"p50": 48, "p95": 192}, "outputTokens": {"p50": 64, "p95": 256}},
        "serving": {"maxBatchSize": 4},
        "scaling": {"scaleInDelay": "15s", "drain": "60s"},
    }
    return spec | changes


def parsed_class(**changes: Any) -> WorkloadClassSpec:
    """The same, parsed."""
    return WorkloadClassSpec.model_validate(class_spec(**changes))


def workload_class(name: str = "chat", **changes: Any) -> Obj:
    """A WorkloadClass."""
    return {"apiVersion": API, "kind": "WorkloadClass", "metadata": {"name": name}, "spec": class_spec(**changes)}


def pool(
    name: str = "cpu", price: str | Obj | None = "0.05", labels: dict[str, str] | None = None, **changes: Any
) -> Obj:
    """A HardwarePool of x86 CPU nodes, a replica getting half a core."""
    spec: Obj = {
        "accelerator": "cpu-x86-avx2",
        "nodes": {"selector": {"kubernetes.io/os": "linux"}, "replica": {"cpu": "500m", "memory": "1Gi"}},
    }
    if price is not None:
        spec["price"] = {"perAcceleratorHour": price} if isinstance(price, str) else price
    metadata: Obj = {"name": name} | ({"labels": labels} if labels else {})
    return {"apiVersion": API, "kind": "HardwarePool", "metadata": metadata, "spec": spec | changes}


def node(name: str = "node-1", cpu: str = "4", memory: str = "16Gi", ready: bool = True, **labels: str) -> Obj:
    """A Node that is ready for pods."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", **labels}},
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def workloads(**changes: Any) -> list[Obj]:
    """Those of a Model served for chat by one to three replicas."""
    return [{"class": "chat", "replicas": {"min": 1, "max": 3}, **changes}]


def model(name: str = "demo", namespace: str = "default", **changes: Any) -> Obj:
    """A Model with F16 weights and two variants made from them, served for chat by one to three replicas."""
    spec: Obj = {
        "architecture": ARCHITECTURE,
        "variants": [
            {"name": "f16", "quantization": "F16", "source": {"uri": "oci://inferfleet.local/models/demo:1"}},
            {"name": "q8-0", "quantization": "Q8_0", "quantizeFrom": "f16"},
            {"name": "q4-0", "quantization": "Q4_0", "quantizeFrom": "f16"},
        ],
        "workloads": workloads(),
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API, "kind": "Model", "metadata": metadata, "spec": spec | changes}
