"""What no rule of a CRD can see becomes a condition of the Model, in words that say what to do."""

from collections.abc import Mapping
from typing import Any

import make
import pytest
from harness import Operator, condition, deployments, status, world

from inferfleet.kube import kinds
from inferfleet.kube.kinds import Obj
from inferfleet.names import Cond, Reason

SOURCE = {"uri": "oci://inferfleet.local/models/demo:1"}
TWO_NAMES = [("a", "b-c"), ("a-b", "c")]
"""A Model and a class each, whose Services have one name."""


def variant(quantization: str, uri: str = SOURCE["uri"]) -> Obj:
    return make.model(variants=[{"name": "only", "quantization": quantization, "source": {"uri": uri}}])


def workload(**changes: Any) -> Obj:
    return make.model(workloads=[{"class": "chat"} | changes])


def raw(obj: Obj, **changes: Any) -> Obj:
    """With parts of the spec that an API server would refuse now."""
    return obj | {"spec": obj["spec"] | changes}


BLOCKED: Mapping[str, tuple[list[Obj], str, str]] = {
    "a class that does not exist": (
        [workload(**{"class": "chta"})],
        Reason.CLASS_NOT_FOUND,
        "WorkloadClass chta does not exist; create it, or correct spec.workloads[].class",
    ),
    "an architecture that the catalog does not have": (
        [make.model(architecture={"preset": "llama-3.1-9b"})],
        Reason.ARCHITECTURE_UNKNOWN,
        "spec.architecture.preset: the catalog has no llama-3.1-9b; did you mean llama-3.1-8b",
    ),
    "an architecture of half its numbers": (
        [raw(make.model(), architecture={"layers": 8})],
        Reason.INVALID_SPEC,
        "without preset, also feed_forward, head_dim, heads, hidden, kv_heads, vocabulary must be given",
    ),
    "a Model that was stored before a rule": (
        [raw(make.model(), workloads=[{"class": "chat", "replicas": {"min": 1, "max": "3 or so"}}])],
        Reason.INVALID_SPEC,
        "Model demo: spec.workloads.0.replicas.max: Input should be a valid integer",
    ),
    "a class that was stored before a rule": (
        [make.workload_class(slo={"ttft": "fast"})],
        Reason.CLASS_INVALID,
        "WorkloadClass chat: spec.slo.ttft: Value error, 'fast' is not a duration such as 150ms, 30s or 24h",
    ),
    "a class that the namespace may not use": (
        [make.workload_class(allowedNamespaces={"matchLabels": {"tier": "production"}})],
        Reason.CLASS_NOT_ALLOWED,
        "WorkloadClass chat does not allow namespace default (spec.allowedNamespaces)",
    ),
    "a selector that no pool matches": (
        [workload(pools={"matchLabels": {"region": "eu"}})],
        Reason.NO_CANDIDATE,
        "there is no HardwarePool to choose from; create one, or widen spec.workloads[].pools",
    ),
}


@pytest.mark.parametrize(("objects", "reason", "words"), BLOCKED.values(), ids=BLOCKED)
async def test_a_model_is_told_why_it_is_not_planned(objects: list[Obj], reason: str, words: str) -> None:
    cluster = world(make.node(), make.pool(), make.workload_class(), make.model(), *objects)
    await Operator(cluster).settle()
    for type_ in (Cond.PLANNED, Cond.READY):
        told = condition(cluster, type_)
        assert told[:2] == ("False", reason)
        assert words in told[2]
    assert deployments(cluster) == {}


REJECTED: Mapping[str, tuple[list[Obj], str, str]] = {
    "an accelerator that the catalog does not have": (
        [make.pool(accelerator="cpu-x86-avx3")],
        Reason.ACCELERATOR_UNKNOWN,
        "the catalog has no accelerator named cpu-x86-avx3",
    ),
    "an engine that does not exist": (
        [make.pool(engines=["llama-ccp"])],
        Reason.ENGINE_UNSUPPORTED,
        "this release does not run llama-ccp on cpu-x86-avx2",
    ),
    "no engine at all": (
        [make.pool(engines=[])],
        Reason.ENGINE_UNSUPPORTED,
        "this release does not run any engine on cpu-x86-avx2",
    ),
    "a quantization that the catalog does not have": (
        [variant("INT4-AQW")],
        Reason.QUANTIZATION_UNKNOWN,
        "the catalog has no INT4-AQW; did you mean INT4-AWQ",
    ),
    "a quantization that no engine of the pool runs": (
        [variant("INT4-AWQ")],
        Reason.QUANTIZATION_UNSUPPORTED,
        "llama-cpp does not serve INT4-AWQ on cpu-x86-avx2",
    ),
    "a quantization that the class does not allow": (
        [make.workload_class(quantization={"allow": ["FP8"]})],
        Reason.QUANTIZATION_NOT_ALLOWED,
        "the class allows FP8, not F16",
    ),
    "a quantization without the evidence that the class asks for": (
        [variant("Q8_0"), make.workload_class(quantization={"requireEvidence": True})],
        Reason.NO_EVIDENCE,
        "accuracy",
    ),
    "an adapter in a claim that the pod does not mount": (
        [make.model(adapters=[{"name": "sql", "source": {"uri": "pvc://others/sql.gguf"}}])],
        Reason.SOURCE_UNSUPPORTED,
        "must be in the claim of the variant",
    ),
    "a pool of cores that are not cut into replicas": (
        [make.pool(nodes={"selector": {"kubernetes.io/os": "linux"}})],
        Reason.REPLICA_NOT_DECLARED,
        "pool cpu does not say what a replica gets: set spec.nodes.replica (cpu and memory)",
    ),
    "a pool without a price": (
        [make.pool(price=None)],
        Reason.NO_PRICE,
        "pool cpu has no spec.price, so its cost cannot be compared",
    ),
    "a pool that the namespace may not use": (
        [make.pool(allowedNamespaces={"matchLabels": {"tier": "production"}})],
        Reason.NAMESPACE_NOT_ALLOWED,
        "pool cpu does not allow this namespace (spec.allowedNamespaces)",
    ),
    "a pinned pool that does not exist": (
        [workload(placement={"mode": "Pinned", "pool": "gpu", "variant": "f16"})],
        Reason.NOT_PINNED,
        "spec.workloads[].placement pins f16 on gpu",
    ),
    "a pinned parallelism that there is not": (
        [workload(placement={"mode": "Pinned", "pool": "cpu", "variant": "f16", "tensorParallel": 2})],
        Reason.PARALLELISM_UNSUPPORTED,
        "this release serves each replica on one accelerator, not on 2 (tensorParallel)",
    ),
    "a kind of request that the engine does not serve": (
        [make.workload_class(modality="Video")],
        Reason.MODALITY_UNSUPPORTED,
        "the class asks for Video, and the model is for Text",
    ),
    "a target that nothing meets": (
        [make.workload_class(slo={"ttft": "0.001ms"})],
        Reason.SLO_VIOLATED,
        "allowed",
    ),
    "a limit that nothing meets": (
        [make.workload_class(limits={"costPer1MTokens": "0.000001"})],
        Reason.COST_LIMIT_EXCEEDED,
        "USD",
    ),
    "an energy limit where nothing tells the power": (
        [make.workload_class(limits={"joulesPerToken": "0.8"})],
        Reason.NO_POWER,
        "pool cpu has no spec.power",
    ),
    "a model that is too big": (
        [make.model(architecture={"preset": "llama-3.1-8b"})],
        Reason.MEMORY_DOES_NOT_FIT,
        "a replica has 1.07 GB",
    ),
    "more replicas than the nodes hold": (
        [workload(replicas={"min": 1000, "max": 1000})],
        Reason.POOL_EXHAUSTED,
        "1000 replicas are needed and 8 more fit on 1 node of the pool",
    ),
    "nodes that no selector matches": (
        [make.pool(nodes={"selector": {"gpu": "l40s"}, "replica": {"cpu": "500m", "memory": "1Gi"}})],
        Reason.POOL_EXHAUSTED,
        "1 replicas are needed and 0 more fit on 0 nodes of the pool",
    ),
}


@pytest.mark.parametrize(("objects", "reason", "words"), REJECTED.values(), ids=REJECTED)
async def test_a_candidate_is_rejected_in_words_and_the_condition_repeats_them(
    objects: list[Obj], reason: str, words: str
) -> None:
    cluster = world(make.node(), make.pool(), make.workload_class(), make.model(), *objects)
    await Operator(cluster).settle()
    rejected = [r for r in status(cluster).rejected if r.reason == reason]
    assert any(words in r.message for r in rejected), status(cluster).rejected
    planned, why, message = condition(cluster, Cond.PLANNED)
    assert (planned, why) == ("False", Reason.NO_CANDIDATE)
    assert words in message


async def test_two_models_whose_services_have_one_name_do_not_fight_over_it() -> None:
    cluster = world(make.node(), make.pool(), *(make.workload_class(class_) for _, class_ in TWO_NAMES))
    for model, class_ in TWO_NAMES:
        cluster.put(make.model(model, workloads=[{"class": class_}]))
    for model, _ in TWO_NAMES:
        await Operator(cluster, key=("default", model)).settle()
    before = len(cluster.writes)
    for model, _ in TWO_NAMES:
        await Operator(cluster, key=("default", model)).once()
    (service,) = cluster.all(kinds.SERVICE)
    assert service["metadata"]["ownerReferences"][0]["name"] == "a"
    assert condition(cluster, Cond.DEPLOYED, "a")[0] == "True"
    deployed, reason, message = condition(cluster, Cond.DEPLOYED, "a-b")
    assert (deployed, reason) == ("False", Reason.NAME_CONFLICT)
    assert "a-b-c" in message
    assert [w for w in cluster.writes[before:] if w.kind == "Service"] == []


async def test_models_whose_long_names_begin_alike_get_names_of_their_own() -> None:
    long = ["x" * 62 + end for end in "ab"]
    cluster = world(make.node(cpu="64", memory="64Gi"), make.pool(), make.workload_class("y" * 63))
    for name in long:
        cluster.put(make.model(name, workloads=[{"class": "y" * 63}]))
        await Operator(cluster, key=("default", name)).settle()
    assert len(cluster.all(kinds.SERVICE)) == len(cluster.all(kinds.DEPLOYMENT)) == 2
    assert {condition(cluster, Cond.READY, name)[0] for name in long} == {"True"}
