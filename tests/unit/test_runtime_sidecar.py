"""The sidecar beside an engine that is a process of its own, and misbehaves as vendors' engines do."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.vendor_configs import vendor_config
from fakes.vendor_engine import QUICK, ROOT, Beside, StandIn, beside, note, stand_in
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families

from inferfleet.scaling.signal import parse
from inferfleet_runtime.contract import Metric, RuntimeConfig
from inferfleet_runtime.errors import CommandError

CPU = {"kind": "cpu", "quantization": "BF16"}


def config(**changes: Any) -> RuntimeConfig:
    return vendor_config("vllm", **({"device": CPU, "slots": 2, "drain_seconds": 20} | changes))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[StandIn]:
    async with stand_in(config(), tmp_path, free_port()) as running:
        yield running


@pytest.fixture
async def pair(engine: StandIn, tmp_path: Path) -> AsyncIterator[tuple[StandIn, Beside]]:
    """An engine and a sidecar that found it well."""
    async with beside(config(), tmp_path, engine.url, free_port()) as sidecar:
        await sidecar.until("/health/ready", 200)
        yield engine, sidecar


def values(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


async def test_it_is_ready_after_a_real_token_with_its_capacity_measured(pair: tuple[StandIn, Beside]) -> None:
    _, sidecar = pair
    status, text = await sidecar.get("/metrics")
    assert status == 200
    sample = parse(text.encode(), 1.0)  # the scaler's own eyes
    assert sample.slots == 2
    # two slots of at most 200 tokens per second each
    assert 0 < sample.capacity < 400


async def test_its_own_requests_are_no_traffic(pair: tuple[StandIn, Beside]) -> None:
    engine, sidecar = pair
    own = sidecar.watch.own.requests
    while sidecar.watch.own.requests < own + 3 or sidecar.watch.own.running:  # looks at an idle engine, a token each
        await asyncio.sleep(0.005)
    sample = parse((await sidecar.get("/metrics"))[1].encode(), 1.0)
    assert (sample.arrivals, sample.generated, sample.finished, sample.finished_tokens) == (0, 0, 0, 0)
    await engine.generate(7)
    sample = parse((await sidecar.get("/metrics"))[1].encode(), 2.0)
    assert (sample.arrivals, sample.generated, sample.finished, sample.finished_tokens) == (1, 7, 1, 7)


async def test_series_have_the_canonical_names_and_the_models(pair: tuple[StandIn, Beside]) -> None:
    engine, sidecar = pair
    await engine.generate(3)
    text = (await sidecar.get("/metrics"))[1]
    found = values(text)
    for name in (Metric.TTFT, Metric.INTER_TOKEN_LATENCY, Metric.E2E_LATENCY, Metric.QUEUE_TIME):
        assert found[f"{name}_count"] > 0, name
    assert 'model_name="default/demo"' in text
    assert found["inferfleet:engine_metrics_readable"] == 1


async def test_health_that_lies_convinces_nobody(tmp_path: Path) -> None:
    slow = {"STAND_IN_FAULTS": "lying-health,loading"}
    async with (
        stand_in(config(), tmp_path, free_port(), **slow) as engine,
        beside(config(), tmp_path, engine.url, free_port()) as sidecar,
    ):
        while True:  # it says that it is well, with nothing loaded
            try:
                async with engine.session.get(f"{engine.url}/health") as response:
                    assert response.status == 200
                    break
            except OSError:
                await asyncio.sleep(0.02)
        assert (await sidecar.get("/health/ready"))[0] == 503
        assert (await sidecar.get("/health/started"))[0] == 503
        assert (await sidecar.get("/health/live"))[0] == 200  # one that starts is left alone
        await engine.order(remove=("loading",))
        await sidecar.until("/health/ready", 200)
        assert (await sidecar.get("/health/started"))[0] == 200


async def test_another_model_ends_the_sidecar_with_words(tmp_path: Path) -> None:
    async with (
        stand_in(config(), tmp_path, free_port(), STAND_IN_FAULTS="wrong-model") as engine,
        beside(config(), tmp_path, engine.url, free_port()) as sidecar,
    ):
        with pytest.raises(CommandError, match="the engine serves some/other-model, not default/demo"):
            await asyncio.wait_for(sidecar.watching, 20)
        assert (await sidecar.get("/health/ready"))[0] == 503


async def test_a_hung_engine_is_unready_at_once_and_to_be_restarted_after_a_bounded_time(
    pair: tuple[StandIn, Beside],
) -> None:
    engine, sidecar = pair
    await engine.order(add=("hung",))
    async with engine.session.get(f"{engine.url}/health") as response:
        assert response.status == 200  # it says nothing of it
    told = await sidecar.until("/health/ready", 503)
    assert "no answer" in told
    await sidecar.until("/health/live", 503)
    await engine.order(remove=("hung",))
    await sidecar.until("/health/ready", 200)
    assert (await sidecar.get("/health/live"))[0] == 200


async def test_an_engine_that_was_killed_starts_anew_under_the_budget_of_a_start(
    pair: tuple[StandIn, Beside], tmp_path: Path
) -> None:
    engine, sidecar = pair
    capacity = sidecar.watch.capacity
    await engine.kill()
    assert "cannot be reached" in await sidecar.until("/health/ready", 503)
    await sidecar.until("/health/started", 503)
    await asyncio.sleep(QUICK.hung_after + 0.2)
    assert (await sidecar.get("/health/live"))[0] == 200
    port = int(engine.url.rpartition(":")[2])
    async with stand_in(config(), tmp_path, port):
        await sidecar.until("/health/ready", 200)
        assert sidecar.watch.capacity == capacity  # measured once
        assert parse((await sidecar.get("/metrics"))[1].encode(), 1.0).generated == 0


async def test_a_hung_engine_is_not_drained_and_another_one_in_its_place_is_ready_again(
    pair: tuple[StandIn, Beside], tmp_path: Path
) -> None:
    engine, sidecar = pair
    await engine.order(add=("hung",))
    await sidecar.until("/health/live", 503)
    # the kubelet calls it before it restarts a container, too
    assert json.loads((await sidecar.get("/drain"))[1]) == {"open": -1}
    await engine.kill()
    async with stand_in(config(), tmp_path, int(engine.url.rpartition(":")[2])):
        await sidecar.until("/health/ready", 200)


async def test_an_engine_that_ended_after_its_drain_and_came_back_is_ready_again(
    pair: tuple[StandIn, Beside], tmp_path: Path
) -> None:
    engine, sidecar = pair
    assert json.loads((await sidecar.get("/drain"))[1]) == {"open": 0}
    assert (await sidecar.get("/health/ready"))[0] == 503
    await engine.kill()
    async with stand_in(config(), tmp_path, int(engine.url.rpartition(":")[2])):
        await sidecar.until("/health/ready", 200)


async def test_without_series_there_are_none_rather_than_zeros(pair: tuple[StandIn, Beside]) -> None:
    engine, sidecar = pair
    await engine.order(add=("no-metrics",))
    status, text = await sidecar.get("/metrics")
    assert status == 200
    assert values(text)["inferfleet:engine_metrics_readable"] == 0
    with pytest.raises(ValueError, match="metrics without"):
        parse(text.encode(), 1.0)
    await asyncio.sleep(0.3)
    assert (await sidecar.get("/health/ready"))[0] == 200  # it still serves
    await engine.order(remove=("no-metrics",))
    assert parse((await sidecar.get("/metrics"))[1].encode(), 2.0).running == 0


async def test_a_drain_waits_for_the_last_token_and_loses_none(pair: tuple[StandIn, Beside]) -> None:
    engine, sidecar = pair
    streams = [asyncio.create_task(engine.generate(100)) for _ in range(3)]  # one of them waits for a slot
    await asyncio.sleep(0.2)
    draining = asyncio.create_task(sidecar.get("/drain"))
    await sidecar.until("/health/ready", 503)
    assert not any(stream.done() for stream in streams)
    status, text = await draining
    assert (status, json.loads(text)) == (200, {"open": 0})
    found = await asyncio.gather(*streams)
    assert [answer["usage"]["completion_tokens"] for answer in found] == [100, 100, 100]


async def test_a_drain_ends_with_its_time_whatever_is_open(tmp_path: Path) -> None:
    short = config(drain_seconds=1)
    async with (
        stand_in(short, tmp_path, free_port()) as engine,
        beside(short, tmp_path, engine.url, free_port()) as sidecar,
    ):
        await sidecar.until("/health/ready", 200)
        endless = asyncio.create_task(engine.generate(100_000))
        await asyncio.sleep(0.2)
        assert json.loads((await sidecar.get("/drain"))[1]) == {"open": 1}
        endless.cancel()


async def test_adapters_are_loaded_under_both_names_and_again_by_an_engine_that_began_anew(tmp_path: Path) -> None:
    adapted = config(adapters=[{"name": "sql", "source": {"uri": "hf://a/b"}}])
    port = free_port()
    async with (
        stand_in(adapted, tmp_path, port) as engine,
        beside(adapted, tmp_path, engine.url, free_port()) as sidecar,
    ):
        await sidecar.until("/health/ready", 200)
        for name in ("sql", "default/demo:sql"):
            assert (await engine.generate(1, name))["usage"]["completion_tokens"] == 1
        await engine.kill()
        await sidecar.until("/health/ready", 503)
        async with stand_in(adapted, tmp_path, port) as again:
            await sidecar.until("/health/ready", 200)
            assert (await again.generate(1, "sql"))["usage"]["completion_tokens"] == 1


async def test_a_busy_engine_is_asked_for_no_tokens_and_stays_ready(engine: StandIn, tmp_path: Path) -> None:
    patient = replace(QUICK, interval=0.2, timeout=30.0)
    async with beside(config(), tmp_path, engine.url, free_port(), patient) as sidecar:
        await sidecar.until("/health/ready", 200)
        busy = [asyncio.create_task(engine.generate(200)) for _ in range(4)]  # both slots, twice
        await asyncio.sleep(0.2)
        before, statuses = sidecar.watch.own.requests, set()
        while not busy[0].done():
            statuses.add((await sidecar.get("/health/ready"))[0])
            await asyncio.sleep(0.05)
        assert statuses == {200}
        assert sidecar.watch.own.requests - before <= 1
        await asyncio.gather(*busy)


async def _command(root: Path, given: RuntimeConfig, engine_url: str, port: int) -> asyncio.subprocess.Process:
    folder = root / "etc" / "inferfleet"
    folder.mkdir(parents=True, exist_ok=True)
    text = given.model_dump_json(by_alias=True, exclude_none=True)
    (folder / "runtime.json").write_text(text)
    words = ["sidecar", "--root", str(root), "--port", str(port), "--engine-url", engine_url]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "inferfleet_runtime", *words, stderr=asyncio.subprocess.PIPE, cwd=ROOT, env=os.environ
    )


async def test_the_command_refuses_weights_that_were_not_fetched_for_it(tmp_path: Path) -> None:
    note(tmp_path, config(source={"uri": "hf://organization/another"}))
    process = await _command(tmp_path, config(), "http://127.0.0.1:1", free_port())
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"was fetched from hf://organization/another, not from hf://organization/repository" in said


@pytest.mark.parametrize("file", ["etc/inferfleet/capacity.json", "tmp/inferfleet-capacity.json"])
async def test_the_command_skips_the_measurement_where_the_capacity_is_known_and_ends_at_sigterm(
    tmp_path: Path, file: str
) -> None:
    note(tmp_path, config())
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text('{"tokensPerSecond": 123.5, "slots": 2}')
    async with stand_in(config(), tmp_path, free_port()) as engine:
        port = free_port()
        process = await _command(tmp_path, config(), engine.url, port)
        try:
            text, until = "", time.monotonic() + 30
            while "capacity_tokens_per_second{" not in text or "vllm:" not in text:
                assert time.monotonic() < until, text
                try:
                    async with engine.session.get(f"http://127.0.0.1:{port}/metrics") as response:
                        text = await response.text()
                except OSError:
                    await asyncio.sleep(0.05)
            assert parse(text.encode(), 1.0).capacity == 123.5
        finally:
            process.terminate()
            _, said = await process.communicate()
    assert process.returncode == 0, said
    assert b"capacity measured" not in said
