import asyncio
import json
from io import BytesIO

import pytest
from fakes.service import CHAT, events, pod

from inferfleet_runtime.front.server import largest_body
from inferfleet_runtime.front.service import Phase


async def test_an_answer_passes_through_and_is_counted():
    async with pod() as p:
        response = await p.chat()
        assert (await response.json())["choices"][0]["message"]["content"] == " w0 w1 w2 w3"
        assert p.value("vllm:generation_tokens_total") == 4
        assert p.value("vllm:prompt_tokens_total") == 7
        assert p.value("inferfleet:arrival_requests_total") == 1
        assert p.value("vllm:request_generation_tokens_count") == 1


async def test_a_stream_passes_through_without_the_usage_nobody_asked_for():
    async with pod() as p:
        seen = await events(await p.chat(stream=True))
        assert seen[-1] == "[DONE]"
        assert [json.loads(e)["choices"][0]["delta"].get("content") for e in seen[:-1]] == [
            *[f" w{i}" for i in range(4)],
            None,
        ]
        assert p.value("vllm:generation_tokens_total") == 4
        assert p.value("vllm:inter_token_latency_seconds_count") == 3


async def test_a_stream_ends_with_its_usage_when_asked():
    async with pod() as p:
        seen = await events(await p.chat(stream=True, stream_options={"include_usage": True}))
        assert json.loads(seen[-2])["usage"] == {"prompt_tokens": 7, "completion_tokens": 4}


async def test_requests_over_the_slots_wait_and_all_are_answered():
    async with pod(slots=2) as p:
        p.backend.flowing.clear()
        asked = [asyncio.create_task(p.chat(seed=i)) for i in range(5)]
        await p.until(running=2, waiting=3)
        assert (p.value("vllm:num_requests_running"), p.value("vllm:num_requests_waiting")) == (2, 3)
        p.backend.flowing.set()
        assert [r.status for r in await asyncio.gather(*asked)] == [200] * 5
        assert p.value("vllm:request_queue_time_seconds_count") == 5
        assert p.value("vllm:request_inference_time_seconds_count") == 5
        waited, held = (p.value(f"vllm:request_{name}_time_seconds_sum") for name in ("queue", "inference"))
        assert waited + held == pytest.approx(p.value("vllm:e2e_request_latency_seconds_sum"), abs=0.01)


async def test_the_queue_is_first_in_first_out():
    async with pod(slots=1) as p:
        p.backend.flowing.clear()
        asked = []
        for i in range(4):
            asked.append(asyncio.create_task(p.chat(seed=i)))
            await p.until(running=1, waiting=i)
        p.backend.flowing.set()
        await asyncio.gather(*asked)
        assert [body["seed"] for body in p.backend.bodies] == [0, 1, 2, 3]


async def test_over_the_bound_a_request_is_refused_with_the_time_to_come_back():
    async with pod(slots=1, max_queued_tokens=20) as p:
        p.backend.flowing.clear()
        asked = [asyncio.create_task(p.chat(max_tokens=10)) for _ in range(2)]
        await p.until(running=1, waiting=1)
        refused = await p.chat(max_tokens=10)
        assert refused.status == 429
        assert refused.headers["Retry-After"] == "5"  # ten queued output tokens at two a second
        assert (await refused.json())["error"]["type"] == "rate_limit_error"
        assert p.value("inferfleet:rejected_requests_total") == 1
        assert p.value("inferfleet:arrival_requests_total") == 3
        p.backend.flowing.set()
        await asyncio.gather(*asked)


async def test_a_client_that_goes_frees_its_slot():
    async with pod(slots=1) as p:
        p.backend.flowing.clear()
        gone, waits = asyncio.create_task(p.chat()), None
        await p.until(running=1)
        waits = asyncio.create_task(p.chat(seed=2))
        await p.until(running=1, waiting=1)
        gone.cancel()
        await p.until(running=1, waiting=0)
        p.backend.flowing.set()
        assert (await waits).status == 200
        assert p.value("vllm:request_generation_tokens_count") == 1
        assert p.backend.running == 0


async def test_a_client_that_goes_while_it_waits_frees_its_place():
    async with pod(slots=1) as p:
        p.backend.flowing.clear()
        runs = asyncio.create_task(p.chat())
        await p.until(running=1)
        gone = asyncio.create_task(p.chat())
        await p.until(running=1, waiting=1)
        gone.cancel()
        await p.until(running=1, waiting=0)
        p.backend.flowing.set()
        assert (await runs).status == 200
        assert len(p.backend.bodies) == 1


async def test_a_client_that_leaves_its_stream_frees_its_slot():
    async with pod(slots=1) as p:
        response = await p.chat(stream=True, max_tokens=900)
        await response.content.readany()
        response.close()
        await p.until(running=0)
        assert p.backend.running == 0
        assert p.value("vllm:request_success_total", finished_reason="length") == 0


async def test_a_running_stream_shows_in_the_kv_cache_gauge():
    async with pod(slots=1) as p:
        p.backend.flowing.clear()
        asked = asyncio.create_task(p.chat())
        await p.until(running=1)
        assert p.value("vllm:kv_cache_usage_perc") == pytest.approx(5 / 1000)  # five estimated prompt tokens
        assert p.value("inferfleet:kv_cache_tokens") == 1000
        p.backend.flowing.set()
        await asked
        assert p.value("vllm:kv_cache_usage_perc") == 0


async def test_an_engine_that_dies_in_a_stream_is_told_in_the_stream():
    async with pod(dies_at_token=2) as p:
        seen = await events(await p.chat(stream=True))
        assert json.loads(seen[-1])["error"]["type"] == "server_error"
        assert p.value("vllm:generation_tokens_total") == 2
        assert p.value("vllm:request_generation_tokens_count") == 0


async def test_an_engine_that_dies_in_an_answer_is_a_502():
    async with pod(dies_at_token=2) as p:
        response = await p.chat()
        assert response.status == 502
        assert (await response.json())["error"]["type"] == "server_error"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_prompt_over_the_context_is_a_400_of_openais_shape(stream):
    refusal = {"type": "exceed_context_size_error", "n_prompt_tokens": 5000, "message": "..."}
    async with pod(refusal=refusal) as p:
        response = await p.chat(stream=stream)
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", CHAT, 405), ("POST", CHAT, 400)],
)
async def test_http_errors_have_openais_shape_too(method, path, status):
    async with pod() as p:
        response = await p.client.request(method, path, data="{")
        assert response.status == status
        assert (await response.json())["error"]["message"]
        assert p.value("inferfleet:arrival_requests_total") == 0


@pytest.mark.parametrize(
    ("phase", "ready", "chat"),
    [(Phase.STARTING, 503, 503), (Phase.READY, 200, 200), (Phase.DRAINING, 503, 200), (Phase.CLOSED, 503, 503)],
)
async def test_readiness_ends_before_service_does(phase, ready, chat):
    async with pod(phase=phase) as p:
        assert (await p.client.get("/health/ready")).status == ready
        assert (await p.client.get("/health/live")).status == 200
        assert (await p.chat()).status == chat


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.CLOSED])
async def test_a_pod_that_goes_keeps_no_connection(phase):
    async with pod(phase=phase) as p:
        assert (await p.chat()).headers["Connection"] == "close"
        assert "Retry-After" in (await p.chat()).headers or phase is Phase.DRAINING


async def test_a_dead_engine_is_neither_live_nor_ready():
    async with pod(trouble="the engine's process ended with code -9") as p:
        live = await p.client.get("/health/live")
        assert (live.status, await live.text()) == (500, "the engine's process ended with code -9")
        assert (await p.client.get("/health/ready")).status == 503


async def test_capacity_and_slots_are_exported_once_ready():
    async with pod(slots=3) as p:
        text = await (await p.client.get("/metrics")).text()
        assert 'inferfleet:capacity_tokens_per_second{model_name="team/m"} 2.0' in text
        assert 'inferfleet:slots{model_name="team/m"} 3.0' in text


async def test_a_request_is_open_from_its_first_byte():
    async with pod() as p:
        read, write = await asyncio.open_connection(p.client.host, p.client.port)
        write.write(b"POST /v1/completions HTTP/1.1\r\nHost: m\r\nContent-Length: 100\r\n\r\n{")
        async with asyncio.timeout(20):
            while not p.service.open_requests():
                await asyncio.sleep(0.002)
        assert p.service.gate.admission.running == 0
        write.write(b" " * 99)
        assert b"400 Bad Request" in await read.readline()
        async with asyncio.timeout(20):
            while p.service.open_requests():
                await asyncio.sleep(0.002)
        write.close()
        await write.wait_closed()


def large(p, size, **fields):
    """A chat whose body has at least so many bytes."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4, **fields}
    raw = json.dumps(body | {"metadata": {"a": "x" * size}}).encode()
    return p.client.post(CHAT, data=BytesIO(raw), headers={"Content-Type": "application/json"})


async def test_a_body_that_could_not_fit_the_context_is_not_even_read():
    async with pod() as p:
        refused = await large(p, 2**20 + 64 * 1000)
        assert refused.status == 413
        assert p.backend.bodies == []


async def test_a_large_body_within_its_bound_is_answered_and_checked_as_any_other():
    async with pod() as p:
        assert (await large(p, 2**20)).status == 200
        assert (await large(p, 2**20, unheard_of=1)).status == 400


@pytest.mark.parametrize(
    ("modality", "context_tokens", "most"),
    [
        (None, 1000, 2**20 + 64_000),
        ("Text", 1000, 2**20 + 64_000),
        ("Text", 1_000_000, 2**25),
        ("Embedding", 1000, 2**25),
        ("Image", 1000, 2**25),
    ],
)
async def test_the_largest_body_follows_from_the_context_where_it_holds_one_text(modality, context_tokens, most):
    async with pod(config={"contextTokens": context_tokens, "modality": modality}) as p:
        assert largest_body(p.service.config) == most
