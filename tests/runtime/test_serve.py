"""The real server, a real engine and the official client."""

import json
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

HELLO = [{"role": "user", "content": "Say hello."}]
LONG = 1900
"""Tokens: an answer that lasts while a test looks at it."""


def test_a_chat_is_answered_in_words_with_its_usage(client):
    answer = client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=12)
    assert answer.model == "team/tiny"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 12
    assert answer.choices[0].message.content.isprintable()


def test_the_model_is_listed_and_answers_to_its_class(client):
    assert [m.id for m in client.models.list()] == ["team/tiny"]
    assert client.completions.create(model="team/tiny:chat", prompt="Once", max_tokens=3).usage.completion_tokens == 3


def test_a_stream_carries_the_same_text_as_the_answer(client):
    same = {"model": "tiny", "messages": HELLO, "max_tokens": 12, "temperature": 0}
    whole = client.chat.completions.create(**same)
    stream = client.chat.completions.create(**same, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == 12


def test_a_text_completion_streams(client):
    stream = client.completions.create(model="tiny", prompt="Once upon", max_tokens=8, stream=True)
    assert sum(bool(chunk.choices[0].text) for chunk in stream if chunk.choices) == 8


def test_a_json_schema_is_enforced(client):
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    answer = client.chat.completions.create(model="tiny", messages=HELLO, response_format=wanted, max_tokens=200)
    assert answer.choices[0].message.content.startswith("{")


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"model": "other"}, openai.NotFoundError, "model_not_found"),
        ({"max_tokens": 5000}, openai.BadRequestError, "context_length_exceeded"),
        (
            {"messages": [{"role": "user", "content": "word " * 4000}]},
            openai.BadRequestError,
            "context_length_exceeded",
        ),
        ({"n": 2}, openai.BadRequestError, "unsupported_value"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_those_of_the_official_client(client, changes, error, code, stream):
    with pytest.raises(error) as raised:
        client.chat.completions.create(**{"model": "tiny", "messages": HELLO, "stream": stream, **changes})
    assert raised.value.code == code


def test_more_requests_than_slots_are_all_answered_and_counted_exactly(pod, client):
    before = pod.metrics()
    lengths = [5 + 7 * i for i in range(10)]

    def ask(tokens):
        return client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=tokens).usage

    def stream(tokens):
        options = {"include_usage": True}
        *_, last = client.chat.completions.create(
            model="tiny", messages=HELLO, max_tokens=tokens, stream=True, stream_options=options
        )
        return last.usage

    with ThreadPoolExecutor(10) as pool:
        usages = [*pool.map(ask, lengths[:5]), *pool.map(stream, lengths[5:])]
    # slots are free before the last bytes are written, and only then a request has ended
    ended = before["vllm:request_success_total"] + 10
    pod.until(lambda: pod.metrics()["vllm:request_success_total"] == ended, "the end of all requests")
    after = pod.metrics()
    grown = {name: after[name] - before[name] for name in after}
    assert grown["vllm:generation_tokens_total"] == sum(u.completion_tokens for u in usages) == sum(lengths)
    assert grown["vllm:prompt_tokens_total"] == sum(u.prompt_tokens for u in usages)
    assert grown["vllm:request_generation_tokens_sum"] == sum(lengths)
    assert grown["vllm:request_success_total"] == grown["vllm:time_to_first_token_seconds_count"] == 10
    assert grown["vllm:inter_token_latency_seconds_count"] == sum(lengths) - 10
    assert grown["inferfleet:arrival_requests_total"] == grown["vllm:e2e_request_latency_seconds_count"] == 10


def test_a_full_queue_is_a_rate_limit_with_the_time_to_come_back(start):
    pod = start(slots=1, contextTokens=60_000, admission={"maxQueuedTokens": 150}).ready()
    with pod.client() as client, ThreadPoolExecutor(1) as pool:
        first = client.completions.create(model="tiny", prompt="a", max_tokens=50_000, stream=True)
        next(first)
        second = pool.submit(client.completions.create, model="tiny", prompt="b", max_tokens=100)
        pod.until(lambda: pod.metrics()["vllm:num_requests_waiting"] == 1, "a waiting request")
        with pytest.raises(openai.RateLimitError) as raised:
            client.completions.create(model="tiny", prompt="c", max_tokens=100)
        assert int(raised.value.response.headers["Retry-After"]) >= 1
        first.close()
        assert second.result(60).usage.completion_tokens == 100
    assert pod.metrics()["inferfleet:rejected_requests_total"] == 1


def test_a_client_that_leaves_frees_its_slot_in_the_engine(pod, client):
    streams = [client.completions.create(model="tiny", prompt="a", max_tokens=LONG, stream=True) for _ in range(2)]
    for stream in streams:
        next(iter(stream))
    before = pod.metrics()["vllm:request_success_total"]
    for stream in streams:
        stream.close()
    pod.until(pod.idle, "free slots")
    assert client.completions.create(model="tiny", prompt="b", max_tokens=3).usage.completion_tokens == 3
    assert pod.metrics()["vllm:request_success_total"] == before + 1


def test_the_benchmark_sets_capacity_and_leaves_no_trace_in_the_request_metrics(start):
    pod = start(quantize={"type": "Q8_0"})
    pod.until(lambda: pod.get("/health/live")[0] == 200, "life")
    seen = []
    pod.until(lambda: seen.append(pod.get("/health/ready")[0]) or seen[-1] == 200, "readiness")
    assert seen[0] == 503
    values = pod.metrics()
    assert values["inferfleet:capacity_tokens_per_second"] > 0
    assert values["inferfleet:slots"] == 2
    assert values["vllm:generation_tokens_total"] == values["inferfleet:arrival_requests_total"] == 0
    with pod.client() as client:
        assert client.completions.create(model="tiny", prompt="a", max_tokens=2).usage.completion_tokens == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_open_stream_and_a_queued_request_survive_the_signal(start, number):
    pod = start(slots=1).ready()
    with pod.client() as client, ThreadPoolExecutor(1) as pool:
        stream = client.completions.create(
            model="tiny", prompt="a", max_tokens=LONG, stream=True, stream_options={"include_usage": True}
        )
        chunks = [next(stream)]
        queued = pool.submit(client.completions.create, model="tiny", prompt="b", max_tokens=5)
        pod.until(lambda: pod.metrics()["vllm:num_requests_waiting"] == 1, "a waiting request")
        pod.process.send_signal(number)
        pod.until(lambda: pod.get("/health/ready")[0] == 503, "the end of readiness")
        assert pod.get("/health/live")[0] == 200
        assert pod.metrics()["vllm:num_requests_running"] == 1
        chunks += list(stream)
        assert sum(c.usage.completion_tokens for c in chunks if c.usage) == LONG
        assert queued.result(60).usage.completion_tokens == 5
    assert pod.exit_code() == 0
    story = [event for event in pod.events() if event != "request"]
    assert story[-4:] == ["draining", "the grace is over", "drained", "stopped"]


def test_after_the_grace_new_requests_are_sent_elsewhere(start):
    pod = start(slots=1, contextTokens=60_000, admission={"maxQueuedTokens": 100_000}).ready()
    with pod.client() as client:
        stream = client.completions.create(model="tiny", prompt="a", max_tokens=50_000, stream=True)
        next(stream)
        pod.terminate()
        pod.until(lambda: "the grace is over" in pod.events(), "the end of the grace")
        with pytest.raises(openai.InternalServerError) as raised:
            client.completions.create(model="tiny", prompt="b", max_tokens=5)
        assert raised.value.status_code == 503
        assert raised.value.response.headers["Connection"] == "close"
        stream.close()
    assert pod.exit_code() == 0


def test_a_drain_ends_with_its_time_even_if_a_stream_does_not(start):
    pod = start(slots=1, contextTokens=60_000, drainSeconds=0).ready()
    with pod.client() as client:
        stream = client.completions.create(model="tiny", prompt="a", max_tokens=50_000, stream=True)
        next(stream)
        pod.terminate()
        with pytest.raises(httpx.RemoteProtocolError):
            list(stream)
    assert pod.exit_code() == 0
    cut = [line for line in pod.lines() if line["msg"] == "drained"]
    assert cut[0]["cut_requests"] == 1


def test_a_signal_while_loading_ends_at_once(start):
    pod = start(benchmark={"promptTokens": 32, "outputTokens": 32, "maxSeconds": 600})
    pod.until(lambda: pod.get("/health/live")[0] == 200, "life")
    pod.terminate()
    assert pod.exit_code() == 0
    assert "draining" not in pod.events()


def test_a_killed_engine_is_started_again_and_answers(start):
    pod = start().ready()
    engine = pod.engine()
    subprocess.run(["kill", "-KILL", str(engine)], check=True)
    pod.until(lambda: pod.engine() not in (engine, None), "another engine")
    pod.ready()
    with pod.client() as client:
        assert client.completions.create(model="tiny", prompt="a", max_tokens=2).usage.completion_tokens == 2


def test_the_engine_ends_with_a_pod_that_is_killed(start):
    pod = start().ready()
    engine = pod.engine()
    pod.process.kill()
    pod.process.wait()
    for _ in range(3000):
        if not is_alive(engine):
            break
        subprocess.run(["sleep", "0.01"], check=True)
    assert not is_alive(engine)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_model_that_cannot_be_loaded_is_one_line_with_the_engines_reason(start, tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\xff" * 64)
    pod = start(source={"uri": broken.as_uri()}, quantize=None)
    assert pod.exit_code() == 1
    last = pod.log.read_text().splitlines()[-1]
    assert last.startswith("inferfleet-runtime serve: the engine could not load the model: ")


def test_a_client_that_leaves_before_its_whole_answer_frees_the_engine(start):
    pod = start(slots=1, contextTokens=200_000).ready()
    body = json.dumps({"model": "tiny", "prompt": "a", "max_tokens": 190_000, "ignore_eos": True}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: pod\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", pod.port)) as connection:
        connection.sendall(head + body)
        pod.until(lambda: pod.metrics()["vllm:num_requests_running"] == 1, "a running request")
    pod.until(pod.idle, "a free slot")
    with pod.client() as client:  # the engine has one slot: it answers only if that one is free too
        assert client.completions.create(model="tiny", prompt="b", max_tokens=3).usage.completion_tokens == 3
    # the log line follows the last byte of an answer, so the client may be faster than the log
    pod.until(lambda: len(pod.outcomes()) == 2, "the second request's line")
    assert pod.outcomes() == ["cancelled", "finished"]
