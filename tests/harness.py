"""A user, an operator and a cluster in memory: act, settle, look.

`Operator` holds no state between reconciles but what the scaling loop would give it, so making a new
one is a restart.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import make
from fakes.cluster import FakeCluster

from inferfleet.api.model_status import ModelStatus
from inferfleet.catalog import loader
from inferfleet.fleet.build import build
from inferfleet.fleet.build.view import ModelView
from inferfleet.fleet.gather import gather
from inferfleet.fleet.observe import Stores, observe
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.reconcile import Context, Decided, Result, reconcile, view
from inferfleet.fleet.trim import trim_of
from inferfleet.fleet.types import Plan
from inferfleet.fleet.validate import validate
from inferfleet.kube import kinds
from inferfleet.kube.kinds import Kind, Obj, key_of
from inferfleet.scaling.law import Decision
from inferfleet.settings import Settings

SETTINGS = Settings(runtime_image="inferfleet.local/runtime:1")
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
CHILDREN = (
    kinds.DEPLOYMENT,
    kinds.SERVICE,
    kinds.CONFIG_MAP,
    kinds.POD_DISRUPTION_BUDGET,
    kinds.NETWORK_POLICY,
)


def stores(cluster: FakeCluster) -> Stores:
    """What informers that are up to date would hold."""

    def held(kind: Kind) -> dict[tuple[str, str], Obj]:
        return {key_of(o): trim_of(kind)(o) for o in cluster.all(kind)}

    return gather(held)


@dataclass
class Operator:
    """Reconciles one Model of a fake cluster."""

    cluster: FakeCluster
    settings: Settings = SETTINGS
    key: tuple[str, str] = ("default", "demo")
    now: datetime = NOW
    scaled: Decided = field(default_factory=Decided)

    async def once(self) -> Result | None:
        """One reconcile on fresh informers."""
        context = Context(self.cluster, self.settings, loader.load(), lambda obj: None)
        result = await reconcile(self.key, stores(self.cluster), self.scaled, context, self.now)
        if result and result.status_written:
            self.scaled = replace(self.scaled, status_written=self.now)
        return result

    async def settle(self, *, ready: bool = True, rounds: int = 20) -> None:
        """Reconcile, and let the cluster do its part, until nothing is written any more."""
        for _ in range(rounds):
            before = len(self.cluster.writes)
            await self.once()
            self.now += timedelta(minutes=1)
            version = self.cluster.version
            self.cluster.settle_deployments(ready=ready)
            if len(self.cluster.writes) == before and self.cluster.version == version:
                return
        raise AssertionError(f"not settled after {rounds} rounds; last writes: {self.cluster.writes[-5:]}")

    def decide(
        self, replicas: int, reason: str = "Demand", *, fresh: bool = True, class_: str = "chat", message: str = ""
    ) -> None:
        """What the scaling loop says."""
        decision = Decision(replicas, replicas, reason, message or f"the test says {replicas}", fresh, ())
        self.scaled = replace(self.scaled, decisions={class_: decision}, served={class_: 0.0})


def world(*objects: Obj) -> FakeCluster:
    """A cluster with these objects."""
    cluster = FakeCluster()
    for obj in objects:
        cluster.put(obj)
    return cluster


async def settled(*objects: Obj, **settings: Any) -> FakeCluster:
    """A cluster with a node and these objects, after an operator with these settings has done all that it does."""
    cluster = world(make.node(), *objects)
    await Operator(cluster, replace(SETTINGS, **settings)).settle()
    return cluster


def status(cluster: FakeCluster, name: str = "demo") -> ModelStatus:
    """The status that a user reads."""
    found = cluster.peek(kinds.MODEL, "default", name)
    assert found
    return ModelStatus.model_validate(found.get("status", {}))


def condition(cluster: FakeCluster, type_: str, name: str = "demo") -> tuple[str, str, str]:
    """Status, reason and message of one condition."""
    (found,) = [c for c in status(cluster, name).conditions if c.type == type_]
    return found.status, found.reason, found.message


def deployments(cluster: FakeCluster) -> dict[str, int]:
    """Replicas by name."""
    return {o["metadata"]["name"]: o["spec"]["replicas"] for o in cluster.all(kinds.DEPLOYMENT)}


def child_writes(cluster: FakeCluster) -> list[str]:
    """`verb Kind` of every write to a child."""
    return [f"{w.verb} {w.kind}" for w in cluster.writes if w.kind in {k.kind for k in CHILDREN}]


def runtime_config(cluster: FakeCluster) -> Any:
    """The text of the only ConfigMap."""
    (found,) = cluster.all(kinds.CONFIG_MAP)
    return found["data"]["runtime.json"]


def planned(*objects: Obj) -> tuple[ModelView, Plan]:
    """The Model in a world of these objects, and what shall be for it."""
    seen = observe(("default", "demo"), stores(world(*objects)), NOW, 1e9)
    assert seen
    model = view(seen)
    assert model
    return model, make_plan(seen, validate(seen, loader.load(), SETTINGS), {})


def built(*objects: Obj) -> list[Obj]:
    """Children of the Model in a world of these objects."""
    model, plan = planned(*objects)
    return build(model, plan, SETTINGS)
