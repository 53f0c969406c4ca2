import asyncio
import json
import logging

import pytest
from fakes.service import CHAT, events, pod
from waiting import until

from inferfleet_runtime.front.service import Phase


async def test_a_lone_surrogate_is_a_400_of_openais_shape():
    async with pod() as p:
        response = await p.client.post(CHAT, data=rb'{"model": "m", "messages": [{"content": "\ud800"}]}')
        assert response.status == 400
        assert "lone surrogate" in (await response.json())["error"]["message"]


@pytest.fixture
def lines(caplog):
    """The fields of the log lines of requests so far."""
    caplog.set_level(logging.INFO)
    return lambda: [vars(record) for record in caplog.records if record.msg == "request"]


SECRET = "xylophone"
SECRET_CHAT = {"messages": [{"role": "user", "content": SECRET}]}


async def test_an_unexpected_error_is_a_500_of_openais_shape_and_logged_without_text(caplog, lines):
    async with pod(breaks_at_token=1) as p:
        response = await p.chat(**SECRET_CHAT)
        assert response.status == 500
        assert (await response.json())["error"]["type"] == "server_error"
    (defect,) = [record for record in caplog.records if record.msg == "unexpected error"]
    assert defect.error == "LookupError"
    assert "fakes/backend.py" in defect.at[-1]
    assert not any(SECRET in str(vars(record)) for record in caplog.records)
    assert [line["outcome"] for line in lines()] == ["failed"]


async def test_an_unexpected_error_in_a_stream_is_told_in_the_stream():
    async with pod(breaks_at_token=2) as p:
        seen = await events(await p.chat(stream=True))
        assert json.loads(seen[-1])["error"]["type"] == "server_error"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("world", "fields", "expected"),
    [
        ({}, {}, ("finished", None, None)),
        ({}, {"model": "other"}, ("refused", 404, "model_not_found")),
        ({"phase": Phase.CLOSED}, {}, ("failed", 503, "server_error")),
        ({"refusal": {"message": "..."}}, {}, ("refused", 400, "invalid_request_error")),
    ],
)
async def test_every_request_is_one_log_line(lines, stream, world, fields, expected):
    async with pod(**world) as p:
        await (await p.chat(stream=stream, **fields)).read()
    (line,) = lines()
    assert (line["outcome"], line.get("status"), line.get("code")) == expected


@pytest.mark.parametrize(("stream", "outcome", "status"), [(True, "engine lost", None), (False, "failed", 502)])
async def test_a_lost_engine_is_one_log_line(lines, stream, outcome, status):
    async with pod(dies_at_token=1) as p:
        await (await p.chat(stream=stream)).read()
    (line,) = lines()
    assert (line["outcome"], line.get("status"), line["prompt_tokens"]) == (outcome, status, 5)


async def test_a_client_that_leaves_at_the_last_event_has_its_whole_answer(lines):
    async with pod() as p:
        p.backend.ending.clear()
        response = await p.chat(stream=True)
        await response.content.readuntil(b"[DONE]\n\n")
        response.close()
        await until(lines)
        assert [line["outcome"] for line in lines()] == ["finished"]
        assert p.value("vllm:request_success_total", finished_reason="length") == 1


async def test_a_client_that_leaves_in_the_middle_has_not(lines):
    async with pod() as p:
        p.backend.flowing.clear()
        response = await p.chat(stream=True)
        response.close()
        await until(lines)
        assert [line["outcome"] for line in lines()] == ["cancelled"]
        assert p.value("vllm:request_success_total", finished_reason="length") == 0


async def test_a_refusal_at_the_door_and_a_client_that_went_are_a_log_line_each(lines):
    async with pod(slots=1, max_queued_tokens=1) as p:
        p.backend.flowing.clear()
        gone = asyncio.create_task(p.chat())
        await p.until(running=1)
        assert (await p.chat()).status == 429
        gone.cancel()
        await p.until(running=0)
    assert [(line["outcome"], line.get("code")) for line in lines()] == [("refused", "queue_full"), ("cancelled", None)]
