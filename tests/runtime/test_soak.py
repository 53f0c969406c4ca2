"""A thousand requests, most of them unpleasant, leave a pod as it was."""

import asyncio
import json
import os
import random
import re

import pytest

REQUESTS = 1000
AT_ONCE = 24
SEED = 20261121
ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
DEEP = b'{"a":' * 600 + b"{}" + b"}" * 600
GARBAGE = (
    b"{",
    b'{"model": "tiny", "messages": 5}',
    b'{"a": NaN}',
    b"\xff" * 50,
    b'{"model": "none"}',
    b"[" * 5000,
    b'{"model": "tiny", "messages": [{"role": ["user"], "content": "x"}]}',
    b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "reasoning_effort": [1]}',
    b'{"model": "tiny", "input": [{"role": "user", "content": [{"type": "input_text"}]}]}',
    b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "tool_choice": "required", "tools": ['
    b'{"type": "function", "function": {"name": "f", "parameters": {"$defs": [1]}}},'
    b'{"type": "function", "function": {"name": "g"}}]}',
    b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "tool_choice": "required", "tools": ['
    b'{"type": "function", "function": {"name": "f", "parameters": %b}}], "parallel_tool_calls": true}' % DEEP,
)


def body(rng, endpoint):
    """A request that is right; long ones are left before their end."""
    text = " ".join(rng.choices(["time", "year", "people", "way"], k=rng.randrange(1, 60)))
    tokens = rng.choice([1, 3, 20, 400, 1500])
    fields = {"model": "tiny", "stream": rng.random() < 0.6}
    if endpoint == "/v1/chat/completions":
        fields |= {"messages": [{"role": "user", "content": text}], "max_tokens": tokens}
        if rng.random() < 0.1:
            fields["response_format"] = {"type": "json_object"}
    elif endpoint == "/v1/completions":
        fields |= {"prompt": text, "max_tokens": tokens}
    else:
        fields |= {"input": text, "max_output_tokens": tokens}
    return json.dumps(fields).encode()


def message(rng):
    """Bytes of a request, right or not, and the length that it claims."""
    endpoint = rng.choice(ENDPOINTS)
    raw = rng.choice(GARBAGE) if rng.random() < 0.2 else body(rng, endpoint)
    claimed = len(raw) + (1000 if rng.random() < 0.05 else 0)  # the rest never comes
    late = "X-Inferfleet-Timeout: 0.05\r\n" if rng.random() < 0.1 else ""
    head = f"POST {endpoint} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n{late}Content-Length: {claimed}\r\n\r\n"
    return head.encode() + raw


async def ask(port, rng, statuses):
    """Send one; leave at a random moment, or read to the end."""
    read, write = await asyncio.open_connection("127.0.0.1", port)
    try:
        raw = message(rng)
        write.write(raw[: rng.randrange(1, len(raw))] if rng.random() < 0.05 else raw)
        leaves_after = rng.choice([0.0, 0.01, 0.05, 0.2, None, None])
        async with asyncio.timeout(leaves_after if leaves_after is not None else 2.0):
            answer = b""
            while block := await read.read(2**16):
                answer += block
            found = re.match(rb"HTTP/1.1 (\d{3})", answer)
            statuses.append(int(found[1]) if found else 0)
    except (TimeoutError, ConnectionError):
        statuses.append(None)
    finally:
        write.transport.abort() if rng.random() < 0.5 else write.close()


async def storm(port):
    """What became of each: a status, or None for those that were left."""
    rng, statuses, gate = random.Random(SEED), [], asyncio.Semaphore(AT_ONCE)

    async def one(own):
        async with gate:
            await ask(port, own, statuses)

    await asyncio.gather(*(one(random.Random(rng.random())) for _ in range(REQUESTS)))
    return statuses


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def greedy(pod):
    with pod.client() as client:
        return client.completions.create(model="tiny", prompt="Once upon", max_tokens=12, temperature=0).choices[0].text


@pytest.fixture(scope="module")
def small(start):
    """A queue that is soon full."""
    return start(slots=2, admission={"maxQueuedTokens": 3000}).ready()


def test_a_thousand_bad_requests_leak_neither_slot_nor_descriptor_nor_task(small):
    right = greedy(small)
    small.until(small.idle, "the end of the first answer")
    processes = (small.process.pid, small.engine())
    before = [descriptors(pid) for pid in processes]
    statuses = asyncio.run(storm(small.port))
    small.until(small.idle, "free slots")
    assert len(statuses) == REQUESTS
    assert {200, 400, 404, 429, 504, None} <= set(statuses)
    assert 500 not in statuses
    assert 502 not in statuses
    small.until(
        lambda: all(descriptors(pid) <= held + 2 for pid, held in zip(processes, before, strict=True)),
        "the end of all connections",
    )
    assert small.engine() == processes[1]
    # both slots answer, and what they answer is what it was
    assert [greedy(small) for _ in range(4)] == [right] * 4
    small.terminate()
    assert small.exit_code() == 0
    (drained,) = [line for line in small.lines() if line["msg"] == "drained"]
    assert drained["cut_requests"] == 0
    assert "unexpected error" not in small.events()
