"""What users are told at apply time, by a real API server: no webhook, only the CRDs."""

import copy
from typing import Any

import make
import pytest

from inferfleet import errors
from inferfleet.kube.cluster import KubernetesCluster
from inferfleet.kube.kinds import Obj

SOURCE = {"uri": "oci://inferfleet.local/models/demo:1"}
REPLICA = {"cpu": "500m", "memory": "1Gi"}


async def create(cluster: KubernetesCluster, obj: Obj, namespace: str) -> Obj:
    """As a user, with strict validation."""
    if obj["kind"] == "Model":
        obj["metadata"]["namespace"] = namespace
    return await cluster.create(obj)


async def test_the_examples_of_the_tests_are_accepted(cluster: KubernetesCluster, namespace: str) -> None:
    for obj in (make.pool(), make.workload_class(slo={"ttft": "1.5s", "tpot": "80ms", "endToEnd": "1m"}), make.model()):
        assert await create(cluster, obj, namespace)


async def test_quantities_may_be_numbers(cluster: KubernetesCluster, namespace: str) -> None:
    nodes = {"replica": {"cpu": 2, "memory": "4Gi"}}
    assert await create(cluster, make.pool("numbers", nodes=nodes), namespace)


def variant(**changes: Any) -> dict[str, Any]:
    return {"variants": [{"name": "f16", "quantization": "F16", "source": SOURCE} | changes]}


def workload(**changes: Any) -> dict[str, Any]:
    return {"workloads": [{"class": "chat"} | changes]}


MODELS = [
    ({"architecture": {"preset": "llama-3.2-1b", "layers": 3}}, "give either preset, or the numbers"),
    ({"architecture": {}}, "give either preset, or the numbers"),
    ({"architecture": {"preset": "llama-3.2-1b", "hidden": 5}}, "no other number is obeyed"),
    ({"architecture": {"layers": 3}}, "with layers, also hidden"),
    ({"variants": []}, "should have at least 1 items"),
    (variant(quantization="F17"), 'Unsupported value: "F17"'),
    (variant(source={"uri": "ftp://example.com/x"}), "should match"),
    (variant(source={"uri": "https://example.com/x", "sha256": "abc"}), "should match"),
    (variant(quantizeFrom="f16"), "exactly one of source and quantizeFrom"),
    ({"variants": [{"name": "q4", "quantization": "Q4_0", "quantizeFrom": "f16"}]}, "quantizeFrom must name a variant"),
    ({"variants": [{"name": "a", "quantization": "F16", "source": SOURCE}] * 2}, "Duplicate value"),
    (workload(replicas={"min": 3, "max": 2}), "max must not be below min"),
    (workload(replicas={"min": 0, "max": 2}), "greater than or equal to 1"),
    ({"workloads": [{"class": "chat"}, {"class": "chat"}]}, "Duplicate value"),
    (workload(replcas={}), "unknown field"),
]


@pytest.mark.parametrize(("changes", "words"), MODELS, ids=[words for _, words in MODELS])
async def test_a_wrong_model_is_refused_in_words(
    cluster: KubernetesCluster, namespace: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(errors.Rejected) as refused:
        await create(cluster, make.model(**copy.deepcopy(changes)), namespace)
    assert words in refused.value.message


CLASSES = [
    (
        {"traffic": {"inputTokens": {"p50": 9, "p95": 3}, "outputTokens": {"p50": 1, "p95": 1}}},
        "p95 must not be below p50",
    ),
    ({"slo": {"ttft": "fast"}}, "should match"),
    ({"slo": {"ttft": 3}}, "must be of type string"),
    ({"scaling": {"targetUtilization": "1.2"}}, "should match"),
    ({"scaling": {"targetUtilization": "0.0"}}, "should match"),
    ({"scaling": {"drain": "99999999999999h"}}, "should match"),
    ({"serving": {"maxBatchSize": 0}}, "greater than or equal to 1"),
    ({"objective": "Fame"}, 'Unsupported value: "Fame"'),
    ({"quantization": {"allow": []}}, "should have at least 1 items"),
]


@pytest.mark.parametrize(("changes", "words"), CLASSES, ids=[words for _, words in CLASSES])
async def test_a_wrong_class_is_refused_in_words(
    cluster: KubernetesCluster, namespace: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(errors.Rejected) as refused:
        await create(cluster, make.workload_class(**copy.deepcopy(changes)), namespace)
    assert words in refused.value.message


POOLS = [
    ({"nodes": {"replica": {"cpu": "10m", "memory": "1Gi"}}}, "cpu must be at least 50m"),
    ({"nodes": {"replica": {"cpu": "1", "memory": "0"}}}, "memory must be at least 1Mi"),
    ({"nodes": {"replica": {"cpu": "a lot", "memory": "1Gi"}}}, "should match"),
    ({"nodes": {"replica": REPLICA, "maxNodes": 0}}, "greater than or equal to 1"),
    ({"price": {"perAcceleratorHour": 0.05}}, "must be of type string"),
    ({"price": {"perAcceleratorHour": "0.05", "asOf": "yesterday"}}, "should match"),
    ({"accelerator": "Not A Name"}, "should match"),
]


@pytest.mark.parametrize(("changes", "words"), POOLS, ids=[words for _, words in POOLS])
async def test_a_wrong_pool_is_refused_in_words(
    cluster: KubernetesCluster, namespace: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(errors.Rejected) as refused:
        await create(cluster, make.pool(**copy.deepcopy(changes)), namespace)
    assert words in refused.value.message


async def test_a_name_too_long_for_a_label_is_refused(cluster: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(errors.Rejected) as refused:
        await create(cluster, make.workload_class("x" * 64), namespace)
    assert "at most 63 characters" in refused.value.message


async def test_a_name_that_no_service_can_have_is_refused(cluster: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(errors.Rejected) as refused:
        await create(cluster, make.model("llama-3.1-8b"), namespace)
    assert "part of a Service's name" in refused.value.message
