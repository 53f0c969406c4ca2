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


def stream(client):
    """An answer that has begun and goes on for long."""
    opened = client.completions.create(model="tiny", prompt="a", max_tokens=1500, stream=True)
    next(iter(opened))
    return opened


def is_told(opened):
    """Read on: the stream says that its engine is gone."""
    with pytest.raises(openai.APIError, match="the engine ended before its answer did"):
        list(opened)


def test_a_killed_engine_is_replaced_and_open_streams_are_told(start):
    pod = start().ready()
    with pod.client() as client, ThreadPoolExecutor(2) as pool:
        streams = [stream(client) for _ in range(2)]
        lost = pod.engine()
        os.kill(lost, signal.SIGKILL)
        for ended in [pool.submit(is_told, opened) for opened in streams]:
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
        waiting = [pool.submit(client.completions.create, model="tiny", prompt=f"b{i}", max_tokens=3) for i in range(5)]
        pod.until(lambda: pod.metrics()["vllm:num_requests_waiting"] == 5, "the queue")
        os.kill(lost := pod.engine(), signal.SIGKILL)
        for opened in running:
            is_told(opened)
        assert [answer.result(60).usage.completion_tokens for answer in waiting] == [3] * 5
        healed(pod, lost)


def test_a_stopped_engine_is_replaced(start):
    pod = start().ready()
    lost = pod.engine()
    with pod.client() as client:
        opened = stream(client)
        os.kill(lost, signal.SIGSTOP)
        is_told(opened)
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
