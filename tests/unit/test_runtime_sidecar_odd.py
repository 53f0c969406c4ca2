"""The sidecar beside an engine whose answers are odd, and drains that nobody meant: what it believes, look by look."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from fakes.vendor_configs import vendor_config

from inferfleet_runtime.engines.vendors.vllm import VLLM
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.front.bench import known_capacity
from inferfleet_runtime.sidecar import bench
from inferfleet_runtime.sidecar.client import EngineClient, RefusedError
from inferfleet_runtime.sidecar.drain import drain
from inferfleet_runtime.sidecar.health import Timing
from inferfleet_runtime.sidecar.run import keep
from inferfleet_runtime.sidecar.watch import Watch

CONFIG = vendor_config("vllm", device={"kind": "cpu", "quantization": "BF16"}, slots=2, drain_seconds=5)
USAGE = {"prompt_tokens": 1, "completion_tokens": 1}
IDLE = "vllm:num_requests_running 0\nvllm:num_requests_waiting 0\nvllm:generation_tokens_total 7\n"


@dataclass
class Scripted:
    """An engine that answers what a test says, and keeps what it was asked."""

    models: Any = field(default_factory=lambda: [{"id": "default/demo"}])
    answer: Any = field(default_factory=lambda: {"choices": [{}], "usage": USAGE})
    metrics: str = IDLE
    asked: list[dict[str, Any]] = field(default_factory=list)

    def application(self) -> web.Application:
        async def models(_: web.Request) -> web.Response:
            return web.json_response({"data": self.models})

        async def completions(request: web.Request) -> web.Response:
            self.asked.append(await request.json())
            return web.json_response(self.answer)

        async def metrics(_: web.Request) -> web.Response:
            return web.Response(text=self.metrics)

        app = web.Application()
        app.router.add_get("/v1/models", models)
        app.router.add_post("/v1/completions", completions)
        app.router.add_get("/metrics", metrics)
        return app


@dataclass
class Clock:
    """Seconds that a test lets pass; a hundredth goes by with every question."""

    seconds: float = 0.0

    def __call__(self) -> float:
        self.seconds += 0.01
        return self.seconds


@dataclass
class Scene:
    engine: Scripted
    watch: Watch
    clock: Clock


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    engine, clock = Scripted(), Clock()
    runner = web.AppRunner(engine.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as session:
        client = EngineClient(f"http://{host}:{port}", VLLM, session)
        timing = Timing(grace=0.0, poll=0.001)
        yield Scene(engine, Watch(CONFIG, VLLM, client, clock, random.Random(1), timing, tmp_path), clock)
    await runner.cleanup()


async def test_an_engine_that_lists_nothing_is_not_ready_and_keeps_its_sidecar(scene: Scene) -> None:
    scene.engine.models = []
    await scene.watch.look()
    assert (scene.watch.ready, scene.watch.why_not()) == (False, "the engine serves no model")
    scene.engine.models = [{"id": "default/demo"}]
    await scene.watch.look()
    assert scene.watch.ready


async def test_another_model_ends_the_sidecar_only_before_the_right_one_was_served(scene: Scene) -> None:
    scene.engine.models = [{"id": "other"}]
    with pytest.raises(CommandError, match="serves other, not default/demo"):
        await scene.watch.look()
    scene.engine.models = [{"id": "default/demo"}]
    await scene.watch.look()
    scene.engine.models = [{"id": "other"}]
    await scene.watch.look()
    assert (scene.watch.ready, scene.watch.why_not()) == (False, "the engine serves other, not default/demo")


@pytest.mark.parametrize(
    "usage",
    [["x"], "many", {"completion_tokens": "many"}, {"completion_tokens": [1]}, {"completion_tokens": {"n": 1}}, 3],
    ids=str,
)
async def test_a_usage_that_is_none_is_a_refusal_and_no_end(scene: Scene, usage: Any) -> None:
    scene.engine.answer = {"choices": [{}], "usage": usage}
    await scene.watch.look()
    assert not scene.watch.ready
    assert "its usage is none" in scene.watch.why_not()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "a{b=",
        'vllm:time_to_first_token_seconds_bucket{x="1"} 1\nvllm:time_to_first_token_seconds_count 1\n',
        'vllm:time_to_first_token_seconds_bucket{le="x"} 1\nvllm:time_to_first_token_seconds_count 1\n',
        "\0 x",
    ],
)
async def test_series_that_are_none_leave_it_ready(scene: Scene, text: str) -> None:
    scene.engine.metrics = text
    await scene.watch.look()
    assert scene.watch.ready


async def test_tokens_are_asked_for_under_the_name_that_is_listed(scene: Scene) -> None:
    scene.engine.models = [{"id": "adapter"}, {"id": "demo"}]
    await scene.watch.look()
    assert scene.watch.ready
    assert {asked["model"] for asked in scene.engine.asked} == {"demo"}


async def test_a_drain_that_the_kubelet_did_not_ask_for_ends_after_thirty_seconds(scene: Scene) -> None:
    await scene.watch.look()
    assert await drain(scene.watch) == 0
    await scene.watch.look()
    assert scene.watch.why_not() == "draining"
    scene.clock.seconds += 29.0
    await scene.watch.look()
    assert not scene.watch.ready
    scene.clock.seconds += 2.0
    await scene.watch.look()
    assert scene.watch.ready


async def test_a_drain_that_goes_on_is_not_ended_by_one_that_was_over_before(scene: Scene) -> None:
    await scene.watch.look()
    assert await drain(scene.watch) == 0
    with scene.watch.held_back():
        scene.clock.seconds += 60.0
        await scene.watch.look()
        assert scene.watch.draining


@pytest.mark.parametrize(
    "text", ["", "vllm:generation_tokens_total 7\n", IDLE.replace("vllm:num_requests_waiting", "x")]
)
async def test_a_drain_takes_all_its_time_where_the_series_do_not_tell_the_load(scene: Scene, text: str) -> None:
    await scene.watch.look()
    scene.engine.metrics = text
    began = scene.clock.seconds
    assert await drain(scene.watch) == -1
    assert scene.clock.seconds - began >= CONFIG.drain_seconds


async def test_after_one_failure_no_other_request_of_the_benchmark_goes_on() -> None:
    ended: list[str] = []

    async def generate(_: int, __: int, ___: float) -> int:
        if not ended:
            ended.append("refused")
            raise RefusedError("no")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return 1

    with pytest.raises(RefusedError):
        await bench.measure(generate, CONFIG, Clock())
    assert ended == ["refused", "cancelled"]


async def test_a_sidecar_that_begins_anew_finds_what_the_one_before_has_measured(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "tmp" / "capacity.json"
    scene.watch.measured = lambda found: keep(file, CONFIG.slots, found)
    await scene.watch.look()
    assert scene.watch.capacity > 0
    assert known_capacity(file, CONFIG.slots) == scene.watch.capacity


def test_a_capacity_that_cannot_be_kept_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep(tmp_path / "file" / "capacity.json", 2, 10.0)
    assert known_capacity(tmp_path / "file" / "capacity.json", 2) is None
