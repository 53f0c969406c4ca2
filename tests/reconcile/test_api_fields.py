"""What each field of the API does to what runs, and what is said of those that do nothing yet."""

from dataclasses import replace

import make
import pytest
from fakes.cluster import FakeCluster
from harness import SETTINGS, Operator, condition, deployments, settled, status
from make import PIN, workloads

from inferfleet.kube import kinds
from inferfleet.names import Reason


def pod(cluster: FakeCluster) -> make.Obj:
    (found,) = cluster.all(kinds.DEPLOYMENT)
    template: make.Obj = found["spec"]["template"]
    return template


async def test_a_pinned_placement_takes_what_is_named_though_another_is_cheaper() -> None:
    cluster = await settled(make.pool(), make.workload_class(), make.model(workloads=workloads(placement=PIN)))
    assert [p.variant for p in status(cluster).placements] == ["q8-0"]
    assert status(cluster).rejected_counts == {Reason.NOT_PINNED: 2}


async def test_a_recommendation_is_shown_and_nothing_is_deployed() -> None:
    model = make.model(workloads=workloads(placement={"mode": "Recommend"}))
    cluster = await settled(make.pool(), make.workload_class(), model)
    assert not cluster.all(kinds.DEPLOYMENT)
    assert not cluster.all(kinds.SERVICE)
    assert [(p.state, p.variant) for p in status(cluster).placements] == [("Recommended", "q4-0")]
    assert condition(cluster, "Ready")[:2] == ("False", Reason.RECOMMEND_ONLY)
    assert condition(cluster, "Planned")[0] == "True"
    assert not status(cluster).endpoints


async def test_a_recommendation_leaves_what_runs_as_it_is(serving: FakeCluster) -> None:
    before = deployments(serving)
    serving.put(make.pool("cheap", price="0.001"))
    serving.edit(
        kinds.MODEL,
        "default",
        "demo",
        lambda o: o["spec"].update(workloads=workloads(placement={"mode": "Recommend"})),
    )
    await Operator(serving).settle()
    assert deployments(serving) == before
    assert {p.pool: p.state for p in status(serving).placements} == {"cpu": "Serving", "cheap": "Recommended"}
    assert condition(serving, "Ready")[0] == "True"


async def test_replicas_belong_to_the_other_autoscaler_once_it_has_written_them() -> None:
    model = make.model(workloads=workloads(placement=PIN, replicas={"min": 2, "max": 3, "mode": "External"}))
    cluster = await settled(make.pool(), make.workload_class(), model)
    (name,) = deployments(cluster)
    assert deployments(cluster) == {name: 2}, "before it has, leaving them out would reset them to 1"
    operator = Operator(cluster)
    operator.decide(3)  # nobody's business here
    await operator.settle()
    assert deployments(cluster) == {name: 2}
    hpa = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"}}
    await cluster.apply(hpa | {"spec": {"replicas": 5}}, "horizontal-pod-autoscaler")
    await Operator(cluster).settle()
    assert deployments(cluster) == {name: 5}
    cluster.edit(kinds.WORKLOAD_CLASS, "", "chat", lambda o: o["spec"]["scaling"].update(drain="30s"))
    await Operator(cluster).settle()
    assert deployments(cluster) == {name: 5}


async def test_a_guaranteed_demand_is_a_floor_whatever_is_observed() -> None:
    demand = {"requestsPerHour": 45_000, "guaranteed": True}
    cluster = await settled(make.pool(), make.workload_class(), make.model(workloads=workloads(demand=demand)))
    (replicas,) = deployments(cluster).values()
    assert replicas > 1
    operator = Operator(cluster)
    operator.decide(1)
    await operator.settle()
    assert list(deployments(cluster).values()) == [replicas]


async def test_a_namespace_that_a_pool_or_class_does_not_allow_is_told_so() -> None:
    allowed = {"matchLabels": {"tier": "production"}}
    namespace: make.Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
    cluster = await settled(namespace, make.pool(allowedNamespaces=allowed), make.workload_class(), make.model())
    assert set(status(cluster).rejected_counts) == {Reason.NAMESPACE_NOT_ALLOWED}
    cluster = await settled(namespace, make.pool(), make.workload_class(allowedNamespaces=allowed), make.model())
    assert condition(cluster, "Planned")[1] == Reason.CLASS_NOT_ALLOWED
    namespace["metadata"]["labels"] = {"tier": "production"}
    both = make.pool(allowedNamespaces=allowed), make.workload_class(allowedNamespaces=allowed)
    assert deployments(await settled(namespace, *both, make.model()))


async def test_a_quota_bounds_what_a_namespace_places_on_a_pool() -> None:
    none = [{"namespace": "default", "accelerators": 0}]
    cluster = await settled(make.pool(quotas=none), make.workload_class(), make.model())
    assert set(status(cluster).rejected_counts) == {Reason.POOL_EXHAUSTED}
    other = [{"namespace": "elsewhere", "accelerators": 0}]
    assert deployments(await settled(make.pool(quotas=other), make.workload_class(), make.model()))


async def test_traffic_of_a_workload_replaces_that_of_its_class() -> None:
    longer = {"outputTokens": {"p50": 100, "p95": 800}}
    cluster = await settled(make.pool(), make.workload_class(), make.model(workloads=workloads(traffic=longer)))
    (config,) = cluster.all(kinds.CONFIG_MAP)
    assert '"contextTokens": 1024' in config["data"]["runtime.json"]  # 192 + 800, in steps of 64
    assert '"outputTokens": 100' in config["data"]["runtime.json"]


async def test_pods_get_what_the_pool_the_model_and_the_chart_say_of_them() -> None:
    nodes = {
        "replica": {"cpu": "500m", "memory": "1Gi"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "schedulerName": "bin-packer",
        "runtimeClassName": "gvisor",
    }
    patch = {"spec": {"hostname": "x"}, "metadata": {"labels": {"inferfleet.io/model": "stolen", "team": "a"}}}
    model = make.model(
        serviceAccountName="reader", podMetadata={"labels": {"cost": "7"}, "annotations": {"example.com/a": "b"}}
    )
    cluster = await settled(
        make.pool(nodes=nodes, podTemplatePatch=patch),
        make.workload_class(priority=500),
        model,
        priority_classes={100: "important"},
        runtime_image_pull_secrets=("mirror",),
    )
    found, metadata = pod(cluster)["spec"], pod(cluster)["metadata"]
    assert found["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert (found["schedulerName"], found["runtimeClassName"]) == ("bin-packer", "gvisor")
    assert (found["serviceAccountName"], found["priorityClassName"]) == ("reader", "important")
    assert found["imagePullSecrets"] == [{"name": "mirror"}]
    assert found["hostname"] == "x"
    assert metadata["labels"]["team"] == "a"
    assert metadata["labels"]["cost"] == "7"
    assert metadata["labels"]["inferfleet.io/model"] == "demo"
    assert metadata["annotations"]["example.com/a"] == "b"
    assert condition(cluster, "FieldsObeyed")[0] == "True"


async def test_a_claim_is_mounted_and_read_as_a_file() -> None:
    variants = [{"name": "f16", "quantization": "F16", "source": {"uri": "pvc://models/llama/m.gguf"}}]
    cluster = await settled(make.pool(), make.workload_class(), make.model(variants=variants))
    volumes = {v["name"]: v for v in pod(cluster)["spec"]["volumes"]}
    assert volumes["claim"]["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    (config,) = cluster.all(kinds.CONFIG_MAP)
    assert '"uri": "file:///var/lib/inferfleet/claim/llama/m.gguf"' in config["data"]["runtime.json"]


@pytest.mark.parametrize(
    ("update", "image"), [("Rolling", "inferfleet.local/runtime:2"), ("Manual", SETTINGS.runtime_image)]
)
async def test_a_new_release_rolls_out_its_runtime_unless_told_otherwise(update: str, image: str) -> None:
    cluster = await settled(make.pool(), make.workload_class(), make.model(engineUpdate=update))
    await Operator(cluster, replace(SETTINGS, runtime_image="inferfleet.local/runtime:2")).settle()
    assert {c["image"] for c in pod(cluster)["spec"]["containers"]} == {image}
    assert {c["image"] for c in pod(cluster)["spec"]["initContainers"]} == {image}


async def test_an_image_that_is_kept_is_the_runtimes_and_not_that_of_a_patch() -> None:
    patch = {"spec": {"containers": [{"name": "serve", "image": "example.com/patched:1"}]}}
    cluster = await settled(make.pool(podTemplatePatch=patch), make.workload_class(), make.model(engineUpdate="Manual"))
    assert [c["image"] for c in pod(cluster)["spec"]["containers"]] == ["example.com/patched:1"]
    assert {c["image"] for c in pod(cluster)["spec"]["initContainers"]} == {SETTINGS.runtime_image}
    cluster.put(make.pool())
    await Operator(cluster, replace(SETTINGS, runtime_image="inferfleet.local/runtime:2")).settle()
    spec = pod(cluster)["spec"]
    assert {c["image"] for c in (*spec["containers"], *spec["initContainers"])} == {SETTINGS.runtime_image}


async def test_a_deployment_without_a_note_of_its_image_keeps_that_of_its_container() -> None:
    """As the first release wrote it."""
    cluster = await settled(make.pool(), make.workload_class(), make.model(engineUpdate="Manual"))
    (name,) = deployments(cluster)
    cluster.edit(
        kinds.DEPLOYMENT, "default", name, lambda o: o["metadata"]["annotations"].pop("inferfleet.io/runtime-image")
    )
    await Operator(cluster, replace(SETTINGS, runtime_image="inferfleet.local/runtime:2")).settle()
    assert {c["image"] for c in pod(cluster)["spec"]["containers"]} == {SETTINGS.runtime_image}


async def test_custom_hardware_is_planned_like_a_preset() -> None:
    facts = {
        "kind": "CPU",
        "memoryBandwidth": "13e9",
        "operations": {"Q8_0": "108e9"},
        "engines": ["llama-cpp"],
    }
    pool = make.pool(custom=facts)
    del pool["spec"]["accelerator"]
    cluster = await settled(pool, make.workload_class(), make.model())
    assert [p.variant for p in status(cluster).placements] == ["q8-0"]
    assert status(cluster).rejected_counts == {Reason.QUANTIZATION_UNSUPPORTED: 2}


async def test_fields_that_are_not_acted_on_are_listed_with_what_is_done_instead() -> None:
    class_ = make.workload_class(scaling={"scaleToZeroAfter": "30m"}, priority=-3)
    model = make.model()
    model["spec"]["workloads"][0]["default"] = True
    cluster = await settled(make.pool(), class_, model)
    obeyed, reason, message = condition(cluster, "FieldsObeyed")
    assert (obeyed, reason) == ("False", Reason.FIELDS_NOT_OBEYED_YET)
    assert "spec.workloads[].default: without a gateway" in message
    assert "WorkloadClass chat spec.scaling.scaleToZeroAfter: the last replica stays" in message
    assert "WorkloadClass chat spec.priority" in message
    assert condition(cluster, "Ready")[0] == "True"


async def test_every_placement_is_protected_from_drains_and_from_callers_of_other_ports(serving: FakeCluster) -> None:
    (deployment,) = serving.all(kinds.DEPLOYMENT)
    (budget,) = serving.all(kinds.POD_DISRUPTION_BUDGET)
    (policy,) = serving.all(kinds.NETWORK_POLICY)
    selector = deployment["spec"]["selector"]
    assert budget["spec"] == {
        "maxUnavailable": 1,
        "selector": selector,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",  # else a lone replica that is not ready holds a drain up
    }
    assert policy["spec"]["podSelector"] == selector
    assert [p["port"] for rule in policy["spec"]["ingress"] for p in rule["ports"]] == [8000]
