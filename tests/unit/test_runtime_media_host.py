"""The connection to the process with the pipeline, against a process without one."""

import asyncio
import json
import signal
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.configs import runtime_config
from waiting import until

from inferfleet_runtime.api.media import Generation, Pipeline, Shape
from inferfleet_runtime.engines.pytorch import TorchSettings, precision, torch_settings
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.diffusion.host import command, running_diffusion
from inferfleet_runtime.hosts.diffusion.messages import DIFFUSION
from inferfleet_runtime.hosts.media import messages
from inferfleet_runtime.hosts.media.host import GenerationFailedError, GenerationRefusedError, Timing

FAKE = Path(__file__).parents[1] / "fakes/diffusion_process.py"
ASKED = Generation("house", Shape(64, 64, 2), seed=1)


def nothing(_):
    """Nobody listens to the steps."""


@asynccontextmanager
async def host(way, now=time.monotonic, **timing):
    async with running_diffusion([sys.executable, "-P", str(FAKE), way], now, Timing(**timing)) as running:
        yield running


async def test_a_loaded_pipeline_is_described_and_makes_what_it_is_asked_for():
    steps = []
    async with host("well") as h:
        assert await h.load() == Pipeline("Image", Shape(64, 64, 2), grid=8)
        made = await h.generate(ASKED, steps.append)
        assert (made.content, made.prompt_tokens, steps) == (b"house" * 50_000, 3, [1, 2])


async def test_two_that_are_asked_for_at_once_get_their_own():
    async with host("well") as h:
        await h.load()
        both = await asyncio.gather(*(h.generate(replace(ASKED, prompt=p), nothing) for p in ("a", "b")))
        assert [made.content[:1] for made in both] == [b"a", b"b"]


async def test_a_cancelled_generation_is_stopped_in_the_process_too():
    async with host("slow") as h:
        await h.load()
        begun = asyncio.Event()
        asked = asyncio.create_task(h.generate(ASKED, lambda _: begun.set()))
        await begun.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await until(lambda: not h._orders)
        assert h.problem() == ""


@pytest.mark.parametrize(("way", "error"), [("picky", GenerationRefusedError), ("clumsy", GenerationFailedError)])
async def test_what_the_pipeline_does_not_make_is_raised_and_it_goes_on(way, error):
    async with host(way) as h:
        await h.load()
        for _ in range(2):
            with pytest.raises(error):
                await h.generate(ASKED, nothing)
        assert h.problem() == ""


async def test_a_process_that_cannot_load_says_why():
    async with host("broken") as h:
        with pytest.raises(CommandError, match=r"could not load the model: there is no such file .*code 1"):
            await h.load()


async def test_a_process_that_ends_in_the_middle_fails_the_request_and_is_reported():
    async with host("dying") as h:
        await h.load()
        with pytest.raises(BackendError):
            await h.generate(ASKED, nothing)
        with pytest.raises(CommandError, match="ended with code 9"):
            await h.ended()
        assert "code 9" in h.problem()
        with pytest.raises(BackendError):
            await h.generate(ASKED, nothing)


async def test_a_killed_process_is_reported_by_its_signal():
    async with host("well") as h:
        await h.load()
        h._process.send_signal(signal.SIGKILL)
        with pytest.raises(CommandError, match="SIGKILL, perhaps for want of memory"):
            await h.ended()


async def test_a_process_that_answers_no_ping_is_a_problem():
    clock = [0.0]
    async with host("mute", lambda: clock[0], heartbeat_every=0.01) as h:
        await h.load()
        assert h.problem() == ""
        clock[0] = 61.0
        assert h.problem() == "the engine's process has not answered for 61 s"


async def test_a_step_that_never_ends_is_a_problem_though_the_process_answers():
    clock = [0.0]
    async with host("slow", lambda: clock[0], heartbeat_every=0.01) as h:
        await h.load()
        begun = asyncio.Event()
        asked = asyncio.create_task(h.generate(ASKED, lambda _: begun.set()))
        await begun.wait()
        clock[0] = 3601.0
        await until(lambda: h._heard == 3601.0)
        assert h.problem() == "the engine has been at the same step for 3601 s"
        asked.cancel()
        await asyncio.wait({asked})


async def test_a_process_that_does_not_end_is_killed():
    async with host("deaf", stop_within=0.2) as h:
        await h.load()
    assert h._process.returncode == -signal.SIGKILL


async def test_a_process_that_answers_nothing_is_killed_at_once():
    clock = [0.0]
    async with asyncio.timeout(120), host("mute", lambda: clock[0], stop_within=1000.0) as h:
        await h.load()
        h._process.send_signal(signal.SIGSTOP)
        clock[0] = 61.0
    assert h._process.returncode == -signal.SIGKILL


async def test_only_what_the_process_words_itself_is_logged(caplog):
    caplog.set_level("INFO")
    async with host("loud") as h:
        await h.load()
        await h.generate(replace(ASKED, prompt="secret"), nothing)
        await until(lambda: "engine log" in caplog.text)
    lines = [record.line for record in caplog.records if record.message == "engine log"]
    assert lines == ["E RuntimeError at somewhere"]


def test_messages_survive_the_way():
    asked = Generation("ö", Shape(64, 32, 4, 9, 8.0), 3, "fog", 2.5, "mp4", None)
    assert DIFFUSION.read_asked(json.loads(json.dumps(DIFFUSION.write_asked(asked)[0])), b"") == asked
    pipeline = Pipeline("Video", asked.shape, 32, 8, frozenset({"guidance_scale"}), True)
    assert DIFFUSION.read_facts(json.loads(json.dumps(DIFFUSION.write_facts(pipeline)))) == pipeline
    assert messages.line({"prompt": "two\nlines"}, b"behind").endswith(b'"bytes": 6}\nbehind')
    assert messages.line({"prompt": "two\nlines"}, b"behind").count(b"\n") == 1


@pytest.mark.parametrize(
    ("stored", "device", "computed"),
    [
        ("F32", "cpu", "float32"),
        ("F16", "cpu", "bfloat16"),
        ("F16", "cuda", "float16"),
        ("BF16", "cpu", "bfloat16"),
        ("BF16", "cuda", "bfloat16"),
    ],
)
def test_weights_are_computed_in_as_many_bytes_as_they_are_stored(stored, device, computed):
    assert precision(stored, device) == computed


def test_the_process_is_told_folder_threads_and_device():
    settings = torch_settings(runtime_config(engine="diffusers", threads=3), Path("/model"))
    assert settings == TorchSettings("/model", 3, "cpu")
    cuda = runtime_config(engine="diffusers", device={"kind": "cuda", "quantization": "BF16"})
    assert torch_settings(cuda, Path("/model")).device == "cuda"
    assert json.loads(command(settings)[-1]) == {"folder": "/model", "threads": 3, "device": "cpu"}
