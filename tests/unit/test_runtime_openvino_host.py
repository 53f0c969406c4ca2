"""The connection to the process of openvino-genai, against a process without one."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import fakes
import pytest
from waiting import Clock, until

from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.openvino.host import running
from inferfleet_runtime.hosts.openvino.jobs import COMPLETIONS
from inferfleet_runtime.hosts.pulse import Timing

PROCESS = Path(fakes.__path__[0]) / "openvino_process.py"
MORE_THAN_A_PIPE_HOLDS = {"prompt": "x" * 2**20}


@asynccontextmanager
async def loaded(way, clock=None, **timing):
    argv = [sys.executable, "-P", str(PROCESS), way]
    async with running(argv, "team/tiny", clock or Clock(), Timing(heartbeat_every=0.01, **timing)) as host:
        await host.load()
        yield host


async def asked(host, body):
    async with host.post(COMPLETIONS, body) as reply:
        return await reply.read()


async def test_a_request_after_the_end_of_the_output_fails_though_the_process_is_there():
    async with loaded("halved") as host:
        await until(lambda: any(task.done() for task in host._readers))
        assert host.process.returncode is None
        async with asyncio.timeout(60):
            with pytest.raises(BackendError, match="the engine's process ended"):
                await asked(host, {"prompt": "a"})


async def test_a_request_under_way_fails_when_the_process_is_killed():
    async with loaded("well") as host:
        request = asyncio.create_task(asked(host, {"prompt": "a"}))
        await until(lambda: host._orders)
        host.process.kill()
        with pytest.raises(BackendError, match="the engine's process ended"):
            await asyncio.wait_for(request, 60)
        assert not host._orders


async def test_a_process_that_stands_still_is_found_out_though_it_reads_no_heartbeat_and_is_killed_at_once():
    clock = Clock()
    async with asyncio.timeout(120), loaded("well", clock, frozen_after=0.05, stop_within=1000.0) as host:
        os.kill(host.process.pid, signal.SIGSTOP)
        request = asyncio.create_task(asked(host, MORE_THAN_A_PIPE_HOLDS))
        await until(lambda: host._orders)
        clock.time = 1.0  # long before it would count as stalled
        await until(lambda: "does nothing" in host.problem())
    assert host.process.returncode == -signal.SIGKILL
    with pytest.raises(BackendError):
        await asyncio.wait_for(request, 60)


async def test_a_process_that_idles_is_no_problem():
    clock = Clock()
    async with loaded("well", clock) as host:
        clock.time = 1000.0
        await until(lambda: not host.problem())
