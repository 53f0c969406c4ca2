"""A pool that is too small for all, and pods that are enough for several classes: who moves, and what users see."""

import copy
import json
from collections import Counter
from typing import Any

from e2e.access import answers, reach
from e2e.stories.fleet import Obj, quickstart
from e2e.stories.space import Space
from inferfleet.api.quantities import parse_quantity

MOST_OF_A_NODE = 0.55
"""Memory, so that one replica fits on a node and not two, and all replicas are equally fast."""


def _memory(space: Space) -> int:
    """Bytes of the smallest node."""
    nodes = json.loads(space.cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    return int(min(parse_quantity(node["status"]["allocatable"]["memory"]) for node in nodes))


def _pools(pool: Obj, space: Space) -> tuple[Obj, Obj]:
    """One replica fits on the cheap one; the dear one has room for more."""
    cheap, dear = copy.deepcopy(pool), copy.deepcopy(pool)
    cheap["metadata"]["name"] += "-cheap"
    cheap["metadata"]["labels"] |= {"tier": "cheap"}
    dear["metadata"]["name"] += "-dear"
    dear["spec"]["price"]["perAcceleratorHour"] = "0.4"
    size = cheap["spec"]["nodes"]["replica"] | {"memory": f"{int(_memory(space) * MOST_OF_A_NODE)}"}
    cheap["spec"]["nodes"] |= {"replica": size, "maxNodes": 1}
    cheap["spec"]["price"]["perAcceleratorHour"] = "0.001"
    return cheap, dear


def _more_important(class_: Obj, model: Obj) -> tuple[Obj, Obj]:
    """A class whose pods may evict others, and a Model that can be nowhere but on the cheap pool."""
    urgent, other = copy.deepcopy(class_), copy.deepcopy(model)
    urgent["metadata"]["name"] += "-urgent"
    urgent["spec"]["priority"] = 1000
    other["metadata"]["name"] = "important"
    (workload,) = other["spec"]["workloads"]
    workload |= {"class": urgent["metadata"]["name"], "replicas": {"min": 1, "max": 1}}
    workload.pop("demand", None)
    workload["pools"] = {"matchLabels": workload["pools"]["matchLabels"] | {"tier": "cheap"}}
    return urgent, other


def _serving(space: Space, name: str) -> dict[str, int]:
    """Ready replicas by the last word of the pool's name."""
    found = Counter[str]()
    for placement in space.model(name).get("status", {}).get("placements", []):
        found[placement["pool"].rpartition("-")[2]] += placement["ready"]
    return {pool: ready for pool, ready in found.items() if ready}


def _comes_to(space: Space, name: str, expected: dict[str, int]) -> Any:
    return space.wait(f"{name} on {expected}", lambda: _serving(space, name) == expected)


def test_who_can_do_elsewhere_makes_room_and_serves_on(space: Space) -> None:
    pool, class_, model = quickstart(space.namespace)
    cheap, dear = _pools(pool, space)
    workload = model["spec"]["workloads"][0]
    workload |= {"replicas": {"min": 1, "max": 2}, "demand": {"requestsPerSecond": 10_000}}
    space.apply(cheap, dear, class_, model)
    _comes_to(space, "demo", {"cheap": 1, "dear": 1})
    spilled = next(p for p in space.model()["status"]["placements"] if p["pool"] == dear["metadata"]["name"])
    assert spilled["reason"] == "Spilled"
    assert f"since pool {cheap['metadata']['name']} has room for 1 of 2" in spilled["message"]

    urgent, important = _more_important(class_, model)
    space.apply(urgent, important)
    _comes_to(space, "important", {"cheap": 1})
    _comes_to(space, "demo", {"dear": 2})

    space.kubectl("delete", "model", "important")
    _comes_to(space, "demo", {"cheap": 1, "dear": 1})


def test_two_classes_that_one_pod_can_serve_share_it_each_at_its_own_address(space: Space) -> None:
    pool, class_, model = quickstart(space.namespace)
    other = copy.deepcopy(class_)
    other["metadata"]["name"] += "-more"
    names = sorted(c["metadata"]["name"] for c in (class_, other))
    model["spec"]["workloads"].append(model["spec"]["workloads"][0] | {"class": other["metadata"]["name"]})
    space.apply(pool, class_, other, model)

    def shared() -> bool:
        placements = space.model().get("status", {}).get("placements", [])
        return [(p["classes"], p["ready"]) for p in placements] == [(names, 1)]

    space.wait("one pod for both", shared)
    services = space.list("services", "inferfleet.io/managed=true")
    assert len(services) == 2
    for service in services:
        with reach(space.cluster, space.namespace, service["metadata"]["name"]) as url:
            space.wait(f"an answer of {url}", lambda url=url: answers(url), 60)  # type: ignore[misc]
