"""What is set and changes nothing yet is said, wherever it is set."""

from typing import Any

import make
import pytest
from harness import Operator, condition, world

from inferfleet.names import Reason

LENGTHS = {"inputTokens": {"p50": 48, "p95": 192}, "outputTokens": {"p50": 64, "p95": 256}}


async def obeyed(class_: make.Obj, **workload: Any) -> tuple[str, str, str]:
    cluster = world(make.node(), make.pool(), class_, make.model(workloads=[{"class": "chat", **workload}]))
    await Operator(cluster).settle()
    return condition(cluster, "FieldsObeyed")


@pytest.mark.parametrize(
    ("traffic", "words"),
    [
        ({"burstiness": "4"}, "spec.workloads[].traffic.burstiness: the prediction takes steady arrivals"),
        ({"sharedPrefixTokens": 40}, "spec.workloads[].traffic.sharedPrefixTokens: the prediction counts every"),
    ],
)
async def test_traffic_that_a_workload_says_itself_is_named_like_that_of_its_class(traffic: Any, words: str) -> None:
    status, reason, message = await obeyed(make.workload_class(), traffic=traffic)
    assert (status, reason) == ("False", Reason.FIELDS_NOT_OBEYED_YET)
    assert words in message


async def test_traffic_that_changes_nothing_is_not_named() -> None:
    neutral = {"burstiness": "1.0", "sharedPrefixTokens": 0, "outputTokens": {"p50": 10, "p95": 20}}
    assert (await obeyed(make.workload_class(), traffic=neutral))[0] == "True"


async def test_media_of_a_class_of_text_are_named() -> None:
    status, _, message = await obeyed(make.workload_class(traffic=LENGTHS | {"media": {"width": 100}}))
    assert status == "False"
    assert "WorkloadClass chat spec.traffic.media: a request of modality Text has none" in message


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"uri": "hf://org/m", "revision": "v1", "credentials": {"secretName": "hf", "key": "token"}}, ""),
        ({"uri": "https://example.com/m.gguf", "credentials": {"secretName": "a", "key": "token"}}, ""),
        ({"uri": "https://example.com/m.gguf", "revision": "v1"}, "source.revision: only hf:// sources have revisions"),
        ({"uri": "pvc://c/m.gguf", "credentials": {"secretName": "a", "key": "b"}}, "source.credentials: files of the"),
    ],
)
async def test_what_a_source_has_no_use_for_is_named(source: Any, words: str) -> None:
    model = make.model(variants=[{"name": "q8", "quantization": "Q8_0", "source": source}])
    cluster = world(make.node(), make.pool(), make.workload_class(), model)
    await Operator(cluster).settle()
    status, _, message = condition(cluster, "FieldsObeyed")
    assert status == ("False" if words else "True")
    assert words in message
