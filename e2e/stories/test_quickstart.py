"""The quickstart's story and the mistakes around it, on a real cluster."""

import json
import time
from functools import partial

import openai
import pytest

from e2e.access import reach
from e2e.cluster.shell import ClusterError
from e2e.stories.fleet import Obj, quickstart
from e2e.stories.space import Space

CHILDREN = "deployments,services,configmaps,replicasets,pods"
OWNED = "inferfleet.io/managed=true"


@pytest.fixture
def serving(space: Space) -> Space:
    """The quickstart, Ready."""
    space.apply(*quickstart(space.namespace))
    space.ready()
    return space


def _answer(space: Space, service: str) -> str:
    with reach(space.cluster, space.namespace, service) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", timeout=60)
        found = client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "What is a Kubernetes operator?"}], max_tokens=16
        )
        return str(found.choices[0].message.content)


def _planned(space: Space, reason: str) -> bool:
    return bool(space.condition("Planned").get("reason") == reason)


def _service(space: Space) -> str:
    (found,) = space.list("services", OWNED)
    return str(found["metadata"]["name"])


def _versions(space: Space) -> dict[str, str]:
    """resourceVersion of everything the operator writes."""
    names = space.kubectl("get", "models,deployments,services,configmaps,events,capacityprofiles", "-o", "json")
    return {
        f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["resourceVersion"]
        for o in json.loads(names)["items"]
        if o["kind"] != "Event" or o["involvedObject"]["kind"] == "Model"
    }


def test_a_model_is_served_quantized_in_batches_and_measured(serving: Space) -> None:
    (placement,) = serving.model()["status"]["placements"]
    assert placement["variant"] in ("q4-0", "q8-0")
    assert placement["slots"] > 1
    assert _answer(serving, _service(serving)).strip()

    def measured() -> bool:
        (found,) = serving.model()["status"]["placements"]
        return bool(found["capacitySource"] != "Estimated")

    serving.wait("a measured capacity", measured)
    rejected = {(r["variant"], r["reason"]) for r in serving.model()["status"]["rejected"]}
    assert ("f16", "CostAboveBest") in rejected


def test_deleting_the_class_or_the_pool_by_mistake_stops_nothing(serving: Space) -> None:
    pool, class_, _ = quickstart(serving.namespace)
    pods = {p["metadata"]["uid"] for p in serving.list("pods", OWNED)}
    for kind, obj, reason in (("workloadclass", class_, "ClassNotFound"), ("hardwarepool", pool, "PoolNotFound")):
        serving.kubectl("delete", kind, obj["metadata"]["name"])
        serving.wait(reason, partial(_planned, serving, reason))
        assert serving.condition("Ready")["status"] == "True"
        assert serving.condition("Ready")["reason"] == "Frozen"
        assert serving.model()["status"]["placements"][0]["state"] == "Frozen"
        assert _answer(serving, _service(serving)).strip()
        serving.apply(obj)
        serving.wait("thawed", lambda: serving.condition("Planned").get("status") == "True")
    assert {p["metadata"]["uid"] for p in serving.list("pods", OWNED)} == pods


def test_a_deployment_deleted_by_hand_comes_back(serving: Space) -> None:
    (before,) = serving.list("deployments", OWNED)
    name, uid = before["metadata"]["name"], before["metadata"]["uid"]
    serving.kubectl("delete", "deployment", name, "--wait=false")
    began = time.monotonic()

    def back() -> bool:
        found = serving.get("deployment", name)
        return bool(found and found["metadata"]["uid"] != uid)

    serving.wait("the Deployment to come back", back, 30)
    print(f"the Deployment was back {time.monotonic() - began:.1f} s after kubectl returned")
    serving.ready()


def test_restarting_the_operator_writes_nothing(serving: Space) -> None:
    def quiet() -> bool:
        before = _versions(serving)
        time.sleep(10)
        return _versions(serving) == before

    serving.wait("a settled world", quiet)
    before = _versions(serving)
    system = ("--namespace", "inferfleet-system")
    serving.cluster.kubectl(*system, "rollout", "restart", "deployment/inferfleet-operator")
    serving.cluster.kubectl(*system, "rollout", "status", "deployment/inferfleet-operator", "--timeout=120s")
    time.sleep(15)  # long enough for the Lease, the lists, a reconcile and several scaling rounds
    assert _versions(serving) == before


def test_deleting_a_model_leaves_nothing(serving: Space) -> None:
    serving.kubectl("delete", "model", "demo")
    serving.wait("nothing left", lambda: not serving.list(CHILDREN, OWNED), 120)


def test_a_model_naming_a_class_that_does_not_exist_says_so(space: Space) -> None:
    pool, _, model = quickstart(space.namespace)
    space.apply(pool, model)
    reason = space.wait("a reason", lambda: space.condition("Ready").get("reason"), 30)
    assert reason == "ClassNotFound"
    assert "does not exist; create it" in space.condition("Ready")["message"]


def test_a_model_that_fits_nowhere_lists_every_candidate_with_why(space: Space) -> None:
    pool, class_, model = quickstart(space.namespace)
    gpu: Obj = {**pool, "metadata": {"name": f"gpu-{space.namespace}", "labels": {"story": space.namespace}}}
    gpu["spec"] = {**pool["spec"], "accelerator": "nvidia-l4"}
    model["spec"]["architecture"] = {"preset": "llama-3.1-8b"}
    space.apply(pool, gpu, class_, model)
    space.wait("NoCandidate", lambda: space.condition("Planned").get("reason") == "NoCandidate", 30)
    found = {(r["pool"], r["variant"]): r["reason"] for r in space.model()["status"]["rejected"]}
    variants = ("f16", "q8-0", "q4-0")
    expected = {(pool["metadata"]["name"], v): "MemoryDoesNotFit" for v in variants}
    assert found == expected | {(gpu["metadata"]["name"], v): "EngineUnsupported" for v in variants}


def test_what_is_wrong_in_yaml_is_told_at_apply_time(space: Space) -> None:
    _, _, model = quickstart(space.namespace)
    model["spec"]["workloads"][0]["replicas"] = {"min": 3, "max": 2}
    with pytest.raises(ClusterError, match="max must not be below min"):
        space.apply(model)


def test_weights_with_another_digest_are_never_served(space: Space) -> None:
    pool, class_, model = quickstart(space.namespace)
    model["spec"]["variants"][0]["source"]["sha256"] = "0" * 64
    space.apply(pool, class_, model)
    space.wait("PodsFailing", lambda: space.condition("Deployed").get("reason") == "PodsFailing")
    space.wait("the digest in words", lambda: "0000000" in space.condition("Deployed")["message"], 60)
    assert space.condition("Ready")["status"] == "False"
