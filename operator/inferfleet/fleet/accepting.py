"""Keeps the statuses of HardwarePools and WorkloadClasses up to date. Reads and writes."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from inferfleet import errors, names
from inferfleet.api.common import AcceptedStatus
from inferfleet.catalog.loader import Catalog
from inferfleet.fleet.acceptance import class_verdicts, pool_verdicts, stamped, status_object
from inferfleet.fleet.observe import Stores, read_classes, read_nodes, read_pools
from inferfleet.fleet.types import Key, Obj
from inferfleet.kube.cluster import Cluster

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.2
"""What changes together (a folder of files, a set of nodes) is judged together."""
RETRY_SECONDS = 5.0


class Accepting:
    """Call `wake` when a pool, class or node changed; run it with `run`."""

    def __init__(
        self, cluster: Cluster, catalog: Catalog, written: Callable[[Obj], None], now: Callable[[], datetime]
    ) -> None:
        self._cluster, self._catalog, self._written, self._now = cluster, catalog, written, now
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something may have changed."""
        self._woken.set()

    async def run(self, stores: Callable[[], Stores]) -> None:
        """Until cancelled. A round that fails is logged and comes again."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._woken.clear()
            try:
                await self.judge(stores())
            except errors.ApiError as error:
                log.warning("statuses of pools and classes could not be written", extra={"error": str(error)})
                self._woken.set()
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:  # a bug met by one object must not stop the fleet
                log.exception("judging pools and classes failed")

    async def judge(self, stores: Stores) -> int:
        """One round; returns the number of writes."""
        nodes = read_nodes(stores)
        pools = pool_verdicts(read_pools(stores), nodes, self._catalog)
        classes = class_verdicts(read_classes(stores), self._catalog)
        return await self._write("HardwarePool", pools, stores.pools) + await self._write(
            "WorkloadClass", classes, stores.classes
        )

    async def _write(self, kind: str, found: Mapping[str, AcceptedStatus], stored: Mapping[Key, Obj]) -> int:
        writes = 0
        for name, status in found.items():
            obj = stored.get(("", name))  # informers go on while others are written: it may be gone
            body = stamped(status, obj, self._now()) if obj else None
            if body is None:
                continue
            try:
                self._written(await self._cluster.apply_status(status_object(kind, name, body), names.STATUS_MANAGER))
            except (errors.NotFound, errors.Rejected) as error:  # gone meanwhile, or older than the operator's CRD
                log.info("a status was not written", extra={"kind": kind, "object": name, "error": str(error)})
            writes += 1
        return writes
