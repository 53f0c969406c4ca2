"""Priorities, deadlines, tenants, modalities and adapters through the server, in front of a fake engine."""

import asyncio
import json
import random

import pytest
from fakes.service import events, pod

from inferfleet_runtime.api.work import Work
from inferfleet_runtime.contract import HEADER_PRIORITY, HEADER_TENANT, HEADER_TIMEOUT
from inferfleet_runtime.front.metrics import MOST_TENANTS

TRUSTED = {"requests": {"trustedHeaders": True}}
SOON = {HEADER_TIMEOUT: "0.05"}


def urgent(priority):
    return {HEADER_PRIORITY: str(priority)}


async def test_the_urgent_is_served_before_those_who_came_first():
    async with pod(slots=1, config=TRUSTED) as p:
        p.backend.flowing.clear()
        asked = []
        for number, priority in enumerate([0, 0, 5, 1]):
            asked.append(asyncio.create_task(p.chat(urgent(priority), seed=number)))
            await p.until(running=1, waiting=number)
        p.backend.flowing.set()
        await asyncio.gather(*asked)
        assert [body["seed"] for body in p.backend.bodies] == [0, 2, 3, 1]


async def test_what_waits_with_a_lower_priority_gives_up_its_place_in_a_full_queue():
    async with pod(slots=1, max_queued_tokens=20, config=TRUSTED) as p:
        p.backend.flowing.clear()
        runs = asyncio.create_task(p.chat(max_tokens=10))
        await p.until(running=1)
        low = asyncio.create_task(p.chat(max_tokens=10, seed=1))
        await p.until(running=1, waiting=1)
        high = asyncio.create_task(p.chat(urgent(1), max_tokens=10, seed=2))
        refused = await low
        assert refused.status == 429
        assert "Retry-After" in refused.headers
        assert p.value("inferfleet:rejected_requests_total") == 1
        p.backend.flowing.set()
        assert [(await runs).status, (await high).status] == [200, 200]
        assert [body.get("seed") for body in p.backend.bodies] == [None, 2]


async def test_an_evicted_request_whose_client_is_gone_too_leaves_nothing():
    async with pod(slots=1, max_queued_tokens=20, config=TRUSTED) as p:
        p.backend.flowing.clear()
        runs = asyncio.create_task(p.chat(max_tokens=10))
        await p.until(running=1)
        low = asyncio.create_task(p.chat(max_tokens=10))
        await p.until(running=1, waiting=1)
        high = asyncio.create_task(p.chat(urgent(1), max_tokens=10))
        low.cancel()
        p.backend.flowing.set()
        assert [(await runs).status, (await high).status] == [200, 200]
        await p.until(running=0)


async def test_who_waits_beyond_his_deadline_is_dropped_and_never_reaches_the_engine():
    async with pod(slots=1) as p:
        p.backend.flowing.clear()
        runs = asyncio.create_task(p.chat())
        await p.until(running=1)
        late = await p.chat(SOON)
        assert late.status == 504
        assert (await late.json())["error"]["code"] == "deadline_exceeded"
        assert (p.service.gate.admission.running, p.service.gate.admission.waiting) == (1, 0)
        p.backend.flowing.set()
        assert (await runs).status == 200
        assert len(p.backend.bodies) == 1


async def test_who_runs_beyond_his_deadline_is_cut_and_his_slot_is_free():
    async with pod(slots=1) as p:
        p.backend.flowing.clear()
        assert (await p.chat(SOON)).status == 504
        await p.until(running=0)
        assert p.backend.running == 0


async def test_a_stream_learns_of_its_deadline_in_the_stream():
    async with pod(slots=1) as p:
        p.backend.flowing.clear()
        response = await p.chat(SOON, stream=True)
        assert response.status == 200
        assert json.loads((await events(response))[-1])["error"]["code"] == "deadline_exceeded"
        await p.until(running=0)


async def test_the_class_has_a_deadline_for_those_who_name_none():
    async with pod(slots=1, config={"requests": {"deadlineSeconds": 0.05}}) as p:
        p.backend.flowing.clear()
        assert (await p.chat()).status == 504


async def test_a_malformed_header_is_a_400_that_names_it():
    async with pod() as p:
        response = await p.chat({HEADER_TIMEOUT: "soon"})
        assert response.status == 400
        assert (await response.json())["error"]["param"] == HEADER_TIMEOUT


@pytest.mark.parametrize(("config", "salt"), [(TRUSTED, "acme"), ({}, "")])
async def test_a_tenant_has_a_cache_and_a_bill_of_his_own_where_a_gateway_names_him(config, salt):
    async with pod(config=config) as p:
        await (await p.chat({HEADER_TENANT: "acme"})).read()
        await (await p.chat({HEADER_TENANT: "acme"}, stream=True)).read()
        assert p.backend.salts == [salt, salt]
        prompt = p.value("inferfleet:tenant_prompt_tokens_total", tenant="acme")
        generated = p.value("inferfleet:tenant_generation_tokens_total", tenant="acme")
        assert (prompt, generated) == ((14, 8) if salt else (None, None))


async def test_a_tenant_pays_for_the_tokens_of_a_stream_that_he_left():
    async with pod(slots=1, config=TRUSTED) as p:
        response = await p.chat({HEADER_TENANT: "acme"}, stream=True, max_tokens=900)
        await response.content.readany()
        response.close()
        await p.until(running=0)
        assert p.value("inferfleet:tenant_generation_tokens_total", tenant="acme") >= 1


async def test_tenants_beyond_the_bound_share_one_name():
    async with pod() as p:
        for number in range(MOST_TENANTS + 5):
            p.service.metrics.charge(f"t{number}", 1, 2)
        p.service.metrics.charge("t0", 1, 2)
        assert p.value("inferfleet:tenant_prompt_tokens_total", tenant="t0") == 2
        assert p.value("inferfleet:tenant_prompt_tokens_total", tenant="other") == 5


async def test_what_the_engine_counts_is_published_under_its_name():
    async with pod(counted={"vllm:prefix_cache_hits_total": 5.0}) as p:
        assert p.value("vllm:prefix_cache_hits_total") == 5
        p.backend.counted["vllm:prefix_cache_hits_total"] = 8.0
        text = await (await p.client.get("/metrics")).text()
        assert 'vllm:prefix_cache_hits_total{model_name="team/m"} 8.0' in text


async def test_a_model_that_embeds_answers_embeddings_and_nothing_else():
    async with pod(config={"modality": "Embedding"}) as p:
        response = await p.client.post("/v1/embeddings", json={"model": "m", "input": "x"})
        assert response.status == 200
        assert p.value("vllm:prompt_tokens_total") == 7
        assert p.value("vllm:e2e_request_latency_seconds_count") == 1
        assert p.value("vllm:time_to_first_token_seconds_count") == 0
        refused = await p.chat()
        assert refused.status == 404
        assert "modality Text" in (await refused.json())["error"]["message"]


@pytest.mark.parametrize(("text", "arrived"), [("x", 7), ("x" * 48, 12)], ids=["estimated too low", "too high"])
async def test_the_texts_that_arrived_are_never_fewer_tokens_than_those_that_were_embedded(text, arrived):
    async with pod(config={"modality": "Embedding"}) as p:
        for answered in (1, 2):
            await p.client.post("/v1/embeddings", json={"model": "m", "input": text})
            assert p.value("vllm:prompt_tokens_total") == answered * 7
            assert p.value("inferfleet:arrival_prompt_tokens_total") == answered * arrived


@pytest.mark.parametrize(
    ("path", "modality"),
    [("/v1/embeddings", "Embedding"), ("/v1/audio/transcriptions", "Audio"), ("/v1/images/generations", "Image")],
)
async def test_what_a_text_model_cannot_do_says_which_model_could(path, modality):
    async with pod() as p:
        response = await p.client.post(path, data=b"x")
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (404, "unsupported_endpoint")
        assert f"modality {modality}" in error["message"]


@pytest.mark.parametrize("path", ["/v1/audio/translations", "/v1/audio/speech"])
async def test_what_no_engine_does_is_said_to_be_served_nowhere(path):
    async with pod() as p:
        response = await p.client.post(path, data=b"x")
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (404, "unsupported_endpoint")
        assert "no bundled engine of this release translates or speaks" in error["message"]


async def test_an_embedding_is_told_to_come_back_when_the_texts_before_it_are_done():
    async with pod(slots=1, max_queued_tokens=20, config={"modality": "Embedding"}) as p:
        async with p.service.gate.turn(Work(prompt=1, output=0)):
            waiting = asyncio.create_task(embed(p))
            await p.until(running=1, waiting=1)
            refused = await embed(p)
            assert refused.status == 429
            assert refused.headers["Retry-After"] == "6"  # twelve queued prompt tokens at two a second
        assert (await waiting).status == 200


def embed(p):
    return p.client.post("/v1/embeddings", json={"model": "m", "input": "x" * 48})


async def test_adapters_are_listed_as_models_with_their_parent():
    adapters = [{"name": "law", "source": {"uri": "file:///law.gguf"}}]
    async with pod(config={"adapters": adapters}) as p:
        listed = (await (await p.client.get("/v1/models")).json())["data"]
        assert [(model["id"], model["parent"]) for model in listed] == [("team/m", None), ("team/m:law", "team/m")]
        assert (await (await p.client.get("/v1/models/team/m:law")).json())["id"] == "team/m:law"
        assert (await p.client.get("/v1/models/other")).status == 404
        await p.chat(model="law")
        assert p.backend.bodies[0]["lora"] == [{"id": 0, "scale": 1.0}]


async def test_a_refused_schema_names_its_parameter():
    async with pod(refusal={"message": "cannot resolve $ref"}) as p:
        form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": "#/x"}}}
        response = await p.chat(response_format=form)
        error = (await response.json())["error"]
        assert (response.status, error["param"]) == (400, "response_format")


async def test_responses_stream_their_events_and_break_in_their_own_words():
    async with pod(slots=1, dies_at_token=2) as p:
        body = {"model": "m", "input": "hello", "max_output_tokens": 4, "stream": True}
        response = await p.client.post("/v1/responses", json=body)
        named = [line for line in (await response.text()).splitlines() if line.startswith("event: ")]
        assert named[0] == "event: response.created"
        assert named[-1] == "event: error"


async def test_a_storm_of_requests_that_are_left_and_refused_leaves_no_task_and_no_place():
    async with pod(slots=2, max_queued_tokens=60, config=TRUSTED) as p:
        rng, before = random.Random(5), len(asyncio.all_tasks())

        async def one(leaves_after, priority, tokens, stream):
            asked = p.chat({**urgent(priority), "Connection": "close"}, max_tokens=tokens, stream=stream)
            try:
                async with asyncio.timeout(leaves_after):
                    response = await asked
                    await response.read()
                    return response.status
            except TimeoutError:
                return None

        wanted = [
            (rng.choice([0.001, 0.01, 0.05, 5]), rng.randrange(3), rng.choice([1, 9, 40]), rng.random() < 0.5)
            for _ in range(150)
        ]

        async def patient():
            """Comes again until it is taken, so that one is served however slow the machine is."""
            while (status := await one(60, 2, 9, stream=False)) == 429:
                await asyncio.sleep(0.01)
            return status

        statuses = set(await asyncio.gather(patient(), *(one(*each) for each in wanted)))
        assert {200, 429, None} <= statuses <= {200, 429, 504, None}
        await p.until(running=0)
        async with asyncio.timeout(20):
            while p.service.open_requests() or len(asyncio.all_tasks()) > before:
                await asyncio.sleep(0.01)
        assert p.backend.running == 0
