"""Two pools of which the cheaper one is small, and a Model that has spilled over from it."""

from collections import Counter
from typing import Any

import make
from fakes.cluster import FakeCluster
from harness import Operator, world

from inferfleet.kube import kinds

HALF = {"cpu": "500m", "memory": "1Gi"}
CHEAP = make.pool("cheap", price="0.01", nodes={"selector": {"size": "small"}, "replica": HALF})
DEAR = make.pool("dear", price="0.05", nodes={"selector": {"size": "large"}, "replica": HALF})
SMALL = make.node("s", cpu="1", memory="4Gi", size="small")
"""Two replicas."""
LARGE = make.node("l", cpu="4", memory="16Gi", size="large")
"""Eight."""


def contended(*more: make.Obj, **changes: Any) -> FakeCluster:
    replicas = {"replicas": {"min": 1, "max": 6}} | changes
    model = make.model(workloads=make.workloads(**replicas))
    return world(SMALL, LARGE, CHEAP, DEAR, make.workload_class(), model, *more)


def replicas(cluster: FakeCluster, model: str = "demo") -> dict[str, int]:
    """By pool, of one Model."""
    found = Counter[str]()
    for o in cluster.all(kinds.DEPLOYMENT):
        labels = o["metadata"]["labels"]
        if labels["inferfleet.io/model"] == model:
            found[labels["inferfleet.io/pool"]] += o["spec"]["replicas"]
    return dict(found)


async def spilled(wanted: int = 5, **changes: Any) -> tuple[FakeCluster, Operator]:
    cluster = contended(**changes)
    operator = Operator(cluster)
    await operator.settle()
    operator.decide(wanted)
    await operator.settle()
    return cluster, operator
