import asyncio
import logging
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import fakes
import pytest
from waiting import Clock, until

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.hosts.lines import lines
from inferfleet_runtime.hosts.llama.log import is_own_error
from inferfleet_runtime.hosts.llama.process import figures, running
from inferfleet_runtime.hosts.pulse import Timing, cpu_ticks

PROCESS = Path(fakes.__path__[0]) / "engine_process.py"
QUICK = Timing(heartbeat_every=0.01, frozen_after=50.0, stalled_after=100.0, stop_within=20.0)


@asynccontextmanager
async def engine(way, clock=None, timing=QUICK):
    async with running([sys.executable, "-P", str(PROCESS), way], clock or Clock(), timing) as server:
        yield server


def engine_lines(caplog):
    return [record.line for record in caplog.records if record.msg == "engine log"]


async def test_a_heartbeat_makes_up_for_any_time_that_passed():
    clock = Clock()
    async with engine("well", clock) as server:
        await server.load()
        clock.time = 1000.0
        await until(lambda: not server.problem())


async def test_an_engine_that_stands_still_is_a_problem_until_it_goes_on():
    clock = Clock()
    async with engine("well", clock) as server:
        await server.load()
        pid = server._process.pid
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
        await asyncio.sleep(0.1)  # an answer that was under way
        clock.time = 100.0
        assert server.problem() == ""
        clock.time = 101.0
        assert server.problem() == "the engine's loop has not answered for 101 s"
        os.kill(pid, signal.SIGCONT)
        await until(lambda: not server.problem())


async def test_loading_may_take_longer_than_a_stall():
    clock = Clock()
    async with engine("well", clock) as server:
        clock.time = 1000.0
        assert server.problem() == ""


async def test_lines_longer_than_a_pipe_neither_stop_the_engine_nor_reach_the_log(caplog):
    caplog.set_level(logging.INFO)
    clock = Clock()
    async with engine("loud", clock) as server:
        await server.load()
        clock.time = 1000.0
        await until(lambda: not server.problem())  # it answers only after it could write all
        await until(lambda: "0.00.001.000 E slot is lost" in engine_lines(caplog))
    assert not any("secret" in line for line in engine_lines(caplog))


async def test_half_a_line_of_drafting_is_left_out_with_a_warning(caplog):
    async with engine("garbled") as server:
        await server.load()
        assert await server.drafting() == {"on": True, "tokens": 3}
        assert server.problem() == ""
    assert "something unreadable of its drafting" in caplog.text


async def test_an_engine_that_does_not_end_is_killed():
    async with engine("deaf", timing=Timing(stop_within=0.2)) as server:
        await server.load()
        pid = server._process.pid
    assert not Path(f"/proc/{pid}").exists()


async def test_a_failed_start_ends_with_the_engines_own_words():
    async with engine("broken") as server:
        with pytest.raises(CommandError, match=r"could not load the model: no such tensor \(exit code 3\)"):
            await server.ended()


async def test_a_reader_that_fails_is_told():
    async with engine("well") as server:
        await server.load()
        ended = asyncio.create_task(server.ended())
        await asyncio.sleep(0)
        server._process.stderr.set_exception(ValueError("torn"))
        with pytest.raises(CommandError, match="the watch over the engine failed: ValueError"):
            await ended


def stream(*blocks):
    reader = asyncio.StreamReader()
    for block in blocks:
        reader.feed_data(block)
    reader.feed_eof()
    return reader


async def test_lines_are_cut_but_not_lost():
    source = stream(b"a\nb", b"c\n", b"x" * 500_000 + b"\n", b"d\n\nlast")
    assert [line async for line in lines(source)] == ["a", "bc", "x" * 300 + " [cut]", "d", "", "last"]


@pytest.mark.parametrize(
    ("line", "own"),
    [
        ("0.00.026.581 E srv    send_error: task id = 0, error: failed to parse grammar", True),
        ("/src/ggml/src/ggml.c:123: GGML_ASSERT(n > 0) failed", True),
        ("terminate called after throwing an instance of 'std::bad_alloc'", True),
        ("root ::= secret", False),
        ("WARNING: JSON schema conversion was incomplete: pattern secret is not supported", False),
        ("parse: error parsing grammar: expecting ::= at E secret", False),
        ("", False),
    ],
)
def test_only_errors_in_the_engines_own_words_are_logged(line, own):
    assert is_own_error(line) is own


async def test_an_engine_that_neither_answers_nor_works_is_a_problem_long_before_a_busy_one():
    clock = Clock()
    timing = Timing(heartbeat_every=0.01, frozen_after=0.1, stalled_after=100.0, stop_within=20.0)
    async with engine("well", clock, timing) as server:
        await server.load()
        os.kill(server._process.pid, signal.SIGSTOP)
        clock.time = 5.0
        await until(lambda: server.problem().endswith("s and does nothing"))


def test_cpu_time_is_that_of_the_process():
    before = cpu_ticks(os.getpid())
    while cpu_ticks(os.getpid()) == before:
        sum(range(10_000))
    assert cpu_ticks(2**22 + 1) == 0


def test_the_engines_figures_are_read_from_its_exposition():
    text = '# HELP llamacpp:a x\n# TYPE llamacpp:a counter\nllamacpp:a 1.5e+06\nllamacpp:p{position="0"} 3\nother 1\n'
    assert figures(text) == {"a": 1.5e6}
