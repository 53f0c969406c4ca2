"""A fake cluster with an informer on it, for tests of what the informer makes of trouble."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fakes.cluster import FakeCluster
from fakes.timing import FakeTime, settle

from inferfleet.kube.informer import Informer, Scope
from inferfleet.kube.kinds import CONFIG_MAP, Obj


def config_map(name: str, **data: str) -> Obj:
    meta: Obj = {"namespace": "n", "name": name, "labels": {"x": "1"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def change(old: Obj | None, new: Obj | None) -> tuple[str, str]:
    """What an informer told, in a word, and of which object."""
    what = "changed" if old and new else "appeared" if new else "went"
    return what, (new or old or {})["metadata"]["name"]


@dataclass
class World:
    """A cluster, its clock, an informer on it, and what the informer told."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    time: FakeTime = field(default_factory=FakeTime)
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.informer = Informer(
            self.cluster, Scope(CONFIG_MAP, selector="x"), self.on_change, timing=self.time.timing()
        )

    def on_change(self, old: Obj | None, new: Obj | None) -> None:
        self.told.append(change(old, new))

    def names(self) -> list[str]:
        return sorted(name for _, name in self.informer.items())

    def is_exact(self) -> bool:
        held = {key: obj["metadata"]["resourceVersion"] for key, obj in self.informer.items().items()}
        there = self.cluster.all(CONFIG_MAP)
        return held == {
            (o["metadata"]["namespace"], o["metadata"]["name"]): o["metadata"]["resourceVersion"] for o in there
        }


@asynccontextmanager
async def kept_running(informer: Informer) -> AsyncIterator[None]:
    """An informer that runs, and still does in the end."""
    task = asyncio.ensure_future(informer.run())
    try:
        yield
        assert not task.done(), "the informer ended"
    finally:
        task.cancel()
        await asyncio.wait((task,))


@asynccontextmanager
async def running(world: World) -> AsyncIterator[World]:
    """With an informer that has heard of what is there."""
    async with kept_running(world.informer):
        await settle()
        yield world
