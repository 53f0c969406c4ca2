"""The seam to the API server: what we ask of a cluster, and the real one over HTTP. I/O.

Objects are plain JSON dicts, and callers may keep them: nothing here holds on to what it returns.
"""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol

from inferfleet import errors
from inferfleet.kube.kinds import Kind, Obj, key_of, kind_of
from inferfleet.kube.transport import Call, Transport, from_status_object

APPLY = "application/apply-patch+yaml"  # JSON is YAML

OnCall = Callable[[str, Kind, int], None]
"""Called with verb, kind and HTTP status (0: no answer) after each call, for metrics."""


@dataclass(frozen=True)
class Listing:
    """A consistent view of a collection at one moment."""

    items: list[Obj]
    """Each with its apiVersion and kind."""
    resource_version: str
    """Where a watch goes on from."""


@dataclass(frozen=True)
class WatchEvent:
    """One line of a watch."""

    type: str
    """ADDED, MODIFIED, DELETED or BOOKMARK."""
    object: Obj
    """After the event; for DELETED as it was last; a bookmark has nothing but a resourceVersion."""


class Cluster(Protocol):
    """What this operator asks of an API server. Every method raises nothing but `errors` types.

    `Transient` can come from each; a write that raised it may have happened.
    """

    async def list(self, kind: Kind, *, namespace: str = "", selector: str = "", limit: int = 500) -> Listing:
        """All objects, of one namespace where given, matching the label selector; fetched `limit` at a time.

        NotFound: the server does not know the kind.
        """

    def watch(
        self, kind: Kind, resource_version: str, *, namespace: str = "", selector: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after `resource_version`; ends when the server closes it, after five to ten minutes.

        Gone: list again. NotFound: the server does not know the kind. Close the iterator when done early.
        """

    async def get(self, kind: Kind, namespace: str, name: str) -> Obj | None:
        """The object as it is now, or None."""

    async def apply(self, obj: Obj, manager: str) -> Obj:
        """Server-side apply of all `manager` wants of an object, except its status; taken by force.

        Fields the manager applied before and now leaves out are removed, unless another owns them too.
        Rejected: the request is wrong (unknown fields included) or forbidden.
        """

    async def apply_status(self, obj: Obj, manager: str) -> Obj:
        """As `apply`, of the status alone. NotFound: no such object."""

    async def create(self, obj: Obj) -> Obj:
        """Conflict with reason AlreadyExists: the name is taken."""

    async def replace(self, obj: Obj) -> Obj:
        """Write the whole object, except its status. Conflict: its resourceVersion is not the current one."""

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str = "") -> None:
        """Delete, what it owns afterwards in the background; already absent is fine.

        Conflict: the object there has another uid than the one given.
        """


class KubernetesCluster:
    """The real `Cluster`. Made by `connect.connect`; close it when done."""

    def __init__(self, transport: Transport, on_call: OnCall, rng: random.Random) -> None:
        self._transport = transport
        self._on_call = on_call
        self._rng = rng

    async def close(self) -> None:
        """Close all connections; running watches end with Transient."""
        await self._transport.close()

    async def list(self, kind: Kind, *, namespace: str = "", selector: str = "", limit: int = 500) -> Listing:
        query = _selecting(selector) | {"limit": str(limit)}
        items: list[Obj] = []
        while True:
            try:
                page = await self._call("list", kind, Call("GET", kind.path(namespace), query))
            except errors.Gone:
                if "continue" not in query:
                    raise
                # The pages left are no longer kept: one large answer instead, which cannot expire.
                return await self.list(kind, namespace=namespace, selector=selector, limit=0)
            items += (_typed(kind, item) for item in page.get("items") or ())
            if not (token := page["metadata"].get("continue")):
                return Listing(items, page["metadata"]["resourceVersion"])
            query = query | {"continue": token}

    async def watch(
        self, kind: Kind, resource_version: str, *, namespace: str = "", selector: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        query = _selecting(selector) | {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            # Spread, so that watches opened together do not end together.
            "timeoutSeconds": str(self._rng.randint(300, 600)),
        }
        call = Call("GET", kind.path(namespace), query)
        try:
            async with aclosing(self._transport.stream(call)) as lines:
                async for line in lines:
                    yield _event(kind, line)
        except errors.ApiError as e:
            self._on_call("watch", kind, e.status)
            raise
        self._on_call("watch", kind, 200)

    async def get(self, kind: Kind, namespace: str, name: str) -> Obj | None:
        try:
            return await self._object("get", kind, Call("GET", kind.path(namespace, name), {}))
        except errors.NotFound:
            return None

    async def apply(self, obj: Obj, manager: str) -> Obj:
        return await self._apply("apply", obj, manager, "")

    async def apply_status(self, obj: Obj, manager: str) -> Obj:
        return await self._apply("apply_status", obj, manager, "status")

    async def create(self, obj: Obj) -> Obj:
        kind = kind_of(obj)
        path = kind.path(obj["metadata"].get("namespace", ""))
        return await self._object("create", kind, Call("POST", path, _STRICT, obj))

    async def replace(self, obj: Obj) -> Obj:
        kind = kind_of(obj)
        return await self._object("replace", kind, Call("PUT", kind.path(*key_of(obj)), _STRICT, obj))

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str = "") -> None:
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        body = options | ({"preconditions": {"uid": uid}} if uid else {})
        try:
            await self._call("delete", kind, Call("DELETE", kind.path(namespace, name), {}, body))
        except errors.NotFound:
            return

    async def _apply(self, verb: str, obj: Obj, manager: str, subresource: str) -> Obj:
        kind = kind_of(obj)
        query = {"fieldManager": manager, "force": "true"} | _STRICT
        call = Call("PATCH", kind.path(*key_of(obj), subresource), query, obj)
        return await self._object(verb, kind, replace(call, content_type=APPLY))

    async def _object(self, verb: str, kind: Kind, call: Call) -> Obj:
        obj: Obj = await self._call(verb, kind, call)
        return obj

    async def _call(self, verb: str, kind: Kind, call: Call) -> Any:
        try:
            answer = await self._transport.request(call)
        except errors.ApiError as e:
            self._on_call(verb, kind, e.status)
            raise
        self._on_call(verb, kind, 200)
        return answer


_STRICT = {"fieldValidation": "Strict"}


def _selecting(selector: str) -> dict[str, str]:
    return {"labelSelector": selector} if selector else {}


def _typed(kind: Kind, item: Obj) -> Obj:
    """Built-in kinds come in lists without their type."""
    return {"apiVersion": kind.api_version, "kind": kind.kind} | item


def _event(kind: Kind, line: Any) -> WatchEvent:
    match line:
        case {"type": "ERROR", "object": dict(status)}:
            raise from_status_object(status)
        case {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str()}} as obj}:
            return WatchEvent("BOOKMARK", obj)
        case {
            "type": "ADDED" | "MODIFIED" | "DELETED" as event_type,
            "object": {"metadata": {"name": str(), "resourceVersion": str()}} as obj,
        }:
            return WatchEvent(event_type, obj)
    raise errors.Transient(f"a watch of {kind.plural} sent what is no event: {str(line)[:120]}")
