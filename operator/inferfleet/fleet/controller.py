"""The shell around the pure steps: informers wake keys, workers reconcile them, a loop scales. Reads and writes.

One instance lives for one term of leadership; all that it remembers can be read from the cluster again.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from inferfleet import errors, names
from inferfleet.catalog.loader import Catalog
from inferfleet.costing.types import Tokens
from inferfleet.fleet.accepting import Accepting
from inferfleet.fleet.costs import Costs
from inferfleet.fleet.decisions import stamped
from inferfleet.fleet.gather import gather
from inferfleet.fleet.index import Index
from inferfleet.fleet.observe import Stores, utc_now
from inferfleet.fleet.pages import Reader
from inferfleet.fleet.placer import Placer
from inferfleet.fleet.profile_status import profile_status
from inferfleet.fleet.profiles import profile_objects
from inferfleet.fleet.reconcile import Context, Decided, reconcile
from inferfleet.fleet.scaler import Scaler
from inferfleet.fleet.series import FleetSeries, note
from inferfleet.fleet.trim import same, same_but_status, trim_of
from inferfleet.fleet.types import Key, Obj
from inferfleet.kube import kinds
from inferfleet.kube.cluster import Cluster
from inferfleet.kube.informer import Informer, Scope
from inferfleet.kube.informers import Informers
from inferfleet.kube.kinds import Kind
from inferfleet.kube.queue import Priority, WorkQueue, work
from inferfleet.kube.scrape import Scraper
from inferfleet.kube.turns import in_turns
from inferfleet.metrics import Metrics
from inferfleet.settings import Settings

log = logging.getLogger(__name__)

_CLUSTER_WIDE = (kinds.WORKLOAD_CLASS, kinds.HARDWARE_POOL, kinds.CAPACITY_PROFILE, kinds.NODE, kinds.NAMESPACE)
"""A change of one of these may concern every Model."""
_JUDGED = (kinds.WORKLOAD_CLASS, kinds.HARDWARE_POOL)
"""Their status is ours: each write of it would wake the whole fleet."""
_CHILDREN = (
    kinds.DEPLOYMENT,
    kinds.SERVICE,
    kinds.CONFIG_MAP,
    kinds.POD_DISRUPTION_BUDGET,
    kinds.NETWORK_POLICY,
    kinds.POD,
)

PLACING_RETRY_SECONDS = 10.0


@dataclass
class _Memory:
    """What outlives a reconcile; lost at a restart without harm."""

    status_written: dict[Key, datetime] = field(default_factory=dict)
    profiles: dict[str, Obj] = field(default_factory=dict)


class Controller:
    """Run it with `run`."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        catalog: Catalog,
        metrics: Metrics,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._cluster, self._settings, self._metrics, self._now = cluster, settings, metrics, now
        self._context = Context(cluster, settings, catalog, self._written)
        self._queue: WorkQueue[Key] = WorkQueue()
        self._scaler = Scaler(settings.signal_max_age)
        self._pages = Reader()
        self._costs = Costs(catalog)
        self._placer = Placer(catalog)
        self._memory = _Memory()
        self._index = Index(settings.capacity_max_age)
        self._accepting = Accepting(cluster, catalog, self._written, now)
        self._informers = Informers(
            {
                kind: {name: self._informer(kind, name) for name in _namespaces(kind, settings)}
                for kind in (kinds.MODEL, *_CLUSTER_WIDE, *_CHILDREN)
            }
        )

    def _informer(self, kind: Kind, namespace: str) -> Informer:
        scope = Scope(kind, names.MANAGED_SELECTOR if kind in _CHILDREN else "", namespace)
        return Informer(
            self._cluster,
            scope,
            lambda old, new: self._changed(kind, old, new),
            trim_of(kind),
        )

    async def run(self) -> None:
        """Until cancelled. No write before every informer has its first list."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run())
            for informer in self._informers:
                await informer.synced.wait()
            log.info("synced", extra={"models": len(self._informers.items(kinds.MODEL))})
            self._placer.expect(self._informers.items(kinds.MODEL))
            group.create_task(self._accepting.run(self._stores))
            group.create_task(self._scaling())
            group.create_task(self._placing())
            group.create_task(work(self._queue, self._reconcile, self._settings.workers, self._failed))

    def ages(self, now: float) -> dict[str, float]:
        """Seconds since each informer last heard from the API server."""
        return self._informers.ages(now)

    # --- waking -----------------------------------------------------------------------------

    def _changed(self, kind: Kind, old: Obj | None, new: Obj | None) -> None:
        self._index.changed(kind, old, new)
        if same(old, new):
            return
        obj = new or old
        assert obj
        if kind == kinds.MODEL:
            self._queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]), Priority.USER)
        elif kind in _CLUSTER_WIDE:
            self._accepting.wake()
            self._placer.wake()
            if kind in _JUDGED and same_but_status(old, new):
                return
            for key in self._informers.items(kinds.MODEL):
                self._queue.add(key, Priority.USER)
        elif model := obj["metadata"].get("labels", {}).get(names.LABEL_MODEL):
            self._queue.add((obj["metadata"]["namespace"], model), Priority.CHILD)

    def _written(self, obj: Obj) -> None:
        self._informers.note(obj)

    def _failed(self, key: Key, error: Exception) -> None:
        self._metrics.reconciles.labels(type(error).__name__).inc()
        self._placer.heard(key)

    # --- reconciling ------------------------------------------------------------------------

    def _stores(self) -> Stores:
        return gather(self._informers.items)

    async def _reconcile(self, key: Key) -> float | None:
        now = self._now()
        decided = Decided(
            self._scaler.decisions(key),
            self._scaler.served(key),
            self._memory.status_written.get(key),
            self._placer.assigned(key),
            self._costs.observed(key),
            stamped(self._scaler.recent(key), now, time.monotonic()),
        )
        with self._metrics.reconcile_seconds.time():
            stores = self._index.stores(key, self._stores(), now)
            result = await reconcile(key, stores, decided, self._context, now)
        self._metrics.reconciles.labels("ok").inc()
        self._metrics.queue.set(len(self._queue))
        self._costs.plan(key, result.plan if result else None)
        if result is None:
            self._scaler.plan(key, None, {})
            self._placer.note(key, None)
            self._memory.status_written.pop(key, None)
            return None
        self._scaler.plan(key, result.plan, result.ledger, result.configs)
        self._placer.note(key, result.plan)
        self._memory.profiles |= profile_objects(result.plan)
        if result.status_written:
            self._memory.status_written[key] = now
        return result.recheck

    # --- placing ----------------------------------------------------------------------------

    async def _placing(self) -> None:
        """A round when something changed, and every minute; one that fails is logged and the next one comes."""
        while True:
            await self._placer.wait()
            try:
                found = await self._placer.round(self._stores(), self._scaler.demands())
            except Exception:  # each workload goes on choosing alone
                log.exception("placing the fleet failed")
                self._metrics.placing_rounds.labels("failed").inc()
                self._placer.failed()
                await asyncio.sleep(PLACING_RETRY_SECONDS)
                continue
            if found is None:
                continue
            self._metrics.placing_rounds.labels(found.result).inc()
            self._metrics.placing_seconds.observe(found.seconds)
            self._metrics.placing_gap.set(found.plan.gap)
            for key in found.moved:
                self._queue.add(key, Priority.CHILD)

    # --- scaling ----------------------------------------------------------------------------

    async def _scaling(self) -> None:
        """A round every few seconds; one that fails is logged and the next one comes."""
        scraper = Scraper(self._settings.scrape_timeout)
        try:
            while True:
                began = time.monotonic()
                try:
                    await self._round(scraper)
                except errors.ApiError as error:
                    log.warning("scaling round failed", extra={"error": str(error)})
                except Exception:  # a bug met by one workload must not end the whole fleet's scaling
                    log.exception("scaling round failed")
                self._metrics.loop_seconds.observe(time.monotonic() - began)
                await asyncio.sleep(max(0.1, self._settings.scale_interval - (time.monotonic() - began)))
        finally:
            self._show(FleetSeries())  # who leads next shows the fleet
            self._metrics.computed.set_all({})
            await scraper.close()

    async def _round(self, scraper: Scraper) -> None:
        urls = self._scaler.urls(self._informers.items(kinds.POD).values())
        answers = await scraper.scrape(urls)
        tenants = await self._hear(urls, answers)
        self._show(await self._series())
        decided = self._scaler.decide(self._informers.items(kinds.POD).values(), time.monotonic())
        async for key, changed in in_turns(decided):
            if changed:
                self._queue.add(key, Priority.CHILD)
        computed = self._scaler.computed().items()
        self._metrics.computed.set_all({(*key, class_): float(count) for (key, class_), count in computed})
        await self._charge(tenants)
        await self._record()

    async def _hear(self, urls: Mapping[str, str], answers: Mapping[str, bytes]) -> dict[str, Mapping[str, Tokens]]:
        """Tell the scaler; what tenants were counted by each pod."""
        now, used, tenants = time.monotonic(), 0, {}
        self._scaler.asked(urls, now)
        async for uid, page in in_turns(self._pages.read(answers, now)):
            tenants[uid] = page.tenants
            if page.sample:
                self._scaler.heard(uid, page.sample)
                used += 1
        self._metrics.scrapes.labels("ok").inc(used)
        self._metrics.scrapes.labels("failed").inc(len(urls) - used)
        return tenants

    async def _charge(self, tenants: Mapping[str, Mapping[str, Tokens]]) -> None:
        """After deciding: books can wait, replicas cannot."""
        now = time.monotonic()
        self._costs.heard(tenants)
        async for charges in in_turns(self._costs.round(self._stores(), self._scaler.windows(), now)):
            self._metrics.spent.add(charges)
        self._metrics.spent.keep(self._informers.items(kinds.MODEL).keys(), now)

    async def _series(self) -> FleetSeries:
        found = FleetSeries()
        async for model in in_turns(list(self._informers.items(kinds.MODEL).values())):
            note(found, model)
        return found

    def _show(self, series: FleetSeries) -> None:
        self._metrics.models.set(len(self._informers.items(kinds.MODEL)))
        self._metrics.conditions.set_all(series.conditions)
        self._metrics.replicas.set_all(series.replicas)
        self._metrics.costs.set_all(series.costs)

    async def _record(self) -> None:
        """Write measured capacities that differ from the stored ones."""
        now, max_age = self._now(), self._settings.capacity_max_age
        stored = self._index.common(self._stores(), now).ledger
        for name, measured in self._scaler.capacities().items():
            profile = self._memory.profiles.get(name)
            status = profile and profile_status(profile, measured, stored, now, max_age)
            if profile and status:
                if ("", name) not in self._informers.items(kinds.CAPACITY_PROFILE):
                    self._written(await self._cluster.apply(profile, names.MANAGER))
                self._written(await self._cluster.apply_status(status, names.STATUS_MANAGER))


def _namespaces(kind: Kind, settings: Settings) -> tuple[str, ...]:
    """What to watch of a kind: everything, or where Models are served."""
    return settings.watch_namespaces if kind.namespaced and settings.watch_namespaces else ("",)
