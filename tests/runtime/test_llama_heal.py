"""A real pod whose engine is killed or stopped: it heals by itself, and says so meanwhile."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest


def healed(pod, lost):
    """Wait until another engine serves."""
    pod.until(lambda: "the engine serves again" in pod.events(), "another engine")
    pod.until(lambda: pod.get("/health/ready")[0] == 200, "readiness")
    assert pod.engine() not in (None, lost)


def stream(client, tokens=1500):
    return client.completions.create(model="tiny", prompt="a", max_tokens=tokens, stream=True)


def test_a_killed_engine_is_replaced_and_open_streams_are_told(start):
    pod = start().ready()
    with pod.client() as client, ThreadPoolExecutor(2) as pool:
        streams = [stream(client) for _ in range(2)]
        for open_stream in streams:
            next(iter(open_stream))
        lost = pod.engine()
        os.kill(lost, signal.SIGKILL)
        for ended in [pool.submit(list, open_stream) for open_stream in streams]:
            with pytest.raises(openai.APIError, match="the engine ended before its answer did"):
                ended.result(60)
        pod.until(lambda: pod.get("/health/ready")[0] == 503 or "the engine serves again" in pod.events(), "the loss")
        assert pod.get("/health/live")[0] == 200
        healed(pod, lost)
        assert client.completions.create(model="tiny", prompt="b", max_tokens=3).usage.completion_tokens == 3
        assert pod.metrics()["vllm:num_requests_running"] == 0


def test_requests_that_wait_for_a_slot_outlive_the_engine(start):
    pod = start().ready()
    with pod.client() as client, ThreadPoolExecutor(8) as pool:
        running = [stream(client) for _ in range(2)]
        for open_stream in running:
            next(iter(open_stream))
        waiting = [pool.submit(client.completions.create, model="tiny", prompt=f"b{i}", max_tokens=3) for i in range(5)]
        pod.until(lambda: pod.metrics()["vllm:num_requests_waiting"] == 5, "the queue")
        os.kill(lost := pod.engine(), signal.SIGKILL)
        for open_stream in running:
            with pytest.raises(openai.APIError, match="the engine ended before its answer did"):
                list(open_stream)
        assert [answer.result(60).usage.completion_tokens for answer in waiting] == [3] * 5
        healed(pod, lost)


def test_a_stopped_engine_is_replaced(start):
    pod = start().ready()
    lost = pod.engine()
    with pod.client() as client:
        open_stream = stream(client)
        next(iter(open_stream))
        os.kill(lost, signal.SIGSTOP)
        with pytest.raises(openai.APIError, match="the engine ended before its answer did"):
            list(open_stream)
        healed(pod, lost)
        assert "does nothing" in pod.log.read_text()
        assert client.completions.create(model="tiny", prompt="b", max_tokens=3).usage.completion_tokens == 3


def test_an_engine_that_dies_again_and_again_ends_the_pod_with_one_line_that_says_so(start):
    pod = start().ready()
    for times in range(4):
        pod.until(lambda times=times: pod.events().count("the engine serves again") == times, "another engine")
        pod.until(lambda: pod.engine() is not None, "its process")
        os.kill(pod.engine(), signal.SIGKILL)
    assert pod.exit_code() == 1
    assert "the engine ended" in pod.log.read_text().splitlines()[-1]
