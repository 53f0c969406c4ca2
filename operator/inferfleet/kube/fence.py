"""A cluster that only a leader can write to. Writes, if allowed."""

from collections.abc import AsyncGenerator, Callable

from inferfleet import errors
from inferfleet.kube.cluster import Cluster, Listing, WatchEvent
from inferfleet.kube.kinds import Kind, Obj


class FencedCluster:
    """A `Cluster` that asks before each write, at the last moment.

    A process that slept past its renew deadline wakes up in the middle of its work: cancelling that work takes
    time, so each write must be stopped by itself. The elector writes its Lease to the cluster within.
    """

    def __init__(self, cluster: Cluster, may_write: Callable[[], bool]) -> None:
        self._cluster = cluster
        self._may_write = may_write

    async def list(self, kind: Kind, *, namespace: str = "", selector: str = "", limit: int = 500) -> Listing:
        return await self._cluster.list(kind, namespace=namespace, selector=selector, limit=limit)

    def watch(
        self, kind: Kind, resource_version: str, *, namespace: str = "", selector: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        return self._cluster.watch(kind, resource_version, namespace=namespace, selector=selector)

    async def get(self, kind: Kind, namespace: str, name: str) -> Obj | None:
        return await self._cluster.get(kind, namespace, name)

    async def apply(self, obj: Obj, manager: str) -> Obj:
        self._check()
        return await self._cluster.apply(obj, manager)

    async def apply_status(self, obj: Obj, manager: str) -> Obj:
        self._check()
        return await self._cluster.apply_status(obj, manager)

    async def create(self, obj: Obj) -> Obj:
        self._check()
        return await self._cluster.create(obj)

    async def replace(self, obj: Obj) -> Obj:
        self._check()
        return await self._cluster.replace(obj)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str = "") -> None:
        self._check()
        await self._cluster.delete(kind, namespace, name, uid)

    def _check(self) -> None:
        if not self._may_write():
            raise errors.Transient("this replica does not lead: nothing was sent", reason="NotLeading")
