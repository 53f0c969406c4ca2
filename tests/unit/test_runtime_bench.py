import asyncio
import random
from dataclasses import dataclass

import pytest
from fakes.backend import FakeBackend

from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.front.bench import measure
from inferfleet_runtime.hosts.backend import BackendError


@dataclass
class Clocked(FakeBackend):
    """Each step of the whole engine takes a tenth of a second on a clock of its own."""

    time: float = 0.0

    async def step(self, index):
        await super().step(index)
        self.time += 0.1 / self.slots


def config(max_seconds):
    return RuntimeConfig.model_validate(
        {
            "servedModelName": "team/m",
            "workloadClass": "chat",
            "engine": "llama-cpp",
            "source": {"uri": "file:///m.gguf"},
            "slots": 4,
            "contextTokens": 1000,
            "threads": 1,
            "admission": {"maxQueuedTokens": 1000},
            "benchmark": {"promptTokens": 30, "outputTokens": 20, "maxSeconds": max_seconds},
            "drainSeconds": 5,
        }
    )


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
