"""Load, scale-out on tokens per second, no metrics for a while, silence, scale-in; and streams that outlive it."""

import asyncio
import json
import threading
import time

import pytest

from e2e import load
from e2e.access import answers, reach
from e2e.stories.cut import cut_off
from e2e.stories.fleet import Obj, quickstart
from e2e.stories.space import Space
from e2e.stories.stream import Stream

MOST = 3
SILENCE = 30
"""Seconds, twice what a replica takes to boot."""
LONG = 3000
"""Output tokens of the streams: they must outlast the wait before scale-in, which takes a boot time. Seen: 50 s,
since attention over a long context is slow on 400m of a core."""


def _fleet(namespace: str) -> tuple[Obj, Obj, Obj]:
    """The quickstart with room for long answers, and two slots so that little load is enough."""
    pool, class_, model = quickstart(namespace)
    class_["spec"]["traffic"]["outputTokens"] = {"p50": 64, "p95": LONG}
    class_["spec"]["serving"]["maxBatchSize"] = 2
    class_["spec"]["scaling"] |= {"scaleInDelay": "5s", "drain": "240s"}
    model["spec"]["workloads"][0]["replicas"] = {"min": 1, "max": MOST}
    return pool, class_, model


def _ready(space: Space) -> int:
    return sum(p["ready"] for p in space.model()["status"]["placements"])


def _pods(space: Space) -> dict[str, Obj]:
    return {p["metadata"]["name"]: p for p in space.list("pods", "inferfleet.io/managed=true")}


def _scale_out(space: Space) -> None:
    (service,) = space.list("services", "inferfleet.io/managed=true")
    stop = asyncio.Event()

    async def drive(url: str) -> load.Result:
        wanted = load.Load((url,), "demo", clients=12, prompt_tokens=32, output_tokens=64, seconds=300)
        running = asyncio.create_task(load.run(wanted, stop))
        waiting = asyncio.to_thread(space.wait, f"{MOST} replicas", lambda: _ready(space) == MOST, 280)
        try:
            await waiting
        finally:
            stop.set()
        return await running

    with reach(space.cluster, space.namespace, service["metadata"]["name"]) as url:
        space.wait("the Service", lambda: answers(url), 60)
        result = asyncio.run(drive(url))
    print(json.dumps(result.__dict__, default=str))
    assert result.requests > 0
    assert result.failed == 0, result.errors


def _open_streams(space: Space) -> list[Stream]:
    """One on every pod, straight to its address, so that one of them is on the pod that goes."""
    streams = []
    for name, pod in _pods(space).items():
        stream = Stream(name, LONG)
        url = f"http://{pod['status']['podIP']}:8000"
        threading.Thread(target=stream.read, args=(url,), daemon=True).start()
        streams.append(stream)
    return streams


def _hear_nothing(space: Space) -> None:
    """For longer than idle replicas are kept."""
    before = set(_pods(space))
    with cut_off(space.cluster, [p["status"]["podIP"] for p in _pods(space).values()]):
        space.wait("a stale signal", lambda: space.condition("SignalFresh").get("reason") == "SignalStale", 60)
        time.sleep(SILENCE)
        assert set(_pods(space)) == before
        assert _ready(space) == MOST
        assert space.condition("SignalFresh")["status"] == "False"
        assert space.condition("Ready")["status"] == "True"
    space.wait("a fresh signal", lambda: space.condition("SignalFresh").get("status") == "True", 60)


def test_replicas_follow_the_load_and_an_open_stream_outlives_its_replica(space: Space) -> None:
    if not space.cluster.routed:
        pytest.skip(
            "the streams go straight to the pods' addresses, which this machine reaches only in a local cluster"
        )
    space.apply(*_fleet(space.namespace))
    space.ready()
    _scale_out(space)
    events = space.kubectl("get", "events", "-o", "jsonpath={.items[*].message}")
    assert f"to {MOST} replicas" in events
    assert "tokens/s demanded" in events

    _hear_nothing(space)
    streams = _open_streams(space)
    assert len(streams) == MOST

    def leaving() -> list[Stream]:
        pods = _pods(space)
        gone = {n for n, p in pods.items() if "deletionTimestamp" in p["metadata"]}
        return [s for s in streams if s.pod in gone]

    caught, *_ = space.wait("scale-in", leaving, 240)
    assert not caught.done.is_set(), "the stream ended before its replica was told to go: the story shows nothing"
    assert caught.done.wait(240)
    assert (caught.error, caught.finish, caught.tokens) == ("", "length", LONG)
    space.wait("one replica", lambda: len(_pods(space)) == 1 and _ready(space) == 1, 240)
