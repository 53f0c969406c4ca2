import asyncio
import json
import select
import socket
from contextlib import asynccontextmanager

import hypothesis.strategies as st
import pytest
from hypothesis import given

from inferfleet_runtime.hosts.backend import BackendError, UnsentError
from inferfleet_runtime.hosts.wire import Unchunker, post


def framed(pieces):
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@given(st.lists(st.binary(min_size=1, max_size=20)), st.data())
def test_a_chunked_body_comes_out_however_it_is_cut(pieces, data):
    raw = framed(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    unchunker = Unchunker()
    body = b"".join(unchunker.feed(raw[a:b]) for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True))
    assert (body, unchunker.done) == (b"".join(pieces), True)


def test_a_size_may_have_an_extension():
    assert Unchunker().feed(b"2;name=value\r\nab\r\n") == b"ab"
    assert Unchunker().feed(b"2;name=value\r\nab") == b"ab"


def test_a_chunk_is_passed_on_before_it_is_whole():
    assert Unchunker().feed(b"a\r\n01234") == b"01234"


@asynccontextmanager
async def serving(answer, *, hold=False):
    """A server that answers every request with these bytes; the requests, and an event when a client has gone."""
    requests, gone = [], asyncio.Event()

    async def handle(read, write):
        head = await read.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        requests.append((head, json.loads(await read.readexactly(int(length.split(b":")[1])))))
        write.write(answer)
        if hold:
            await read.read()
            gone.set()
        write.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests, gone


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_stream_comes_as_it_is_sent():
    raw, asked = CHUNKED + framed([b"data: 1\n\n", b"data: 2\n\n"]), {"prompt": "\u00e9"}
    async with serving(raw) as (address, requests, _), post(address, "/v1/completions", asked) as reply:
        assert reply.status == 200
        assert await reply.read() == b"data: 1\n\ndata: 2\n\n"
    ((head, body),) = requests
    assert head.startswith(b"POST /v1/completions HTTP/1.1\r\n")
    assert body == asked


async def test_an_answer_of_known_length_and_its_status():
    raw = b"HTTP/1.1 400 Bad Request\r\ncontent-LENGTH: 4\r\n\r\noops and more"
    async with serving(raw) as (address, *_), post(address, "/x", {}) as reply:
        assert (reply.status, await reply.read()) == (400, b"oops")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 two OK\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab",
        CHUNKED + b"5\r\nab",
        CHUNKED + b"z\r\nab",
        b"\r\n\r\n",
        b"x" * 2**17,
    ],
)
async def test_what_is_cut_or_no_answer_is_an_error_of_the_engine(answer):
    async with serving(answer) as (address, *_):
        with pytest.raises(BackendError):
            async with post(address, "/x", {}) as reply:
                await reply.read()


async def test_nobody_listening_means_that_the_engine_never_got_the_request():
    async with serving(b"") as (address, *_):
        pass
    with pytest.raises(UnsentError):
        async with post(address, "/x", {}):
            pass


async def test_leaving_closes_the_connection():
    async with serving(CHUNKED + b"5\r\nabcde\r\n", hold=True) as (address, _, gone):
        async with post(address, "/x", {}) as reply:
            async for chunk in reply.chunks():
                assert chunk == b"abcde"
                break
        async with asyncio.timeout(20):
            await gone.wait()


async def test_a_request_that_nobody_read_may_be_sent_again():
    """A dying engine's socket may still take a connection, and is closed with what came unread."""

    def take_and_die():
        connection, _ = listener.accept()
        select.select([connection], [], [])
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        dying = asyncio.create_task(asyncio.to_thread(take_and_die))
        with pytest.raises(UnsentError, match="not read"):
            async with post(f"http://127.0.0.1:{listener.getsockname()[1]}", "/x", {}):
                pass
        await dying


async def test_a_request_that_was_read_is_not_sent_again():
    async with serving(b"") as (address, requests, _):
        with pytest.raises(BackendError) as raised:
            async with post(address, "/x", {}):
                pass
    assert len(requests) == 1
    assert not isinstance(raised.value, UnsentError)
