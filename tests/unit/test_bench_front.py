"""What the benchmark of the front reads of answers, from a server that the test writes, and what it makes of them."""

import asyncio

import pytest

from e2e.bench import front, streams
from e2e.bench.front import Pair, Wave, Way

TEXT = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
ROLE = b'data: {"choices":[{"delta":{"role":"assistant","content":null}}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"completion_tokens":%d,"prompt_tokens":7}}\n\ndata: [DONE]\n\n'


async def answered(*blocks, prompts=("x",)):
    """What the client makes of such an answer to each prompt, block by block."""

    async def handle(read, write):
        await read.readuntil(b"\r\n\r\n")
        for block in blocks:
            write.write(block)
            await write.drain()
            await asyncio.sleep(0.01)
        write.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        return await asyncio.to_thread(streams.chat, server.sockets[0].getsockname()[1], prompts, 512)


async def test_tokens_are_those_that_the_engine_counted_and_not_those_asked_for():
    (answer,) = await answered(TEXT, TEXT * 1000, USAGE % 300)
    assert answer.tokens == 300


async def test_a_count_that_is_cut_between_two_blocks_is_read_whole():
    last = USAGE % 4321
    cut = last.index(b"321")
    (answer,) = await answered(TEXT, last[:cut], last[cut:])
    assert answer.tokens == 4321


async def test_a_text_that_is_cut_between_two_blocks_is_seen():
    cut = TEXT.index(b"tent")
    (answer,) = await answered(ROLE + TEXT[:cut], TEXT[cut:] + USAGE % 1)
    assert answer.ttft > 0


async def test_an_answer_that_comes_at_once_is_counted_too():
    (answer,) = await answered(TEXT + TEXT * 1000 + USAGE % 2)
    assert (answer.tokens, answer.ttft > 0) == (2, True)


async def test_every_prompt_has_its_answer():
    assert [answer.tokens for answer in await answered(TEXT, USAGE % 5, prompts=("x", "y", "z"))] == [5, 5, 5]


@pytest.mark.parametrize(("blocks", "lacks"), [((TEXT, TEXT), "no usage"), ((ROLE, USAGE % 3), "no text")])
async def test_an_answer_that_lacks_something_stops_the_measurement(blocks, lacks):
    with pytest.raises(RuntimeError, match=lacks):
        await answered(*blocks)


def test_each_way_is_the_first_of_two_in_turns():
    pod = Way(front=1, engine=2, pid=0)
    assert [pod.in_turns(number) for number in range(2)] == [(2, 1), (1, 2)]


FOUND = [
    Pair(engine=Wave(1000, 0.25, 0.0), front=Wave(1000, 0.5, 0.04)),
    Pair(engine=Wave(1000, 0.2, 0.0), front=Wave(1000, 0.25, 0.05)),
    Pair(engine=Wave(1000, 0.5, 0.0), front=Wave(1000, 0.5, 0.06)),
]


def test_what_passes_is_compared_with_the_engine_within_a_pair():
    assert front.passed(FOUND) == {
        "front_tokens_per_second": 2000.0,
        "front_engine_tokens_per_second": 4000.0,
        "front_throughput_ratio": 0.8,
        "front_core_percent": 12.0,
    }


def test_a_token_costs_what_the_front_spent_on_those_that_passed_it():
    assert front.cost([0.003, 0.001, 0.002], FOUND) == {
        "front_ttft_ms_p50": 2.0,
        "front_core_percent_per_1000_tokens_per_second": 5.0,
    }
