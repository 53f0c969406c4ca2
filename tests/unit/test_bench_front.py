"""What the benchmark of the front reads of an answer, against a server that the test writes."""

import asyncio

import pytest

from e2e.bench import front

TEXT = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"completion_tokens":%d,"prompt_tokens":7}}\n\ndata: [DONE]\n\n'


async def answered(*blocks):
    """What the client makes of such an answer, block by block."""

    async def handle(read, write):
        await read.readuntil(b"\r\n\r\n")
        for block in blocks:
            write.write(block)
            await write.drain()
            await asyncio.sleep(0.01)
        write.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        return await front.ask(server.sockets[0].getsockname()[1], "x", 512)


async def test_tokens_are_those_that_the_engine_counted_and_not_those_asked_for():
    assert (await answered(TEXT, TEXT * 1000, USAGE % 300)).tokens == 300


async def test_a_count_that_is_cut_between_two_blocks_is_read_whole():
    last = USAGE % 4321
    cut = last.index(b"321")
    assert (await answered(TEXT, last[:cut], last[cut:])).tokens == 4321


async def test_an_answer_that_comes_at_once_is_counted_too():
    assert (await answered(TEXT + USAGE % 2)).tokens == 2


@pytest.mark.parametrize(("blocks", "lacks"), [((TEXT, TEXT), "no usage"), ((USAGE % 3,), "no text")])
async def test_an_answer_that_lacks_something_stops_the_measurement(blocks, lacks):
    with pytest.raises(RuntimeError, match=lacks):
        await answered(*blocks)
