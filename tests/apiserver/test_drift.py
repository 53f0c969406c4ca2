"""What the operator has applied is settled for a real API server, in whatever words an admin's patch says it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import make
import pytest
from fakes.cluster import FakeCluster
from fakes.objects import deployment
from harness import NOW, SETTINGS, stores
from harness import world as fake_world

from inferfleet import names
from inferfleet.catalog import loader
from inferfleet.fleet.build import build
from inferfleet.fleet.drift import needs_apply
from inferfleet.fleet.observe import observe
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.reconcile import view
from inferfleet.fleet.trim import trim_deployment
from inferfleet.fleet.validate import validate
from inferfleet.kube import kinds
from inferfleet.kube.cluster import Cluster, KubernetesCluster
from inferfleet.kube.kinds import Obj
from inferfleet.settings import Settings

NODES: Obj = {"selector": {"kubernetes.io/os": "linux"}, "replica": {"cpu": "500m", "memory": "1Gi"}}


def _patch(**spec: Any) -> Obj:
    return {"podTemplatePatch": {"spec": spec}}


def _serve(**container: Any) -> Obj:
    return _patch(containers=[{"name": "serve", **container}])


POOLS: Mapping[str, Obj] = {
    "no patch": {},
    "milli-cores": _serve(resources={"limits": {"cpu": "2000m"}}),
    "cores as a number": _serve(resources={"limits": {"cpu": 2}}),
    "mebibytes": _serve(resources={"limits": {"memory": "2048Mi"}}),
    "no limits": _serve(resources={"limits": None}),
    "an environment variable without a value": _serve(env=[{"name": "A", "value": ""}]),
    "a probe that begins at once": _serve(livenessProbe={"initialDelaySeconds": 0}),
    "a container that is not privileged": _serve(securityContext={"privileged": False}),
    "false for the host's network": _patch(hostNetwork=False),
    "false for pointers": _patch(hostUsers=False, shareProcessNamespace=False, setHostnameAsFQDN=False),
    "an empty list": _patch(hostAliases=[], topologySpreadConstraints=[]),
    "an empty map": _patch(nodeSelector={}, affinity={}),
    "null in a list": _patch(dnsConfig={"options": [{"name": "ndots", "value": None}]}),
    "a size limit": _patch(volumes=[{"name": "tmp", "emptyDir": {"sizeLimit": "1024Mi"}}]),
    "a root that may not be written": _patch(securityContext={"runAsUser": 0, "runAsNonRoot": False}),
    "a toleration of no value": {"nodes": {**NODES, "tolerations": [{"key": "dedicated", "value": ""}]}},
    "a toleration of all": {"nodes": {**NODES, "tolerations": [{"operator": "Exists"}]}},
    "halves": {"nodes": {**NODES, "replica": {"cpu": "1.5", "memory": "1.5Gi"}}},
    "an exponent": {"nodes": {**NODES, "replica": {"cpu": 1, "memory": "1e9"}}},
}


SOURCES: Mapping[str, Obj] = {
    "a token": {"uri": "hf://org/m/m.gguf", "credentials": {"secretName": "hf", "key": "token"}},
    "keys of AWS": {"uri": "s3://b/m.gguf", "credentials": {"secretName": "s3", "key": "accessKeyId"}},
    "an image that is pulled": {"uri": "oci://r.example.com/m:1", "credentials": {"secretName": "r", "key": "pull"}},
}
CACHES: Mapping[str, Settings] = {
    "no cache": SETTINGS,
    "a folder": replace(SETTINGS, weights_cache_path="/models", weights_cache_bytes=10**9, fetch_env={"A": "b"}),
    "a claim": replace(SETTINGS, weights_cache_claim="models"),
}


def _children(
    pool: Obj, namespace: str, settings: Settings = SETTINGS, source: Mapping[str, Any] | None = None
) -> list[Obj]:
    """As the operator would apply them, in another namespace and without an owner that is not there."""
    variants = [{"name": "q8", "quantization": "Q8_0", "source": source}]
    model_ = make.model(variants=variants) if source else make.model()
    seen = observe(("default", "demo"), stores(_world(pool, model_)), NOW, 1e9)
    assert seen
    model = view(seen)
    assert model
    made = build(model, make_plan(seen, validate(seen, loader.load(), settings), {}), settings)
    kept = [{k: v for k, v in o["metadata"].items() if k != "ownerReferences"} | {"namespace": namespace} for o in made]
    return [o | {"metadata": metadata} for o, metadata in zip(made, kept, strict=True)]


def _world(pool: Obj, model: Obj) -> FakeCluster:
    return fake_world(make.node(), pool, make.workload_class(), model)


@pytest.mark.parametrize("changes", POOLS.values(), ids=POOLS)
async def test_what_was_just_applied_is_not_applied_again(
    changes: Obj, cluster: KubernetesCluster, namespace: str
) -> None:
    children = _children(make.pool(**changes), namespace)
    assert {o["kind"] for o in children} >= {"Deployment", "PodDisruptionBudget", "NetworkPolicy"}
    for child in children:
        if child["kind"] == "Deployment":
            child["spec"]["replicas"] = 0  # nothing shall run; a zero that is stored
        assert not needs_apply(child, await cluster.apply(child, names.MANAGER)), child["kind"]


@pytest.mark.parametrize("settings", CACHES.values(), ids=CACHES)
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
async def test_what_brings_the_weights_is_not_applied_again(
    source: Obj, settings: Settings, cluster: KubernetesCluster, namespace: str
) -> None:
    found = {o["kind"]: o for o in _children(make.pool(), namespace, settings, source)}
    deployment_ = found["Deployment"] | {"spec": found["Deployment"]["spec"] | {"replicas": 0}}
    assert "credentials" in str(deployment_["spec"]["template"]["spec"]["volumes"])
    assert not needs_apply(deployment_, await cluster.apply(deployment_, names.MANAGER))


async def _owners_of_replicas(cluster: Cluster, namespace: str) -> list[list[Obj]]:
    """Who owns a Deployment's replicas: at first, and after another has written them."""
    ours = await cluster.apply(deployment(namespace, replicas=2), names.MANAGER)
    status = {"observedGeneration": 1, "replicas": 2}
    theirs = {key: ours[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "d", "namespace": namespace}}
    await cluster.apply_status(theirs | {"status": status}, "controllers")
    before = await cluster.get(kinds.DEPLOYMENT, namespace, "d")
    after = await cluster.apply(theirs | {"spec": {"replicas": 5}}, "autoscaler")
    assert before
    return [trim_deployment(obj)["metadata"]["managedFields"] for obj in (before, after)]


async def test_the_fake_and_the_api_server_say_alike_who_owns_the_replicas(
    cluster: KubernetesCluster, namespace: str
) -> None:
    real = await _owners_of_replicas(cluster, namespace)
    assert real == await _owners_of_replicas(FakeCluster(), namespace)
    assert real == [[{"manager": names.MANAGER}], [{"manager": "autoscaler"}]]
