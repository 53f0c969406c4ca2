"""An image that is kept through an upgrade is told nothing that it does not know."""

import json
from typing import Any

import make
import pytest
from fakes.cluster import FakeCluster
from harness import SETTINGS, Operator, condition, runtime_config, world

from inferfleet import names
from inferfleet.kube import kinds

SERVING = {"maxBatchSize": 4, "speculation": "NGram", "kvCache": {"dtype": "Q8_0"}, "prefixCache": "Off"}
SOURCE = {
    "uri": "https://models.example.com/m.gguf",
    "sha256": "0" * 64,
    "credentials": {"secretName": "models", "key": "token"},
}
ADAPTER = {"name": "sql", "source": {"uri": "https://models.example.com/sql.gguf"}}


def model(**changes: Any) -> Any:
    return make.model(variants=[{"name": "q8", "quantization": "Q8_0", "source": SOURCE}], **changes)


async def after_an_upgrade(update: str, *, told: bool) -> tuple[FakeCluster, Any]:
    """A Deployment as 0.2 left it, and a Model that asks for what is new, before and after the upgrade."""
    cluster = world(make.node(), make.pool(), make.workload_class(), model(engineUpdate=update))
    await Operator(cluster).settle()
    (deployment,) = cluster.all(kinds.DEPLOYMENT)
    if not told:
        del deployment["metadata"]["annotations"][names.ANNOTATION_DIALECT]
    deployment["metadata"]["annotations"][names.ANNOTATION_IMAGE] = "inferfleet.local/runtime:old"
    cluster.put(deployment)
    cluster.put(make.workload_class(serving=SERVING))
    await Operator(cluster).settle()
    return cluster, json.loads(runtime_config(cluster))


async def test_a_kept_image_of_an_earlier_release_is_told_what_it_was_told_and_the_model_says_so() -> None:
    cluster, config = await after_an_upgrade("Manual", told=False)
    assert not {"kvCache", "prefixCache", "speculation"} & set(config)
    assert "credentials" not in config["source"]
    (deployment,) = cluster.all(kinds.DEPLOYMENT)
    assert names.ANNOTATION_DIALECT not in deployment["metadata"]["annotations"]
    assert "secret" not in str(deployment["spec"]["template"]["spec"]["volumes"])
    obeyed, _, message = condition(cluster, "FieldsObeyed")
    assert obeyed == "False"
    fields = "serving.speculation, serving.prefixCache, serving.kvCache, revision and credentials of sources"
    (deployment,) = cluster.all(kinds.DEPLOYMENT)
    placement = f"placement {deployment['metadata']['name']}"
    assert f"{fields}: {placement} keeps the image inferfleet.local/runtime:old of an earlier release" in message


@pytest.mark.parametrize(("update", "told"), [("Manual", True), ("Rolling", False), ("Rolling", True)])
async def test_an_image_that_knows_them_is_told_of_all_fields(update: str, told: bool) -> None:
    cluster, config = await after_an_upgrade(update, told=told)
    assert {"kvCache", "prefixCache", "speculation"} <= set(config)
    assert condition(cluster, "FieldsObeyed")[0] == "True"


async def test_a_fixed_tag_that_stays_through_the_upgrade_is_the_old_image() -> None:
    cluster = world(make.node(), make.pool(), make.workload_class(), model())
    await Operator(cluster).settle()
    (deployment,) = cluster.all(kinds.DEPLOYMENT)
    del deployment["metadata"]["annotations"][names.ANNOTATION_DIALECT]
    assert deployment["metadata"]["annotations"][names.ANNOTATION_IMAGE] == SETTINGS.runtime_image
    cluster.put(deployment)
    cluster.put(make.workload_class(serving=SERVING))
    await Operator(cluster).settle()
    assert "kvCache" not in json.loads(runtime_config(cluster))


async def test_a_pool_that_names_two_bundled_engines_lets_the_pod_choose() -> None:
    pool = make.pool(engines=["llama-cpp", "openvino-genai"])
    cluster = world(make.node(), pool, make.workload_class(), make.model())
    await Operator(cluster).settle()
    config = json.loads(runtime_config(cluster))
    assert {config["engine"], *config["mayUse"]} == {"llama-cpp", "openvino-genai"}
