"""What the operator writes is what the runtime serves: its own configuration, a real engine, its own reading of it."""

import json
from dataclasses import replace

import make
import openai
import pytest
from harness import SETTINGS, Operator, runtime_config, world

from inferfleet.planning.unit import Unit
from inferfleet.scaling.demand import Lengths, Traffic, measure, observe
from inferfleet.scaling.ledger import capacity
from inferfleet.scaling.signal import parse
from inferfleet_runtime.contract import HEADER_TENANT

EMBEDDING = {"modality": "Embedding", "traffic": {"inputTokens": {"p50": 20, "p95": 100}}, "slo": {"deadline": "60s"}}


@pytest.fixture
async def embedding(start):
    """As the operator has it for a class of embeddings, behind a gateway; only the file is ours."""
    cluster = world(make.node(), make.pool(), make.workload_class(**EMBEDDING), make.model())
    await Operator(cluster, replace(SETTINGS, trusted_headers=True)).settle()
    config = json.loads(runtime_config(cluster))
    del config["source"]
    pod = start(**config).ready()
    with pod.client() as client:
        yield pod, client


async def test_the_operator_reads_prompt_tokens_where_nothing_is_generated(embedding):
    pod, client = embedding
    before = parse(pod.get("/metrics")[1].encode(), 0.0)
    assert before.capacity > 0
    texts = ["time and year " * 5, "people"]
    answer = client.embeddings.create(model="demo", input=texts, extra_headers={HEADER_TENANT: "team-a"})
    pod.until(lambda: len(pod.outcomes()) == 1, "the request's line")
    seen = (before, parse(pod.get("/metrics")[1].encode(), 10.0))
    found = measure(observe(Traffic(), [seen], 10), [seen], 10, Lengths(arrived=20), Unit.PROMPT)
    assert found.request_tokens == answer.usage.prompt_tokens
    assert found.served == pytest.approx(answer.usage.prompt_tokens / 10)
    assert answer.usage.prompt_tokens > sum(len(t) // 4 for t in texts), "what arrived was estimated as less"
    assert found.tokens_per_second == pytest.approx(answer.usage.prompt_tokens / 10)
    measured = capacity(None, [seen], 10.0, Unit.PROMPT)
    assert (measured.source, measured.tokens_per_second) == ("Benchmarked", before.capacity)
    assert pod.metrics()["inferfleet:tenant_prompt_tokens_total"] == answer.usage.prompt_tokens
    with pytest.raises(openai.NotFoundError, match="modality Text"):
        client.completions.create(model="demo", prompt="time")
