"""A vendor's engine with the sidecar beside it, on a real cluster: a stand-in that misbehaves as vLLM does."""

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import openai
import pytest

from e2e import install
from e2e.access import reach
from e2e.cluster import images, oci, provider
from e2e.cluster.provider import Cluster
from e2e.stories.fleet import Obj, quickstart
from e2e.stories.space import Space
from e2e.stories.stream import Stream

OWNED = "inferfleet.io/managed=true"
MODEL = f"{images.REGISTRY}/models/repository:1"
LENGTH = 600
"""Output tokens of the streams: twelve seconds."""


@pytest.fixture(scope="module")
def engine(cluster: Cluster) -> str:
    """The image of the stand-in; with it comes a model that is a folder of files, as vendors' engines want it."""
    if cluster.provider == "existing":
        pytest.skip("the stand-in's image would have to be pushed to a registry")
    install.MODELS.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".making-", dir=install.MODELS) as scratch:
        files = {"config.json": '{"model_type": "llama"}', "model.safetensors": "no weights", "tokenizer.json": "{}"}
        packed = []
        for name, text in files.items():
            (Path(scratch) / name).write_text(text)
            packed.append(oci.File(PurePosixPath("/") / name, Path(scratch) / name))
        oci.write_archive(Path(scratch) / "model.tar", MODEL, packed)
        provider.load(cluster, Path(scratch) / "model.tar")
    return os.environ.get("INFERFLEET_VENDOR_IMAGE") or provider.load(cluster, images.build("vendor").archive)


def _fleet(namespace: str, image: str, **env: str) -> tuple[Obj, Obj, Obj]:
    """The quickstart on a pool that serves with vLLM."""
    pool, class_, model = quickstart(namespace)
    patch = {"name": "engine", "image": image, "env": [{"name": k, "value": v} for k, v in env.items()]}
    pool["spec"] |= {
        "accelerator": "cpu-x86-avx512",
        "engines": ["vllm"],
        "podTemplatePatch": {"spec": {"containers": [patch]}},
    }
    # what the engine would need; the stand-in uses none of it
    pool["spec"]["nodes"]["replica"] = {"cpu": "300m", "memory": "4Gi"}
    source = {"uri": f"oci://{MODEL}"}
    model["spec"]["variants"] = [{"name": "bf16", "quantization": "BF16", "source": source}]
    return pool, class_, model


@pytest.fixture
def serving(space: Space, engine: str) -> Space:
    """Ready."""
    space.apply(*_fleet(space.namespace, engine))
    space.ready()
    return space


@pytest.fixture
def reached(serving: Space) -> Iterator[str]:
    """The Service's address."""
    (service,) = serving.list("services", OWNED)
    with reach(serving.cluster, serving.namespace, service["metadata"]["name"]) as url:
        yield url


def _pods(space: Space) -> list[Obj]:
    return [p for p in space.list("pods", OWNED) if "deletionTimestamp" not in p["metadata"]]


def _is_ready(pod: Obj) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def _restarts(pod: Obj) -> int:
    return sum(c["restartCount"] for c in pod["status"].get("containerStatuses", ()))


def _order(space: Space, pod: Obj, **change: list[str]) -> None:
    if not space.cluster.routed:
        pytest.skip("faults are ordered at the pod's address, which this machine reaches only in a local cluster")
    url = f"http://{pod['status']['podIP']}:8000/stand-in/faults"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(change).encode()), timeout=30) as response:
        assert response.status == 200


def _status(url: str) -> int:
    """Of a GET; 0 while nothing listens."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _stream(url: str, pod: str) -> Stream:
    stream = Stream(pod, LENGTH)
    threading.Thread(target=stream.read, args=(url,), daemon=True).start()
    return stream


def test_the_engine_serves_and_its_capacity_is_measured_beside_it(serving: Space, reached: str) -> None:
    client = openai.OpenAI(base_url=f"{reached}/v1", api_key="unused", timeout=60)
    messages: list[Any] = [{"role": "user", "content": "Hello"}]
    found = client.chat.completions.create(model="demo", messages=messages, max_tokens=5)
    assert found.usage
    assert found.usage.completion_tokens == 5

    def measured() -> bool:
        (placement,) = serving.model()["status"]["placements"]
        return bool(placement["capacitySource"] == "Benchmarked")

    serving.wait("the capacity that the sidecar measured", measured)
    (placement,) = serving.model()["status"]["placements"]
    assert placement["engine"] == "vllm"
    # four slots at fifty tokens a second each
    assert 0 < float(placement["tokensPerSecond"]) <= 200


def test_a_pod_that_goes_loses_no_stream_though_its_engine_would_cut_them(serving: Space, reached: str) -> None:
    (pod,) = _pods(serving)
    streams = [_stream(reached, pod["metadata"]["name"]) for _ in range(3)]
    for stream in streams:
        assert stream.began.wait(60)
    serving.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
    for stream in streams:
        assert stream.done.wait(120)
        assert (stream.error, stream.finish, stream.tokens) == ("", "length", LENGTH)
    serving.wait("the pod to go", lambda: not serving.get("pod", pod["metadata"]["name"]), 60)
    serving.ready()


@pytest.mark.slow
def test_series_that_are_gone_are_a_stale_signal_and_not_an_idle_engine(serving: Space) -> None:
    (pod,) = _pods(serving)

    def stale() -> bool:
        return "SignalStale" in json.dumps(serving.model()["status"]["conditions"])

    serving.wait("a fresh signal", lambda: not stale())
    _order(serving, pod, add=["no-metrics"])
    serving.wait("a stale signal", stale)
    assert serving.condition("Ready")["status"] == "True"
    assert _is_ready(_pods(serving)[0])
    _order(serving, pod, remove=["no-metrics"])
    serving.wait("a fresh signal again", lambda: not stale())


@pytest.mark.slow
def test_health_that_lies_makes_no_pod_ready(space: Space, engine: str) -> None:
    late = {"STAND_IN_FAULTS": "lying-health", "STAND_IN_LOAD_SECONDS": "15"}
    space.apply(*_fleet(space.namespace, engine, **late))

    def running() -> Obj | None:
        started = (
            p for p in _pods(space) if p["status"].get("containerStatuses", [{}])[0].get("state", {}).get("running")
        )
        return next(started, None)

    pod = space.wait("the engine to run", running)
    lied = 0
    while not _is_ready(pod):
        address = f"http://{pod['status']['podIP']}:8000"
        if _status(f"{address}/health") == 200 and _status(f"{address}/v1/models") == 500:
            lied += 1
        (pod,) = _pods(space)
    assert lied, "the engine never lied: the story shows nothing"
    assert _status(f"http://{pod['status']['podIP']}:8000/v1/models") == 200
    space.ready()


def test_another_model_than_the_one_asked_for_is_said_in_the_models_status(space: Space, engine: str) -> None:
    space.apply(*_fleet(space.namespace, engine, STAND_IN_FAULTS="wrong-model"))
    space.wait("PodsFailing", lambda: space.condition("Deployed").get("reason") == "PodsFailing")
    wanted = f"the engine serves some/other-model, not {space.namespace}/demo"
    space.wait("the other model's name in words", lambda: wanted in space.condition("Deployed")["message"], 90)
    assert space.condition("Ready")["status"] == "False"
    assert not any(map(_is_ready, _pods(space)))


@pytest.mark.slow
def test_an_engine_that_hangs_gets_no_requests_and_is_started_anew(serving: Space) -> None:
    (pod,) = _pods(serving)
    _order(serving, pod, add=["hung"])
    serving.wait("the pod to be unready", lambda: not _is_ready(_pods(serving)[0]), 60)
    serving.wait("the Model to say so", lambda: serving.condition("Ready")["status"] == "False", 60)
    serving.wait("the engine to be started anew", lambda: _restarts(_pods(serving)[0]) > 0, 540)
    serving.ready()
    assert _pods(serving)[0]["metadata"]["name"] == pod["metadata"]["name"]
