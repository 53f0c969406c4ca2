import asyncio
import base64
import re
from pathlib import Path

import pytest
from fakes.configs import runtime_config
from fakes.diffusion import PICTURES, PROMPT_TOKENS, VIDEOS, FakeMaker, media_pod
from fakes.stepping import FAILURES, PROMPT
from hypothesis import given
from hypothesis import strategies as st

from inferfleet.scaling.signal import parse
from inferfleet_runtime import contract
from inferfleet_runtime.api.media import Pipeline, Shape
from inferfleet_runtime.config import ConfigError
from inferfleet_runtime.front.media_serve import measure, media_limits, routes
from inferfleet_runtime.front.pace import MEMORY, Pace
from inferfleet_runtime.front.service import Phase


async def test_a_picture_is_made_answered_and_counted(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        answer = await (await p.draw(seed=7, n=2)).json()
        assert [base64.b64decode(d["b64_json"]) for d in answer["data"]] == [
            b"png of a house by 7",
            b"png of a house by 8",
        ]
        assert answer["usage"]["input_tokens"] == PROMPT_TOKENS
        assert p.value("inferfleet:images_total") == 2
        assert p.value("inferfleet:diffusion_steps_total") == 40
        assert p.value("vllm:generation_tokens_total") == pytest.approx(2)
        assert p.value("vllm:prompt_tokens_total") == PROMPT_TOKENS
        assert p.value("vllm:request_success_total", finished_reason="stop") == 1
        assert p.value("vllm:e2e_request_latency_seconds_count") == 1


async def test_a_request_without_a_seed_gets_one_and_is_told_it(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        assert (await (await p.draw()).json())["data"][0]["seed"] == 42


async def test_requests_wait_for_each_other_and_a_full_queue_is_429(tmp_path):
    async with media_pod(tmp_path, PICTURES, max_queued_tokens=5000) as p:
        p.maker.flowing.clear()
        asked = [asyncio.create_task(p.draw()) for _ in range(2)]
        await p.until(running=1, waiting=1)
        refused = await p.draw()
        assert (refused.status, (await refused.json())["error"]["code"]) == (429, "queue_full")
        # 4096 tokens wait, and 100 a second were measured
        assert refused.headers["Retry-After"] == "41"
        assert p.value("inferfleet:rejected_requests_total") == 1
        p.maker.flowing.set()
        assert [(await response).status for response in asked] == [200, 200]


async def test_a_picture_of_half_the_steps_counts_as_half_a_picture(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        await p.draw(n=3, num_inference_steps=10)
        assert p.value("vllm:generation_tokens_total") == pytest.approx(1.5)
        assert p.value("vllm:request_generation_tokens_sum") == pytest.approx(1.5)


async def test_seconds_of_the_engine_are_counted_as_they_arrive_and_wait(tmp_path):
    async with media_pod(tmp_path, PICTURES, max_queued_tokens=9000) as p:
        p.maker.flowing.clear()
        asked = [asyncio.create_task(p.draw(num_inference_steps=steps)) for steps in (20, 40)]
        await p.until(running=1, waiting=1)
        await p.draw(n=3)  # is refused
        # 100 image tokens a second were measured, and a picture has 4096
        assert p.value("inferfleet:queued_work_seconds") == pytest.approx(2 * 40.96)
        assert p.value("inferfleet:arrival_work_seconds_total") == pytest.approx((1 + 2 + 3) * 40.96)
        p.maker.flowing.set()
        await asyncio.gather(*asked)
        assert p.value("inferfleet:queued_work_seconds") == 0
        assert p.value("vllm:request_inference_time_seconds_count") == 2


async def test_what_was_made_tells_how_long_the_next_will_take(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        await p.draw()
        before = p.value("inferfleet:arrival_work_seconds_total")
        p.maker.flowing.clear()
        asked = asyncio.create_task(p.draw())
        await p.until(running=1)
        assert p.value("inferfleet:arrival_work_seconds_total") - before == pytest.approx(
            p.value("vllm:request_inference_time_seconds_sum")
        )
        p.maker.flowing.set()
        await asked


async def test_the_operator_reads_these_seconds(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        await p.draw()
        p.maker.flowing.clear()
        asked = [asyncio.create_task(p.draw()) for _ in range(2)]
        await p.until(running=1, waiting=1)
        seen = parse(await (await p.client.get("/metrics")).read(), 1.0)
        assert (seen.arrivals, seen.finished, seen.finished_tokens, seen.slots) == (3, 1, 1, 1)
        assert seen.inference_seconds == pytest.approx(seen.queued_work)
        assert seen.work == pytest.approx(40.96 + 2 * seen.queued_work)
        p.maker.flowing.set()
        await asyncio.gather(*asked)


async def test_a_picture_that_fails_teaches_no_pace(tmp_path):
    async with media_pod(tmp_path, PICTURES, maker=FakeMaker(error=FAILURES[0][0])) as p:
        await p.draw()
        assert p.media.pace == Pace()
        assert p.value("vllm:request_inference_time_seconds_count") == 0


async def test_the_capacity_that_is_told_is_of_usual_pictures(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        p.media.ready(0.25)
        assert p.value("inferfleet:capacity_tokens_per_second") == 0.25
        assert p.media.service.capacity == 0.25 * 4096


async def test_a_client_that_goes_stops_its_picture(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        p.maker.flowing.clear()
        asked = asyncio.create_task(p.draw())
        await p.until(running=1)
        asked.cancel()
        await p.until(running=0)
        assert not p.maker.busy
        assert p.media.service.open_requests() == 0


@pytest.mark.parametrize(("error", "status", "code"), FAILURES)
async def test_what_goes_wrong_is_told_in_openais_shape(tmp_path, caplog, error, status, code):
    async with media_pod(tmp_path, PICTURES, maker=FakeMaker(error=error)) as p:
        response = await p.draw(prompt=PROMPT)
        assert (response.status, (await response.json())["error"]["code"]) == (status, code)
        assert p.value("vllm:num_requests_running") == 0
    assert PROMPT not in caplog.text


async def test_a_deadline_ends_what_runs_and_what_waits(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        p.maker.flowing.clear()
        hurry = {contract.HEADER_TIMEOUT: "0.05"}
        for response in await asyncio.gather(p.draw(headers=hurry), p.draw(headers=hurry)):
            assert (response.status, (await response.json())["error"]["code"]) == (504, "deadline_exceeded")
        await p.until(running=0)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"null"])
async def test_a_body_that_is_no_request_is_400(tmp_path, body):
    async with media_pod(tmp_path, PICTURES) as p:
        response = await p.client.post(
            "/v1/images/generations", data=body, headers={"Content-Type": "application/json"}
        )
        assert response.status == 400
        assert "error" in await response.json()


async def test_nothing_is_taken_before_the_model_is_loaded(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        p.media.service.phase = Phase.STARTING
        response = await p.draw()
        assert (response.status, response.headers["Retry-After"]) == (503, "5")


async def test_health_is_that_of_the_engine(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        assert (await p.client.get("/health/ready")).status == 200
        p.maker.trouble = "it hangs"
        assert (await p.client.get("/health/ready")).status == 503
        assert (await p.client.get("/health/live")).status == 500


async def test_endpoints_of_other_modalities_say_what_is_served(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        for path in ("/v1/videos", "/v1/chat/completions"):
            response = await p.client.post(path, json={})
            assert (response.status, (await response.json())["error"]["code"]) == (404, "unsupported_endpoint")


async def test_text_is_no_modality_of_the_engine(tmp_path):
    async with media_pod(tmp_path, PICTURES) as p:
        service = p.media.service
        service.config = service.config.model_copy(update={"modality": "Text"})
        with pytest.raises(ConfigError, match="Image and Video"):
            routes(p.media)


def test_the_pod_by_hand_of_the_documentation_is_configured_right():
    page = (Path(__file__).parents[2] / "docs/media.md").read_text()
    (shown,) = re.findall(r"runtime\.json: \|\n((?:    .*\n)+?)---", page)
    parsed = contract.RuntimeConfig.model_validate_json(shown)
    assert (parsed.engine, parsed.modality) == ("diffusers", "Image")


def config(**media):
    return runtime_config(engine="diffusers", modality="Video", media=media)


def test_the_classs_request_is_the_usual_one_on_the_models_grid():
    limit = media_limits(config(width=500, height=20, steps=7), VIDEOS)
    assert limit.usual == Shape(512, 32, 7, 17, 8.0)
    assert media_limits(config(frames=33, framesPerSecond=24), VIDEOS).usual == Shape(512, 256, 20, 33, 24.0)
    assert media_limits(config(frames=33), PICTURES).usual == PICTURES.usual


class SteadyMaker(FakeMaker):
    """Two seconds before the first step, one for each, three after the last; `at` is the time."""

    at = 0.0

    async def generate(self, asked, on_step):
        self.asked.append(asked)
        self.at += 2.0
        for step in range(asked.shape.steps):
            self.at += 1.0
            on_step(step + 1)
        self.at += 3.0


async def test_capacity_is_that_of_the_usual_steps_measured_with_few():
    maker = SteadyMaker()
    limit = media_limits(config(), VIDEOS)
    measured = await measure(maker, limit, 3, lambda: maker.at)
    assert [asked.shape.steps for asked in maker.asked] == [3]
    assert measured == pytest.approx(1 / (2 + 20 + 3))


async def test_capacity_of_a_model_of_one_step_is_what_it_took():
    maker = SteadyMaker()
    one = Pipeline("Image", Shape(64, 64, 1), grid=8)
    assert await measure(maker, media_limits(config(), one), 3, lambda: maker.at) == pytest.approx(1 / 6)


@given(st.lists(st.tuples(st.floats(0.1, 1e3), st.floats(1, 1e6)), min_size=1))
def test_a_pace_is_one_of_those_that_were_seen(done):
    pace = Pace()
    for seconds, work in done:
        pace = pace.after(seconds, work)
    rates = [seconds / work for seconds, work in done]
    assert min(rates) * (1 - 1e-9) <= pace.seconds_of(1.0, capacity=1e9) <= max(rates) * (1 + 1e-9)


def test_a_pace_that_changed_is_known_after_some_requests():
    pace = Pace()
    for seconds in [1.0] * 100 + [2.0] * round(3 * MEMORY):
        pace = pace.after(seconds, 10.0)
    assert pace.seconds_of(10.0, capacity=1.0) == pytest.approx(2.0, rel=0.06)
    assert Pace().seconds_of(10.0, capacity=0.0) == 0
