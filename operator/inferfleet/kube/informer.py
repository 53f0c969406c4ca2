"""A copy of one kind's objects that follows the API server. Reads.

It lists, then watches from there. A list is compared with the copy, so that what was deleted while no watch
ran is noticed; a list is taken again when the server no longer keeps the history (410) and from time to time
whatever happens, which bounds the life of any mistake.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import MappingProxyType

from inferfleet import errors
from inferfleet.kube.cluster import Cluster, Listing
from inferfleet.kube.kinds import Kind, Obj, key_of
from inferfleet.kube.timing import Timing, backoff

Key = tuple[str, str]
"""(namespace, name)"""
OnChange = Callable[[Obj | None, Obj | None], None]
"""Told of (old, new): (None, new) for one that appeared, (old, None) for one that went. Must not raise."""
Trim = Callable[[Obj], Obj]

BETWEEN_WATCHES_SECONDS = 1.0
"""A server that closes each watch at once is asked once a second, not thousands of times."""
FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
KIND_ABSENT_SECONDS = 5.0
RELIST_SECONDS = 600.0
OLD_LISTS_BEFORE_BELIEF = 8
"""A server that lags may list an older state than the one known; after so many in a row (about two minutes)
it is no lag but a restored backup, and the list is believed."""

log = logging.getLogger(__name__)


def trim_metadata(obj: Obj) -> Obj:
    """Without `managedFields` and kubectl's copy of the object: much memory, and nothing decides on them."""
    meta = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    if "annotations" in meta:
        hidden = "kubectl.kubernetes.io/last-applied-configuration"
        meta["annotations"] = {k: v for k, v in meta["annotations"].items() if k != hidden}
    return obj | {"metadata": meta}


@dataclass(frozen=True)
class Scope:
    """What an informer follows."""

    kind: Kind
    selector: str = ""
    """A label selector; empty for all."""
    namespace: str = ""
    """Empty for all."""


class Informer:
    """Run it with `run`, wait for `synced`, then read. Callers must not change what they read."""

    def __init__(
        self,
        cluster: Cluster,
        scope: Scope,
        on_change: OnChange,
        trim: Trim = trim_metadata,
        timing: Timing | None = None,
    ) -> None:
        self.synced = asyncio.Event()
        """Set when the first list is in; never while the server does not know the kind."""
        self.last_contact = float("-inf")
        """When, on the timing's clock, the server last told us anything: for a probe of freshness."""
        self._cluster = cluster
        self._scope = scope
        self._on_change = on_change
        self._trim = trim
        self._timing = timing or Timing()
        self._objects: dict[Key, Obj] = {}
        self._deleted: dict[Key, int] = {}
        self._position = ""
        self._must_list = True
        self._relist_at = float("-inf")
        self._failures = 0
        self._old_lists = 0

    def items(self) -> Mapping[Key, Obj]:
        """All objects, as a view that follows."""
        return MappingProxyType(self._objects)

    def get(self, namespace: str, name: str) -> Obj | None:
        """One object."""
        return self._objects.get((namespace, name))

    def note(self, obj: Obj) -> None:
        """Take in what a write of ours returned, so that nobody decides on the state before it."""
        self._store(obj)

    async def run(self) -> None:
        """Follow the server until cancelled; no error of the API ends it."""
        while True:
            began = self._timing.clock()
            pause = await self._round()
            since = self._timing.clock() - began
            await self._timing.sleep(max(pause, BETWEEN_WATCHES_SECONDS - since))

    async def _round(self) -> float:
        """List where needed, watch until the watch ends; seconds to wait before the next round."""
        try:
            if self._must_list or self._timing.clock() >= self._relist_at:
                await self._list()
            await self._watch()
        except errors.NotFound:
            return self._absent()
        except errors.ApiError as e:
            return self._failed(e)
        self._failures = 0
        return 0.0

    def _absent(self) -> float:
        self._failures += 1
        if self._failures == 1:
            log.warning("the server does not know this kind", extra={"kind": self._scope.kind.kind})
        self._replace({})
        self._position, self._must_list = "", True
        return KIND_ABSENT_SECONDS

    def _failed(self, error: errors.ApiError) -> float:
        self._failures += 1
        self._must_list = self._must_list or isinstance(error, errors.Gone)
        log.warning(
            "a list or watch failed",
            extra={"kind": self._scope.kind.kind, "error": error.message, "failures": self._failures},
        )
        pause = backoff(
            self._failures,
            base=FIRST_BACKOFF_SECONDS,
            cap=MAX_BACKOFF_SECONDS,
            jitter=self._timing.jitter(),
        )
        return max(pause, getattr(error, "retry_after", None) or 0.0)

    async def _list(self) -> None:
        scope = self._scope
        listing = await self._cluster.list(scope.kind, namespace=scope.namespace, selector=scope.selector)
        self._refuse_old(listing)
        self._replace({key_of(item): self._trim(item) for item in listing.items})
        self._position, self._must_list = listing.resource_version, False
        self._heard()
        # Spread, so that the kinds do not list together for ever.
        self._relist_at = self._timing.clock() + RELIST_SECONDS * (1 - self._timing.jitter() / 5)
        self.synced.set()

    def _refuse_old(self, listing: Listing) -> None:
        known = self._newest_known()
        if known and _is_newer(known, listing.resource_version):
            self._old_lists += 1
            if self._old_lists < OLD_LISTS_BEFORE_BELIEF:
                raise errors.Transient(
                    f"the server listed {self._scope.kind.plural} as of {listing.resource_version}, "
                    "older than what it said before"
                )
        self._old_lists = 0

    def _newest_known(self) -> str:
        versions = [_version(obj) for obj in self._objects.values()]
        return str(max((int(v) for v in (*versions, self._position) if v.isdigit()), default=""))

    def _replace(self, objects: dict[Key, Obj]) -> None:
        """Make the copy equal to a list, telling of each difference."""
        before, self._objects = self._objects, objects
        self._deleted.clear()
        for key in before.keys() - objects.keys():
            self._on_change(before[key], None)
        for key, obj in objects.items():
            old = before.get(key)
            if old is None or _version(old) != _version(obj):
                self._on_change(old, obj)

    async def _watch(self) -> None:
        scope = self._scope
        events = self._cluster.watch(scope.kind, self._position, namespace=scope.namespace, selector=scope.selector)
        async with aclosing(events):
            async for event in events:
                self._heard()
                self._failures = 0
                if event.type == "DELETED":
                    self._forget(event.object)
                elif event.type != "BOOKMARK":
                    self._store(event.object)
                if _is_newer(_version(event.object), self._position):
                    self._position = _version(event.object)
                if self._timing.clock() >= self._relist_at:
                    return

    def _store(self, obj: Obj) -> None:
        key = key_of(obj)
        old = self._objects.get(key)
        # Twice or out of order: a proxy or a server that lags repeats the past.
        if old is not None and not _is_newer(_version(obj), _version(old)):
            return
        if key in self._deleted and not _is_newer(_version(obj), str(self._deleted[key])):
            return
        self._objects[key] = new = self._trim(obj)
        self._on_change(old, new)

    def _forget(self, obj: Obj) -> None:
        key = key_of(obj)
        old = self._objects.get(key)
        if old is None or _is_newer(_version(old), _version(obj)):
            return
        if _version(obj).isdigit():
            self._deleted[key] = int(_version(obj))
        del self._objects[key]
        self._on_change(old, None)

    def _heard(self) -> None:
        self.last_contact = self._timing.clock()


def _version(obj: Obj) -> str:
    return str(obj["metadata"].get("resourceVersion", ""))


def _is_newer(version: str, than: str) -> bool:
    """Versions of one kind compare as integers (KEP-5504); else any difference is taken as newer."""
    if version.isdigit() and than.isdigit():
        return int(version) > int(than)
    return version != than
