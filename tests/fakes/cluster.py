"""A strict API server in memory: the same `Cluster` protocol, the same refusals, and faults on demand.

`tests/fakes/conformance.py` runs against this and against a real kube-apiserver, so that what is believed here
is true there. Methods of the protocol play the operator and are recorded in `writes`; `put`, `edit` and `remove`
play everybody else and are not. It knows no namespaces as objects, no admission but `admission.py`, and it
collects garbage at once, which the real one does within seconds.
"""

import asyncio
import copy
import itertools
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from fakes import admission, faults, fields, workloads, world
from fakes.faults import Fault, Stopped, Write
from fakes.world import Entry, Impossible, Key, Stored

from inferfleet import errors
from inferfleet.kube.cluster import Listing, WatchEvent
from inferfleet.kube.kinds import Kind, Obj, key_of, kind_of

__all__ = ["FakeCluster", "Fault", "Impossible", "Stopped", "Write"]

SOMEBODY = "kubectl-edit"
T = TypeVar("T")


@dataclass(eq=False)
class _Watcher:
    kind: Kind
    matches: Callable[[Obj], bool]
    queue: "asyncio.Queue[WatchEvent | BaseException | None]" = field(default_factory=asyncio.Queue)


class FakeCluster:
    """An empty cluster that knows every kind of `kinds.KINDS`, except those put in `absent_kinds`."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        """Every write the operator sent, refused and lost ones included."""
        self.faults = faults.Faults()
        self.errors = self.faults.errors
        """Errors to answer with; append a `Fault`."""
        self.absent_kinds: set[Kind] = set()
        self.on_event: Callable[[WatchEvent], Iterable[WatchEvent]] = lambda event: (event,)
        """What a watch delivers for an event: none drops it, two duplicate it."""
        self.version = 1
        self._objects: dict[Key, Stored] = {}
        self._history: list[Entry] = []
        self._compacted = 0
        self._watchers: set[_Watcher] = set()
        self._numbers = itertools.count(1)

    # The protocol: what the operator does.

    async def list(self, kind: Kind, *, namespace: str = "", selector: str = "", limit: int = 500) -> Listing:
        await self._enter("list", kind)
        matches = world.matcher(namespace, selector)
        items = [s.obj for key, s in sorted(self._objects.items(), key=str) if key[0] == kind and matches(s.obj)]
        return Listing(copy.deepcopy(items), str(self.version))

    async def watch(
        self, kind: Kind, resource_version: str, *, namespace: str = "", selector: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        await self._enter("watch", kind)
        since = int(resource_version)
        if since < self._compacted:
            raise errors.Gone(f"too old resource version: {since} ({self._compacted})", status=410)
        watcher = _Watcher(kind, world.matcher(namespace, selector))
        for entry in self._history:
            if entry.version > since:
                self._deliver(watcher, entry)
        self._watchers.add(watcher)
        try:
            while (item := await watcher.queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self._watchers.discard(watcher)

    async def get(self, kind: Kind, namespace: str, name: str) -> Obj | None:
        kind.path(namespace, name)  # refuses what the real client refuses
        try:
            await self._enter("get", kind)
        except errors.NotFound:
            return None
        return self.peek(kind, namespace, name)

    async def apply(self, obj: Obj, manager: str) -> Obj:
        owner = (manager, "Apply", "")
        return await self._write("apply", kind_of(obj), key_of(obj), lambda: self._apply(obj, owner))

    async def apply_status(self, obj: Obj, manager: str) -> Obj:
        owner = (manager, "Apply", "status")
        return await self._write("apply_status", kind_of(obj), key_of(obj), lambda: self._apply(obj, owner))

    async def create(self, obj: Obj) -> Obj:
        obj = world.named(obj, self._numbers)
        return await self._write("create", kind_of(obj), key_of(obj), lambda: self._create(obj, "operator"))

    async def replace(self, obj: Obj) -> Obj:
        return await self._write("replace", kind_of(obj), key_of(obj), lambda: self._replace(obj, "operator"))

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str = "") -> None:
        await self._write("delete", kind, (namespace, name), lambda: self._delete((kind, namespace, name), uid))

    # What everybody else does: users, other controllers, the kubelet.

    def peek(self, kind: Kind, namespace: str, name: str) -> Obj | None:
        """The object, without a call."""
        stored = self._objects.get((kind, namespace, name))
        return copy.deepcopy(stored.obj) if stored else None

    def all(self, kind: Kind) -> tuple[Obj, ...]:
        """Every object of a kind, without a call."""
        return tuple(copy.deepcopy(s.obj) for key, s in self._objects.items() if key[0] == kind)

    def put(self, obj: Obj) -> Obj:
        """Somebody creates the object, or replaces it whatever its version; its status is taken too."""
        obj = world.named(obj, self._numbers)
        live = self.peek(kind_of(obj), *key_of(obj))
        if live is None:
            stored = self._create(obj, SOMEBODY)
        else:
            version = live["metadata"]["resourceVersion"]
            stored = self._replace(obj | {"metadata": obj["metadata"] | {"resourceVersion": version}}, SOMEBODY)
        if "status" not in obj:
            return copy.deepcopy(stored)
        return copy.deepcopy(self._set_status(obj))

    def edit(self, kind: Kind, namespace: str, name: str, change: Callable[[Obj], None]) -> Obj:
        """Somebody changes the object in place."""
        obj = self.peek(kind, namespace, name)
        assert obj is not None, f"no {kind.kind} {namespace}/{name} to edit"
        change(obj)
        return self.put(obj)

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Somebody deletes the object."""
        self._delete((kind, namespace, name), "")

    def settle_deployments(self, ready: bool = True) -> None:
        """Play deployment controller and kubelet until nothing is left to do."""
        workloads.settle(self, ready=ready)

    def snapshot(self) -> dict[str, Obj]:
        """The world without versions, uids and times, for comparing worlds."""
        return world.normalised(stored.obj for stored in self._objects.values())

    # Faults.

    def fail_before(self, n: int) -> None:
        """Stop the operator instead of its n-th write from now (1 is the next)."""
        self.faults.stop(len(self.writes) + n, after=False)

    def fail_after(self, n: int) -> None:
        """Stop the operator after its n-th write from now took effect, before it hears of it."""
        self.faults.stop(len(self.writes) + n, after=True)

    def restart(self) -> None:
        """A new operator may call again; its watches begin anew."""
        self.faults.stopped = None
        self.cut_watches()

    def cut_watches(self, error: errors.ApiError | None = None) -> None:
        """End all watches, cleanly or with an error."""
        for watcher in tuple(self._watchers):
            watcher.queue.put_nowait(error)

    def bookmark(self) -> None:
        """Send all watches the current version."""
        mark = WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})
        for watcher in self._watchers:
            watcher.queue.put_nowait(mark)

    def compact(self) -> None:
        """Forget the history: a watch from before now gets 410."""
        self._history.clear()
        self._compacted = self.version

    async def _enter(self, verb: str, kind: Kind) -> None:
        await asyncio.sleep(0)  # a call of a real cluster lets others run
        self.faults.before(verb, kind)
        if kind in self.absent_kinds:
            raise errors.NotFound("the server could not find the requested resource", status=404)

    async def _write(self, verb: str, kind: Kind, key: tuple[str, str], act: Callable[[], T]) -> T:
        kind.path(*key)  # refuses what the real client refuses
        await asyncio.sleep(0)
        self.faults.before_write(len(self.writes) + 1)
        self.writes.append(Write(verb, kind.kind, *key))
        self.faults.before(verb, kind)
        if kind in self.absent_kinds:
            raise errors.NotFound("the server could not find the requested resource", status=404)
        result = copy.deepcopy(act())
        self.faults.after_write(len(self.writes), verb, kind)
        return result

    # The server's side.

    def _apply(self, obj: Obj, owner: fields.Owner) -> Obj:
        kind, key = kind_of(obj), key_of(obj)
        stored = self._objects.get((kind, *key))
        world.check_preconditions(obj, stored)
        if owner[2] == "status":
            if stored is None:
                raise errors.NotFound(f'{kind.plural} "{key[1]}" not found', status=404, reason="NotFound")
            obj = world.only_status(obj)
        else:
            obj = world.without_status(obj)
        blank = {"apiVersion": kind.api_version, "kind": kind.kind}
        live, owners = (stored.obj, stored.owners) if stored else (blank, {})
        new, owners = fields.apply(live, obj, owners, owner)
        return self._store(kind, new, owners, stored)

    def _create(self, obj: Obj, manager: str) -> Obj:
        kind, key = kind_of(obj), key_of(obj)
        if (kind, *key) in self._objects:
            message = f'{kind.plural} "{key[1]}" already exists'
            raise errors.Conflict(message, status=409, reason="AlreadyExists")
        obj = world.without_status(obj)
        return self._store(kind, obj, fields.update({}, obj, {}, (manager, "Update", "")), None)

    def _replace(self, obj: Obj, manager: str) -> Obj:
        kind, key = kind_of(obj), key_of(obj)
        stored = self._objects.get((kind, *key))
        if stored is None:
            raise errors.NotFound(f'{kind.plural} "{key[1]}" not found', status=404, reason="NotFound")
        if not obj["metadata"].get("resourceVersion"):
            raise errors.Rejected("metadata.resourceVersion: must be specified for an update", status=422)
        world.check_preconditions(obj, stored)
        new = world.without_status(obj) | ({"status": stored.obj["status"]} if "status" in stored.obj else {})
        return self._store(kind, new, fields.update(stored.obj, new, stored.owners, (manager, "Update", "")), stored)

    def _set_status(self, obj: Obj) -> Obj:
        kind = kind_of(obj)
        stored = self._objects[(kind, *key_of(obj))]
        new = stored.obj | {"status": copy.deepcopy(obj["status"])}
        owner = (SOMEBODY, "Update", "status")
        return self._store(kind, new, fields.update(stored.obj, new, stored.owners, owner), stored)

    def _delete(self, key: Key, uid: str) -> None:
        stored = self._objects.get(key)
        if stored is None:
            return
        if uid and stored.obj["metadata"]["uid"] != uid:
            raise errors.Conflict(f"the UID in the precondition ({uid}) does not match", status=409)
        if not stored.obj["metadata"].get("finalizers"):
            self._drop(key, stored.obj)
        elif "deletionTimestamp" not in stored.obj["metadata"]:
            meta = stored.obj["metadata"] | {"deletionTimestamp": world.A_TIME}
            self._commit(key, Stored(stored.obj | {"metadata": meta}, stored.owners), stored.obj)

    def _store(self, kind: Kind, new: Obj, owners: fields.Owners, old: Stored | None) -> Obj:
        new = admission.with_defaults(world.with_identity(new, old.obj if old else None, self._numbers))
        admission.admit(new, old.obj if old else None, namespaced=kind.namespaced)
        world.check_owners(new, [s.obj for s in self._objects.values()])
        new["metadata"]["managedFields"] = world.managed_fields(owners)
        if old is not None and new == old.obj and owners == old.owners:
            return new  # as the real server: no new version for nothing
        key = (kind, *key_of(new))
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            self._drop(key, new)
            return new
        world.bump_generation(kind, new, old.obj if old else None)
        return self._commit(key, Stored(new, owners), old.obj if old else None)

    def _commit(self, key: Key, stored: Stored, old: Obj | None) -> Obj:
        self.version += 1
        stored.obj["metadata"]["resourceVersion"] = str(self.version)
        self._objects[key] = stored
        self._record(Entry(self.version, key[0], copy.deepcopy(stored.obj), copy.deepcopy(old)))
        return stored.obj

    def _drop(self, key: Key, last: Obj) -> None:
        del self._objects[key]
        self.version += 1
        gone = copy.deepcopy(last)
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._record(Entry(self.version, key[0], None, gone))
        for orphan in world.orphans(stored.obj for stored in self._objects.values()):
            self._delete((kind_of(orphan), *key_of(orphan)), "")

    def _record(self, entry: Entry) -> None:
        self._history.append(entry)
        for watcher in self._watchers:
            self._deliver(watcher, entry)

    def _deliver(self, watcher: _Watcher, entry: Entry) -> None:
        if watcher.kind != entry.kind or (event := entry.event(watcher.matches)) is None:
            return
        for delivered in self.on_event(event):
            watcher.queue.put_nowait(copy.deepcopy(delivered))
