"""What is said where nothing can be placed: the part that is wrong, first."""

from typing import Any

import make
import pytest
from harness import condition, settled, status
from make import PIN, workloads

from inferfleet.names import Reason


@pytest.mark.parametrize(
    ("pin", "words"),
    [
        ({"pool": "gpu"}, "pins q8-0 on gpu: there is no HardwarePool gpu; there are cpu"),
        ({"pool": "far"}, "HardwarePool far is not among those that spec.workloads[].pools selects"),
        ({"pool": "bad"}, "HardwarePool bad cannot be used; PoolInvalid, HardwarePool bad: spec.nodes.replica"),
        ({"pool": "cpu", "engine": "vllm"}, "pool cpu has no engine vllm; it has llama-cpp"),
    ],
)
async def test_a_pin_on_what_is_not_there_says_which_part_of_it_is_not(pin: Any, words: str) -> None:
    selected, far = make.pool(labels={"near": "yes"}), make.pool("far")
    bad = make.pool("bad", nodes={"replica": {"cpu": "10m", "memory": "1Gi"}})
    pinned = workloads(placement={**PIN, **pin}, pools={"matchLabels": {"near": "yes"}})
    cluster = await settled(selected, far, bad, make.workload_class(), make.model(workloads=pinned))
    assert condition(cluster, "Planned")[1] == Reason.NO_CANDIDATE
    assert words in condition(cluster, "Planned")[2]


async def test_the_reason_of_a_pinned_pool_comes_before_the_many_that_nobody_pinned() -> None:
    pinned = workloads(placement={**PIN, "pool": "z"})
    pools = [make.pool(f"p{number:02}") for number in range(44)]
    model = make.model(workloads=pinned)
    cluster = await settled(*pools, make.pool("z", price=None), make.workload_class(), model)
    assert "candidates can serve: q8-0 on z: NoPrice, " in condition(cluster, "Planned")[2]
    assert status(cluster).rejected[0].reason == Reason.NO_PRICE


async def test_a_pool_that_cannot_be_used_does_not_disappear_from_the_answer() -> None:
    bad = make.pool(nodes={"replica": {"cpu": "10m", "memory": "1Gi"}})
    cluster = await settled(bad, make.workload_class(), make.model())
    planned, reason, message = condition(cluster, "Planned")
    assert (planned, reason) == ("False", Reason.NO_CANDIDATE)
    assert "no HardwarePool can be used; PoolInvalid, HardwarePool cpu: spec.nodes.replica" in message
    assert "at least 50m" in message
