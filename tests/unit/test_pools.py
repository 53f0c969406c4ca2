"""What is left of a pool's nodes and quotas, exactly."""

from dataclasses import replace
from typing import Any

import make
import pytest
from harness import NOW, stores, world

from inferfleet.catalog import loader
from inferfleet.fleet.observe import observe
from inferfleet.fleet.pools import Tenant, pool, room
from inferfleet.fleet.types import Observed, PoolView

KEY = ("default", "demo")
CATALOG = loader.load()


def seen(replica: str, *nodes: make.Obj, **changes: Any) -> Observed:
    cut = {"selector": {"kubernetes.io/os": "linux"}, "replica": {"cpu": replica, "memory": "64Mi"}}
    found = observe(
        KEY, stores(world(*nodes, make.pool(nodes=cut, **changes), make.workload_class(), make.model())), NOW, 1e9
    )
    assert found
    return found


def view(observed: Observed) -> PoolView:
    found = observed.pools["cpu"]
    assert isinstance(found, PoolView)
    return found


@pytest.mark.parametrize(
    ("cpu", "replica", "fit"), [("1900m", "100m", 19), ("4", "100m", 40), ("2900m", "290m", 10), ("1999m", "100m", 19)]
)
def test_a_node_holds_as_many_replicas_as_a_calculator_says(cpu: str, replica: str, fit: int) -> None:
    observed = seen(replica, make.node(cpu=cpu))
    assert room(view(observed).spec, CATALOG.accelerators["cpu-x86-avx2"], observed.nodes).replicas == fit


@pytest.mark.parametrize(("held", "free"), [(0, 10), (3, 7), (9, 1), (10, 0)])
def test_what_a_quota_leaves_is_not_rounded_away(held: int, free: int) -> None:
    observed = seen("100m", make.node(cpu="64"), quotas=[{"namespace": "default", "accelerators": 1}])
    observed = replace(observed, held={("default", "other", "chat"): {"cpu": held}})
    found = pool(view(observed), observed, Tenant((*KEY, "chat")), CATALOG)
    assert (found.free, found.quota) == (free, "default")


def test_a_quota_is_named_only_where_it_binds() -> None:
    wide = [{"namespace": "default", "accelerators": 64}]
    observed = seen("100m", make.node(cpu="1"), quotas=wide)
    found = pool(view(observed), observed, Tenant((*KEY, "chat")), CATALOG)
    assert (found.free, found.quota) == (10, None)
