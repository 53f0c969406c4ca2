"""The operator's process: the composition root of `inferfleet run`. Needs the `operator` extra."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server

from inferfleet import errors, handlers, logs, names, settings
from inferfleet.catalog import loader
from inferfleet.fleet.controller import Controller
from inferfleet.kube.cluster import Cluster
from inferfleet.kube.connect import connect, load
from inferfleet.kube.election import Candidate, LeaderElector
from inferfleet.kube.fence import FencedCluster
from inferfleet.kube.kinds import Kind
from inferfleet.metrics import Metrics

log = logging.getLogger(__name__)


def serve(chosen: settings.Settings) -> int:
    """Until a signal; 0 after an orderly end, 1 where it cannot start."""
    logs.configure(chosen.log_level)
    for noisy in ("aiohttp.access", "kopf"):  # a line for each probe and each step of kopf's own
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        asyncio.run(load(chosen.kubeconfig))
    except errors.ApiError as error:
        log.error("cannot start", extra={"error": str(error)})
        return 1
    try:
        catalog = loader.load(Path(chosen.catalog) if chosen.catalog else None)
    except loader.CatalogError as error:
        log.error("cannot start: the catalog's overrides are wrong", extra={"error": str(error)})
        return 1
    metrics = Metrics(CollectorRegistry())
    try:
        server, thread = start_http_server(chosen.metrics_port, registry=metrics.registry)
    except OSError as error:
        log.error("cannot start: no metrics", extra={"port": chosen.metrics_port, "error": error.strerror})
        return 1
    process = Process(chosen, catalog, metrics)
    try:
        handlers.run_beside(process.engine, chosen, process.ages)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    log.info("stopped")
    return 0


class Process:
    """What one process is made of; a term of leadership has a Controller of its own."""

    def __init__(self, chosen: settings.Settings, catalog: loader.Catalog, metrics: Metrics) -> None:
        self._settings, self._catalog, self._metrics = chosen, catalog, metrics
        self._controller: Controller | None = None

    async def engine(self) -> None:
        """Lead, or wait for the Lease, until cancelled."""
        cluster = await connect(self._settings.kubeconfig, on_call=_count(self._metrics))
        try:
            if not self._settings.leader_election:
                return await self._lead(cluster)
            identity = f"{self._settings.identity}_{uuid.uuid4()}"
            elector = LeaderElector(cluster, Candidate(self._settings.namespace, names.LEASE, identity))
            return await elector.run(lambda: self._lead(FencedCluster(cluster, elector.is_leader)))
        finally:
            await cluster.close()

    async def _lead(self, cluster: Cluster) -> None:
        self._metrics.leader.set(1)
        self._controller = Controller(cluster, self._settings, self._catalog, self._metrics)
        try:
            await self._controller.run()
        finally:
            self._metrics.leader.set(0)
            self._controller = None

    def ages(self, now: float) -> dict[str, float]:
        """Seconds since each informer heard from the API server; empty while another process leads."""
        return self._controller.ages(now) if self._controller else {}


def _count(metrics: Metrics) -> Callable[[str, Kind, int], None]:
    def on_call(verb: str, kind: Kind, status: int) -> None:
        metrics.calls.labels(verb, kind.kind, str(status)).inc()

    return on_call
