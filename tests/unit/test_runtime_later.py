"""Requests that may wait: they go after the others, are counted apart, and their times are nobody's measure."""

import asyncio

import pytest
from fakes.configs import runtime_config
from fakes.diffusion import PICTURES, media_pod
from fakes.service import events, pod
from hypothesis import given
from hypothesis import strategies as st

from inferfleet.scaling.signal import parse
from inferfleet_runtime.api.caller import Caller, caller
from inferfleet_runtime.api.calls import limits
from inferfleet_runtime.api.requests import parse as parse_request
from inferfleet_runtime.api.work import Work
from inferfleet_runtime.contract import HEADER_PRIORITY, Requests
from inferfleet_runtime.front.admission import Admission

TRUSTED = {"requests": {"trustedHeaders": True, "priority": 5}}
LOWER = {HEADER_PRIORITY: "1"}
TIMES = (
    "vllm:time_to_first_token_seconds",
    "vllm:inter_token_latency_seconds",
    "vllm:request_time_per_output_token_seconds",
    "vllm:e2e_request_latency_seconds",
    "vllm:request_queue_time_seconds",
    "vllm:request_inference_time_seconds",
)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
def test_a_request_says_by_openais_tier_that_it_may_wait(path):
    words = {"/v1/completions": {"prompt": "x"}, "/v1/responses": {"input": "x"}}
    body = {"model": "m", **words.get(path, {"messages": [{"role": "user", "content": "x"}]})}
    known = limits(runtime_config())
    tiers = ("flex", "auto", "default", "priority", None, 7)
    assert [parse_request(body | {"service_tier": t}, path, known).flexible for t in tiers] == [True] + [False] * 5


def test_who_may_wait_goes_after_his_class_whatever_its_priority():
    who = caller({}, Requests(priority=-3)).waiting_for_others(Requests(priority=-3))
    assert (who.priority, who.later) == (-4, True)
    assert Caller(priority=-9).waiting_for_others(Requests(priority=-3)).priority == -9


def test_a_gateway_says_by_a_lower_priority_that_a_request_may_wait_and_nobody_else_does():
    known = Requests(trusted_headers=True, priority=5)
    assert [caller({HEADER_PRIORITY: p}, known).later for p in ("4", "5", "6")] == [True, False, False]
    assert not caller({HEADER_PRIORITY: "4"}, Requests(priority=5)).later


async def test_what_may_wait_goes_after_what_came_later():
    async with pod(slots=1) as p:
        p.backend.flowing.clear()
        asked = [asyncio.create_task(p.chat(seed=0))]
        await p.until(running=1)
        for number, tier in enumerate(["flex", "auto", "flex", "auto"], start=1):
            asked.append(asyncio.create_task(p.chat(seed=number, service_tier=tier)))
            await p.until(running=1, waiting=number)
        assert p.value("inferfleet:later_requests_waiting") == 2
        p.backend.flowing.set()
        await asyncio.gather(*asked)
        assert [body["seed"] for body in p.backend.bodies] == [0, 2, 4, 1, 3]
        assert p.value("inferfleet:later_requests_waiting") == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_it_is_counted_among_all_and_apart_and_in_no_times(stream):
    async with pod() as p:
        await (await p.chat(service_tier="flex", stream=stream)).read()
        assert p.value("inferfleet:arrival_requests_total") == p.value("inferfleet:later_arrival_requests_total") == 1
        prompts = p.value("inferfleet:later_arrival_prompt_tokens_total")
        assert prompts == p.value("inferfleet:arrival_prompt_tokens_total") >= 7
        assert p.value("inferfleet:later_finished_requests_total") == 1
        assert p.value("inferfleet:later_finished_generation_tokens_total") == 4
        assert p.value("vllm:generation_tokens_total") == p.value("vllm:request_generation_tokens_sum") == 4
        assert [p.value(f"{name}_count") for name in TIMES] == [0] * len(TIMES)
        await (await p.chat(stream=stream)).read()
        assert p.value("inferfleet:later_finished_requests_total") == 1
        assert all(p.value(f"{name}_count") >= 1 for name in TIMES)


async def test_a_full_queue_refuses_it_first_and_counts_it_as_come():
    async with pod(slots=1, max_queued_tokens=10) as p:
        p.backend.flowing.clear()
        first = asyncio.create_task(p.chat())
        await p.until(running=1)
        patient = asyncio.create_task(p.chat(service_tier="flex"))
        await p.until(running=1, waiting=1)
        urgent = asyncio.create_task(p.chat())
        assert (await patient).status == 429
        assert (await p.chat(service_tier="flex")).status == 429
        assert p.value("inferfleet:later_arrival_requests_total") == 2
        p.backend.flowing.set()
        assert [(await r).status for r in (first, urgent)] == [200, 200]


async def test_the_operator_reads_who_may_wait():
    async with pod(slots=1, config=TRUSTED) as p:
        await (await p.chat(LOWER)).read()
        p.backend.flowing.clear()
        asked = [asyncio.create_task(p.chat(headers)) for headers in ({}, LOWER, LOWER)]
        await p.until(running=1, waiting=2)
        seen = parse(await (await p.client.get("/metrics")).read(), 1.0)
        assert (seen.arrivals, seen.later_arrivals) == (4, 3)
        assert (seen.waiting, seen.later_waiting) == (2, 2)
        assert (seen.later_finished, seen.later_finished_tokens) == (1, 4)
        assert 0 < seen.later_arrived < seen.arrived
        p.backend.flowing.set()
        await asyncio.gather(*asked)


async def test_a_stream_that_may_wait_reads_like_any_other():
    async with pod() as p:
        assert len(await events(await p.chat(stream=True, service_tier="flex"))) == len(
            await events(await p.chat(stream=True))
        )


async def test_pictures_that_may_wait_are_no_seconds_for_which_replicas_are_held_ready(tmp_path):
    async with media_pod(tmp_path, PICTURES, **TRUSTED) as p:
        p.maker.flowing.clear()
        asked = [asyncio.create_task(p.draw(headers)) for headers in ({}, LOWER)]
        await p.until(running=1, waiting=1)
        assert p.value("inferfleet:arrival_work_seconds_total") == pytest.approx(40.96)
        assert p.value("inferfleet:queued_work_seconds") == 0
        assert p.value("inferfleet:later_requests_waiting") == 1
        p.maker.flowing.set()
        await asyncio.gather(*asked)
        assert p.value("inferfleet:later_finished_generation_tokens_total") == pytest.approx(1)
        assert p.value("vllm:request_inference_time_seconds_count") == 1


@given(st.lists(st.integers(-3, 3), max_size=12), st.integers(-3, 4))
def test_the_queue_knows_how_many_and_how_much_is_below_a_priority(waiting, bound):
    admission = Admission(1, 10_000)
    admission.offer("first", Work(1, 1))
    for number, priority in enumerate(waiting):
        admission.offer(number, Work(1, 10), priority)
    assert admission.waiting_below(bound) == sum(p < bound for p in waiting)
    assert admission.queued_output_tokens(bound) == 10 * sum(p >= bound for p in waiting)
    assert admission.queued_output_tokens() == 10 * len(waiting)
