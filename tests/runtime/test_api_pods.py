"""What a pod's configuration makes of the API: embeddings, deadlines, priorities, tenants and a known capacity."""

import json
import math
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from fakes.lora import make_adapter

from inferfleet_runtime.contract import HEADER_PRIORITY, HEADER_TENANT, HEADER_TIMEOUT

HELLO = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def embedding(start):
    pod = start(modality="Embedding", contextTokens=512).ready()
    with pod.client() as client:
        yield pod, client


def test_texts_become_vectors_of_length_one_and_are_counted(embedding):
    pod, client = embedding
    before = pod.metrics()
    answer = client.embeddings.create(model="tiny", input=["time and year", "people", "time and year"])
    first, other, again = (item.embedding for item in answer.data)
    assert [item.index for item in answer.data] == [0, 1, 2]
    assert len(first) == 128
    # not the same: what a batch holds beside a text changes the last digits, which random weights make larger
    assert math.dist(first, again) < math.dist(first, other) / 2
    assert math.fsum(x * x for x in first) == pytest.approx(1, abs=1e-3)
    pod.until(lambda: len(pod.outcomes()) >= 1, "the request's line")
    grown = pod.metrics()["vllm:prompt_tokens_total"] - before["vllm:prompt_tokens_total"]
    assert grown == answer.usage.prompt_tokens == answer.usage.total_tokens > 3


def test_floats_base64_and_token_ids_mean_the_same(embedding):
    _, client = embedding
    floats = client.embeddings.create(model="tiny", input="time", encoding_format="float").data[0].embedding
    packed = client.embeddings.create(model="tiny", input="time").data[0].embedding  # the client asks for base64
    assert floats == pytest.approx(packed, abs=1e-4)
    assert len(client.embeddings.create(model="tiny", input=[[5, 6, 7], [8]]).data) == 2


@pytest.mark.parametrize("text", ["time " * 600, [7] * 600])
def test_a_text_over_the_context_is_openais_error(embedding, text):
    _, client = embedding
    with pytest.raises(openai.BadRequestError) as raised:
        client.embeddings.create(model="tiny", input=text)
    assert (raised.value.code, raised.value.param) == ("context_length_exceeded", "input")


def test_a_text_that_fills_the_context_is_embedded(embedding):
    _, client = embedding
    assert client.embeddings.create(model="tiny", input=[7] * 500).usage.prompt_tokens == 500


def test_a_model_that_embeds_has_a_capacity_and_does_not_chat(embedding):
    pod, client = embedding
    assert pod.metrics()["inferfleet:capacity_tokens_per_second"] > 0
    with pytest.raises(openai.NotFoundError, match="modality Text"):
        client.chat.completions.create(model="tiny", messages=HELLO)


@pytest.fixture(scope="module")
def trusting(start):
    """One slot, and a gateway that it believes."""
    requests = {"trustedHeaders": True, "priority": 1}
    pod = start(slots=1, contextTokens=60_000, requests=requests, admission={"maxQueuedTokens": 400}).ready()
    with pod.client() as client:
        yield pod, client


def busy(client):
    stream = client.completions.create(model="tiny", prompt="a", max_tokens=50_000, stream=True)
    next(stream)
    return stream


def test_a_deadline_drops_what_waits_and_cuts_what_runs(trusting):
    pod, client = trusting
    stream = busy(client)
    soon = {HEADER_TIMEOUT: "0.2"}
    with pytest.raises(openai.InternalServerError) as raised:
        client.completions.create(model="tiny", prompt="b", max_tokens=5, extra_headers=soon)
    assert (raised.value.status_code, raised.value.code) == (504, "deadline_exceeded")
    stream.close()
    pod.until(lambda: pod.metrics()["vllm:num_requests_running"] == 0, "a free slot")
    late = client.completions.create(model="tiny", prompt="a", max_tokens=50_000, stream=True, extra_headers=soon)
    with pytest.raises(openai.APIError) as broken:
        list(late)
    assert broken.value.code == "deadline_exceeded"
    pod.until(lambda: pod.metrics()["vllm:num_requests_running"] == 0, "a free slot")


def test_the_urgent_takes_the_place_of_what_waits(trusting):
    pod, client = trusting
    stream = busy(client)
    with ThreadPoolExecutor(2) as pool:
        ask = client.completions.create
        low = pool.submit(ask, model="tiny", prompt="b", max_tokens=300)
        pod.until(lambda: pod.metrics()["vllm:num_requests_waiting"] == 1, "a waiting request")
        high = pool.submit(ask, model="tiny", prompt="c", max_tokens=300, extra_headers={HEADER_PRIORITY: "2"})
        with pytest.raises(openai.RateLimitError):
            low.result(60)
        stream.close()
        assert high.result(60).usage.completion_tokens == 300


def test_openais_tier_flex_waits_for_others_and_is_counted_apart(trusting):
    pod, client = trusting
    before, stream = pod.metrics(), busy(client)
    done = []

    def ask(name, tokens, **more):
        client.completions.create(model="tiny", prompt="b", max_tokens=tokens, **more)
        done.append(name)

    with ThreadPoolExecutor(2) as pool:
        flex = pool.submit(ask, "flex", 300, extra_body={"service_tier": "flex"})
        pod.until(lambda: pod.metrics()["inferfleet:later_requests_waiting"] == 1, "a request that may wait")
        other = pool.submit(ask, "other", 5)
        pod.until(lambda: pod.metrics()["vllm:num_requests_waiting"] == 2, "another one")
        stream.close()
        for asked in (flex, other):
            asked.result(60)
    assert done == ["other", "flex"]
    pod.until(lambda: pod.metrics()["inferfleet:later_requests_waiting"] == 0, "an empty queue")
    after = pod.metrics()
    grown = {name: after[name] - before[name] for name in after if name.startswith("inferfleet:later_")}
    assert grown["inferfleet:later_arrival_requests_total"] == grown["inferfleet:later_finished_requests_total"] == 1
    assert 5 < grown["inferfleet:later_finished_generation_tokens_total"] <= 300
    assert grown["inferfleet:later_arrival_prompt_tokens_total"] > 0


def test_tenants_share_no_cache_and_have_a_bill_each(trusting):
    pod, client = trusting
    prompt = "time year people way day man thing woman life child world school " * 20

    def cached(tenant):
        asked = {"model": "tiny", "prompt": prompt, "max_tokens": 2}
        usage = client.completions.create(**asked, extra_headers={HEADER_TENANT: tenant}).usage
        return usage.prompt_tokens_details.cached_tokens

    assert cached("one") == 0
    assert cached("one") > 100
    assert cached("two") == 0
    text = pod.get("/metrics")[1]
    assert 'inferfleet:tenant_generation_tokens_total{model_name="team/tiny",tenant="one"} 4.0' in text
    assert 'inferfleet:tenant_generation_tokens_total{model_name="team/tiny",tenant="two"} 2.0' in text


def test_a_known_capacity_is_published_without_measuring(start):
    known = {"tokensPerSecond": 321.0, "slots": 2}
    slow = {"promptTokens": 32, "outputTokens": 32, "maxSeconds": 600}
    pod = start(benchmark=slow, files={"etc/inferfleet/capacity.json": json.dumps(known)}).ready()
    assert pod.metrics()["inferfleet:capacity_tokens_per_second"] == 321.0
    assert "capacity known: it is not measured again" in pod.events()
    assert "first token generated" in pod.events()


def test_an_adapter_is_a_model_of_its_own_and_changes_no_other(start, tmp_path):
    source = {"uri": make_adapter(tmp_path / "odd.gguf").as_uri()}
    pod = start(adapters=[{"name": "odd", "source": source}]).ready()
    with pod.client() as client:
        assert [model.id for model in client.models.list()] == ["team/tiny", "team/tiny:odd"]

        def text(model, **fields):
            same = {"messages": HELLO, "max_tokens": 12, "temperature": 0}
            answer = client.chat.completions.create(model=model, **same, **fields)
            if not fields:
                assert answer.model == ("team/tiny" if model == "tiny" else model)
                return answer.choices[0].message.content
            return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)

        plain, odd = text("tiny"), text("odd")
        assert plain != odd
        assert text("team/tiny:odd") == text("tiny:odd", stream=True) == odd
        assert text("tiny") == plain
        with pytest.raises(openai.NotFoundError, match="tiny:odd"):
            text("tiny:even")


def test_a_context_that_slides_lets_an_answer_go_on(start):
    pod = start(slots=1, contextTokens=512, kvCache={"overflow": "SlideWithSinks"}).ready()
    with pod.client() as client:
        answer = client.completions.create(model="tiny", prompt="Once", max_tokens=900, temperature=0)
        assert answer.usage.completion_tokens == 900
        with pytest.raises(openai.BadRequestError) as raised:
            client.completions.create(model="tiny", prompt="Once " * 900, max_tokens=5)
        assert raised.value.code == "context_length_exceeded"
