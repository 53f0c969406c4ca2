"""What requests may say about themselves, and classes whose requests generate nothing, reach the pods."""

import json
from dataclasses import replace
from typing import Any

import make
import pytest
from fakes.cluster import FakeCluster
from harness import SETTINGS, Operator, condition, runtime_config, status, world

from inferfleet import names
from inferfleet.kube import kinds
from inferfleet.names import Reason

DEADLINE = {"slo": {"deadline": "24h"}}
TEXTS = {"inputTokens": {"p50": 120, "p95": 500}}
EMBEDDING: dict[str, Any] = {"modality": "Embedding", "traffic": TEXTS}


async def settled(*objects: make.Obj, trusted: bool = False) -> tuple[FakeCluster, Any]:
    """The cluster, and what the pods are told."""
    cluster = world(make.node(), *objects)
    await Operator(cluster, replace(SETTINGS, trusted_headers=trusted)).settle()
    return cluster, json.loads(runtime_config(cluster))


async def test_requests_are_all_alike_unless_somebody_says_otherwise() -> None:
    _, config = await settled(make.pool(), make.workload_class(priority=1000), make.model())
    assert "requests" not in config
    assert "modality" not in config


async def test_behind_a_trusted_gateway_the_class_says_the_priority_of_requests_that_name_none() -> None:
    _, config = await settled(make.pool(), make.workload_class(priority=-1000), make.model(), trusted=True)
    assert config["requests"] == {"trustedHeaders": True, "priority": -1000}


async def test_the_deadline_of_a_class_is_that_of_its_requests() -> None:
    _, config = await settled(make.pool(), make.workload_class(priority=-1000, **DEADLINE), make.model())
    assert config["requests"] == {"trustedHeaders": False, "priority": 0, "deadlineSeconds": 86_400.0}


async def test_an_engine_beside_the_runtime_is_told_nothing_that_it_cannot_obey() -> None:
    variant = {"name": "bf16", "quantization": "BF16", "source": {"uri": "hf://organization/model"}}
    nodes = {"replica": {"cpu": "2", "memory": "8Gi"}}
    pool = make.pool(engines=["vllm"], nodes=nodes)
    class_ = make.workload_class(**DEADLINE)
    cluster, config = await settled(pool, class_, make.model(variants=[variant]), trusted=True)
    assert [p.engine for p in status(cluster).placements] == ["vllm"]
    assert "requests" not in config


async def test_trusting_headers_rolls_the_pods_and_no_longer_trusting_them_brings_back_what_was() -> None:
    cluster, _ = await settled(make.pool(), make.workload_class(), make.model())
    before = _template(cluster)
    await Operator(cluster, replace(SETTINGS, trusted_headers=True)).settle()
    assert _template(cluster) != before
    await Operator(cluster).settle()
    assert _template(cluster) == before


def _template(cluster: FakeCluster) -> Any:
    (found,) = cluster.all(kinds.DEPLOYMENT)
    return found["spec"]["template"]


@pytest.mark.parametrize("change", ["deadline", "gateway"])
async def test_a_kept_image_of_an_earlier_release_is_told_of_neither_and_the_model_says_so(change: str) -> None:
    cluster, before = await settled(make.pool(), make.workload_class(), make.model(engineUpdate="Manual"))
    (deployment,) = cluster.all(kinds.DEPLOYMENT)
    del deployment["metadata"]["annotations"][names.ANNOTATION_DIALECT]
    deployment["metadata"]["annotations"][names.ANNOTATION_IMAGE] = "inferfleet.local/runtime:old"
    cluster.put(deployment)
    if change == "deadline":
        cluster.put(make.workload_class(**DEADLINE))
    await Operator(cluster, replace(SETTINGS, trusted_headers=change == "gateway")).settle()
    assert json.loads(runtime_config(cluster)) == before
    obeyed, _, message = condition(cluster, "FieldsObeyed")
    assert obeyed == "False"
    asked = {"deadline": "slo.deadline", "gateway": "the setting trustedHeaders"}[change]
    assert f"by this release: {asked}: placement " in message, "and nothing else"


async def test_a_kept_image_of_an_earlier_release_is_offered_no_choice_of_engines() -> None:
    pool = make.pool(engines=["llama-cpp", "openvino-genai"])
    cluster, config = await settled(pool, make.workload_class(), make.model(engineUpdate="Manual"))
    assert "mayUse" in config
    (deployment,) = cluster.all(kinds.DEPLOYMENT)
    del deployment["metadata"]["annotations"][names.ANNOTATION_DIALECT]
    deployment["metadata"]["annotations"][names.ANNOTATION_IMAGE] = "inferfleet.local/runtime:old"
    cluster.put(deployment)
    await Operator(cluster).settle()
    assert "mayUse" not in json.loads(runtime_config(cluster))
    assert " the choice of engines in pool cpu: placement " in condition(cluster, "FieldsObeyed")[2]


async def test_a_class_of_embeddings_is_served_and_its_pods_know_what_they_are_for() -> None:
    pool = make.pool(engines=["openvino-genai", "llama-cpp"])
    cluster, config = await settled(pool, make.workload_class(**EMBEDDING), make.model())
    assert condition(cluster, "Ready")[0] == "True"
    assert condition(cluster, "FieldsObeyed")[0] == "True"
    (placement,) = status(cluster).placements
    assert (placement.engine, status(cluster).rejected_counts) == (
        "llama-cpp",
        {Reason.MODALITY_UNSUPPORTED: 3, Reason.COST_ABOVE_BEST: 2},
    )
    assert config["modality"] == "Embedding"
    assert config["contextTokens"] == 512
    assert config["benchmark"]["promptTokens"] == 120
    assert "mayUse" not in config, "no other engine of the pool embeds"


async def test_many_texts_of_one_request_find_room_in_the_queue() -> None:
    _, config = await settled(make.pool(), make.workload_class(**EMBEDDING), make.model())
    assert config["admission"]["maxQueuedTokens"] >= 2048 * 120, "as many as the OpenAI API has in one request"


async def test_lengths_of_completions_that_nobody_generates_are_named() -> None:
    both = TEXTS | {"outputTokens": {"p50": 10, "p95": 20}, "media": {"width": 64}}
    cluster, config = await settled(make.pool(), make.workload_class(**EMBEDDING | {"traffic": both}), make.model())
    _, without = await settled(make.pool(), make.workload_class(**EMBEDDING), make.model())
    assert config == without
    assert condition(cluster, "FieldsObeyed")[0] == "False"
    message = condition(cluster, "FieldsObeyed")[2]
    assert "spec.traffic.outputTokens: a request of modality Embedding generates nothing" in message
    assert "spec.traffic.media: a request of modality Embedding has none" in message
