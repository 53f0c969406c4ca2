"""The conditions of HardwarePools and WorkloadClasses."""

from datetime import UTC, datetime
from typing import Any

import make
import pytest

from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog import loader
from inferfleet.fleet.acceptance import class_verdicts, pool_verdicts, stamped
from inferfleet.fleet.observe import Stores, node, read_classes, read_pools
from inferfleet.names import Reason

CATALOG = loader.load()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NODES = (node(make.node("one", cpu="4")), node(make.node("two", cpu="2")))
CUSTOM = {"kind": "CPU", "memoryBandwidth": "13e9", "operations": {"Q8_0": "108e9"}, "engines": ["llama-cp"]}
GPU = {"selector": {"kubernetes.io/os": "linux"}}


def pools(*objects: make.Obj) -> dict[str, dict[str, tuple[str, str, str]]]:
    stores = Stores(pools={("", o["metadata"]["name"]): o for o in objects})
    found = pool_verdicts(read_pools(stores), NODES, CATALOG)
    return {name: {c.type: (c.status, c.reason, c.message) for c in s.conditions} for name, s in found.items()}


def classes(**changes: Any) -> dict[str, tuple[str, str, str]]:
    stores = Stores(classes={("", "chat"): make.workload_class(**changes)})
    (found,) = class_verdicts(read_classes(stores), CATALOG).values()
    return {c.type: (c.status, c.reason, c.message) for c in found.conditions}


def test_a_pool_that_can_be_used_says_how_much_it_holds() -> None:
    stores = Stores(pools={("", "cpu"): make.pool()})
    (found,) = pool_verdicts(read_pools(stores), NODES, CATALOG).values()
    assert (found.nodes, found.replicas) == (2, 12)
    assert {c.type: (c.status, c.reason) for c in found.conditions} == {
        "Accepted": ("True", Reason.ACCEPTED),
        "FieldsObeyed": ("True", Reason.ALL_FIELDS_OBEYED),
        "NodesExclusive": ("True", Reason.NODES_EXCLUSIVE),
    }


@pytest.mark.parametrize(
    ("changes", "accepted", "reason", "words"),
    [
        ({"accelerator": "nvidia-h100"}, "False", Reason.ACCELERATOR_UNKNOWN, "did you mean nvidia-h100"),
        ({"accelerator": "abacus"}, "False", Reason.ACCELERATOR_UNKNOWN, "the catalog has no abacus"),
        ({"engines": ["vlm"]}, "False", Reason.ENGINE_UNKNOWN, "did you mean vllm"),
        ({"engines": ["llama-cpp", "vlm"]}, "True", Reason.ENGINE_UNKNOWN, "can be placed here, but spec.engines: the"),
        ({"engines": []}, "False", Reason.ENGINE_UNKNOWN, "spec.engines is empty"),
        ({"accelerator": None, "custom": CUSTOM}, "False", Reason.ENGINE_UNKNOWN, "spec.custom.engines: the catalog"),
        (
            {"accelerator": None, "custom": CUSTOM | {"engines": ["llama-cp", "llama-cpp"]}},
            "True",
            Reason.ENGINE_UNKNOWN,
            "did you mean llama-cpp",
        ),
        (
            {"accelerator": None, "custom": CUSTOM, "engines": ["llama-cpp"]},
            "True",
            Reason.ACCEPTED,
            "models can be placed here",
        ),
        ({"nodes": {}}, "False", Reason.REPLICA_NOT_DECLARED, "set spec.nodes.replica"),
        ({"price": None}, "False", Reason.NO_PRICE, "without spec.price"),
        ({"accelerator": "nvidia-l4", "nodes": GPU, "price": {"perAcceleratorHour": "1"}}, "True", Reason.ACCEPTED, ""),
        (
            {"nodes": {"selector": {"a": "b"}, "replica": {"cpu": 1, "memory": "1Gi"}}},
            "True",
            Reason.NODES_NOT_FOUND,
            "no usable node matches",
        ),
        ({"nodes": {"replica": {"cpu": "1x", "memory": 1}}}, "False", Reason.POOL_INVALID, "'1x' is not a quantity"),
    ],
)
def test_what_is_wrong_with_a_pool_is_in_its_own_status(changes: Any, accepted: str, reason: str, words: str) -> None:
    found = pools(make.pool(**changes))["cpu"]["Accepted"]
    assert found[:2] == (accepted, reason)
    assert words in found[2]


@pytest.mark.parametrize(
    ("allocation", "obeyed"),
    [
        ({"method": "DRA", "deviceClassName": "cpu.example.com"}, "False"),
        ({"timeSlicingShare": 4}, "False"),
        ({"migProfile": "3g.40gb"}, "False"),
        ({"method": "ExtendedResource"}, "True"),
    ],
)
def test_how_devices_are_allocated_is_not_acted_on_and_that_is_said(allocation: Any, obeyed: str) -> None:
    nodes = {"replica": {"cpu": "500m", "memory": "1Gi"}, "allocation": allocation}
    found = pools(make.pool(nodes=nodes))["cpu"]["FieldsObeyed"]
    assert found[0] == obeyed
    assert ("spec.nodes.allocation: pods request cores and memory" in found[2]) is (obeyed == "False")


def test_pools_that_count_the_same_nodes_name_each_other() -> None:
    found = pools(make.pool("a"), make.pool("b"))
    assert found["a"]["NodesExclusive"][:2] == ("False", Reason.NODES_SHARED)
    assert "pool b has nodes one, two too" in found["a"]["NodesExclusive"][2]
    assert "pool a has nodes" in found["b"]["NodesExclusive"][2]


def test_accelerators_of_nodes_that_are_not_there_yet_count_where_the_pool_says_so() -> None:
    nodes = GPU | {"acceleratorsPerNode": 8, "maxNodes": 4}
    stores = Stores(pools={("", "gpu"): make.pool("gpu", accelerator="nvidia-l4", nodes=nodes)})
    (found,) = pool_verdicts(read_pools(stores), NODES, CATALOG).values()
    assert (found.nodes, found.replicas) == (4, 32)


def test_a_class_that_allows_what_no_catalog_knows_is_not_accepted() -> None:
    found = classes(quantization={"allow": ["INT4-AWK"]})["Accepted"]
    assert found[:2] == ("False", Reason.QUANTIZATION_UNKNOWN)
    assert "INT4-AWQ" in found[2]
    some = classes(quantization={"allow": ["Q8_0", "INT4-AWK"]})["Accepted"]
    assert some[:2] == ("True", Reason.QUANTIZATION_UNKNOWN)
    assert "but spec.quantization.allow: the catalog has no INT4-AWK" in some[2]
    assert classes(traffic={})["Accepted"][:2] == ("False", Reason.CLASS_INVALID)


def test_targets_that_contradict_each_other_are_told_with_the_sum() -> None:
    slo = {"ttft": "100ms", "tpot": "10ms", "endToEnd": "500ms"}
    found = classes(slo=slo)["SLOConsistent"]
    assert found[:2] == ("False", Reason.SLO_INCONSISTENT)
    assert "make 730 ms for 64 tokens, above endToEnd of 500 ms" in found[2]
    assert classes(slo=slo | {"endToEnd": "1s"})["SLOConsistent"][0] == "True"
    assert classes(slo=slo, modality="Embedding")["SLOConsistent"][0] == "True", "whose completions count for nothing"


def test_a_status_is_written_once_and_its_times_stay_while_it_does() -> None:
    obj = make.workload_class()
    obj["metadata"]["generation"] = 3
    (fresh,) = class_verdicts({"chat": WorkloadClassSpec.model_validate(obj["spec"])}, CATALOG).values()
    body = stamped(fresh, obj, NOW)
    assert body
    assert body["observedGeneration"] == 3
    later = NOW.replace(year=2027)
    assert stamped(fresh, obj | {"status": body}, later) is None
    obj["metadata"]["generation"] = 4
    again = stamped(fresh, obj | {"status": body}, later)
    assert again
    assert again["conditions"][0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert stamped(fresh, obj | {"status": {"conditions": "mine"}}, NOW)
