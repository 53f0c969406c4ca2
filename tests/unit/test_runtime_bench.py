import asyncio
import random
from dataclasses import dataclass

import pytest
from fakes.backend import FakeBackend
from fakes.configs import runtime_config

from inferfleet_runtime.front.bench import known_capacity, measure
from inferfleet_runtime.hosts.backend import BackendError


@dataclass
class Clocked(FakeBackend):
    """Each step of the whole engine takes a tenth of a second on a clock of its own."""

    time: float = 0.0

    async def step(self, index):
        await super().step(index)
        self.time += 0.1 / self.slots


def config(max_seconds, **changes):
    benchmark = {"promptTokens": 30, "outputTokens": 20, "maxSeconds": max_seconds}
    return runtime_config(**{"slots": 4, "benchmark": benchmark} | changes)


async def measured(backend, max_seconds=0.001):
    return await measure(backend, config(max_seconds), random.Random(1), lambda: backend.time)


async def test_capacity_is_the_tokens_of_all_slots_over_the_time_they_took():
    assert await measured(Clocked(slots=4)) == pytest.approx(40.0)


async def test_one_token_is_generated_before_the_load():
    backend = Clocked(slots=4)
    await measured(backend)
    assert [body["max_tokens"] for body in backend.bodies] == [1, 20, 20, 20, 20]


async def test_waves_repeat_until_the_time_is_up():
    backend = Clocked(slots=4)
    await measured(backend, max_seconds=5.0)  # a wave takes two seconds
    assert len(backend.bodies) == 1 + 3 * 4


async def test_prompts_have_the_classs_length_and_differ():
    backend = Clocked(slots=4)
    await measured(backend)
    prompts = [tuple(body["prompt"]) for body in backend.bodies[1:]]
    assert {len(prompt) for prompt in prompts} == {30}
    assert len(set(prompts)) == 4
    assert all(0 <= token < 100 for prompt in prompts for token in prompt)
    assert all(body["ignore_eos"] and not body["cache_prompt"] for body in backend.bodies)


async def test_a_refusal_of_the_engine_ends_it():
    with pytest.raises(BackendError, match="HTTP 400"):
        await measured(Clocked(slots=4, refusal={"message": "no"}))


async def test_a_request_that_is_cancelled_leaves_the_slots_alone():
    backend = Clocked(slots=4)
    backend.flowing.clear()
    task = asyncio.create_task(measured(backend))
    while not backend.running:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert backend.running == 0


async def test_what_is_known_is_not_measured_but_one_token_is_generated():
    backend = Clocked(slots=4)
    assert await measure(backend, config(1.0), random.Random(1), lambda: backend.time, known=123.0) == 123.0
    assert [body["max_tokens"] for body in backend.bodies] == [1]


async def test_a_model_that_embeds_is_measured_in_prompt_tokens():
    backend = Clocked(slots=4)
    clock = iter(range(100))
    settings = config(0.5, modality="Embedding")
    assert await measure(backend, settings, random.Random(1), lambda: next(clock)) == 4 * 7 / 2
    assert [len(body["input"]) for body in backend.bodies] == [1, 30, 30, 30, 30]


def test_the_known_capacity_is_that_of_the_same_slots(tmp_path):
    file = tmp_path / "capacity.json"
    assert known_capacity(None, 4) is None
    assert known_capacity(file, 4) is None
    file.write_text('{"tokensPerSecond": 55.5, "slots": 4}')
    assert known_capacity(file, 4) == 55.5
    assert known_capacity(file, 8) is None


@pytest.mark.parametrize("text", ["", "{", '{"slots": 4}', '{"tokensPerSecond": 0, "slots": 4}'])
def test_a_known_capacity_that_cannot_be_read_is_measured(tmp_path, text):
    file = tmp_path / "capacity.json"
    file.write_text(text)
    assert known_capacity(file, 4) is None
