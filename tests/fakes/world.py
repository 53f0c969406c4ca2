"""The rules of the fake cluster's world: identity, versions, owners, selection. Pure."""

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fakes import fields
from fakes.fields import Owners

from inferfleet import errors
from inferfleet.kube.cluster import WatchEvent
from inferfleet.kube.kinds import DEPLOYMENT, OURS, POD, Kind, Obj

Key = tuple[Kind, str, str]
A_TIME = "2026-01-01T00:00:00Z"
_TIMES = {"creationTimestamp", "lastTransitionTime", "lastUpdateTime", "renewTime", "acquireTime", "startTime"}
_VOLATILE = _TIMES | {"uid", "resourceVersion", "generation", "observedGeneration", "managedFields", "podIP"}
_VERSIONED = {DEPLOYMENT, POD, *OURS}
"""Kinds of which the server counts generations."""


class Impossible(AssertionError):  # noqa: N818  a verdict on a world
    """A world that no correct operator makes."""


@dataclass
class Stored:
    """An object and who owns which of its fields."""

    obj: Obj
    owners: Owners


@dataclass(frozen=True)
class Entry:
    """One change of the history."""

    version: int
    kind: Kind
    new: Obj | None
    old: Obj | None

    def event(self, matches: Callable[[Obj], bool]) -> WatchEvent | None:
        """What a watch with a selector sees of it: an object that stops matching was deleted for it."""
        now = self.new is not None and matches(self.new)
        before = self.old is not None and matches(self.old)
        if now and self.new is not None:
            return WatchEvent("MODIFIED" if before else "ADDED", self.new)
        if before:
            last = copy.deepcopy(self.new or self.old or {})
            last["metadata"]["resourceVersion"] = str(self.version)
            return WatchEvent("DELETED", last)
        return None


def named(obj: Obj, numbers: Iterator[int]) -> Obj:
    """With a name made from `generateName`, where there is only that."""
    meta = obj.get("metadata") or {}
    if meta.get("name") or not meta.get("generateName"):
        return obj | {"metadata": {"name": ""} | meta}
    return obj | {"metadata": meta | {"name": f"{meta['generateName']}{next(numbers):05d}"}}


def with_identity(obj: Obj, old: Obj | None, numbers: Iterator[int]) -> Obj:
    """With the metadata that only the server writes."""
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion")}
    if old is None:
        meta |= {"uid": f"00000000-0000-4000-8000-{next(numbers):012d}", "creationTimestamp": A_TIME}
    else:
        kept = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "resourceVersion")
        meta |= {k: old["metadata"][k] for k in kept if k in old["metadata"]}
    return obj | {"metadata": meta}


def bump_generation(kind: Kind, new: Obj, old: Obj | None) -> None:
    """Count changes of what is wanted, not of metadata or status."""
    if kind not in _VERSIONED:
        return
    before = old["metadata"]["generation"] if old else 0
    new["metadata"]["generation"] = before + (old is None or _wanted(new) != _wanted(old))


def _wanted(obj: Obj) -> Obj:
    return {k: v for k, v in obj.items() if k not in ("metadata", "status")}


def without_status(obj: Obj) -> Obj:
    """What the main resource takes of a write."""
    return copy.deepcopy({k: v for k, v in obj.items() if k != "status"})


def only_status(obj: Obj) -> Obj:
    """What the status subresource takes of a write."""
    meta = {k: v for k, v in obj["metadata"].items() if k in ("name", "namespace")}
    return copy.deepcopy({k: v for k, v in obj.items() if k in ("apiVersion", "kind", "status")} | {"metadata": meta})


def managed_fields(owners: Owners) -> list[Obj]:
    """Who manages what."""
    entries = (
        {"manager": m, "operation": op, "subresource": sub, "fieldsV1": fields.fields_v1(owners[(m, op, sub)])}
        for m, op, sub in sorted(owners)
    )
    return [{k: v for k, v in entry.items() if v} for entry in entries]


def check_preconditions(obj: Obj, stored: Stored | None) -> None:
    """Raise Conflict when a write names another uid or resourceVersion than the live one."""
    meta = obj["metadata"]
    if "managedFields" in meta and "resourceVersion" not in meta:
        raise errors.Rejected("metadata.managedFields must be nil", status=400, reason="BadRequest")
    for name in ("uid", "resourceVersion"):
        if meta.get(name) and (stored is None or stored.obj["metadata"][name] != meta[name]):
            message = f"the object has been modified: {name} {meta[name]} is not the current one"
            raise errors.Conflict(message, status=409, reason="Conflict")


def check_owners(obj: Obj, others: Iterable[Obj]) -> None:
    """Raise Impossible for an owner that is not there: the garbage collector would delete the child."""
    references = obj["metadata"].get("ownerReferences", ())
    if not references:
        return
    there = {o["metadata"]["uid"]: o for o in others}
    for reference in references:
        owner = there.get(reference["uid"])
        if owner is None or (owner["kind"], owner["metadata"]["name"]) != (reference["kind"], reference["name"]):
            raise Impossible(f"{obj['kind']} {obj['metadata']['name']}: no such owner: {reference}")
        if owner["metadata"].get("namespace", obj["metadata"].get("namespace")) != obj["metadata"].get("namespace"):
            raise Impossible(f"{obj['kind']} {obj['metadata']['name']}: owner in another namespace")


def orphans(objects: Iterable[Obj]) -> list[Obj]:
    """Objects all of whose owners are gone."""
    objects = list(objects)
    there = {obj["metadata"]["uid"] for obj in objects}
    owned = ((obj, obj["metadata"].get("ownerReferences") or ()) for obj in objects)
    return [obj for obj, refs in owned if refs and not any(ref["uid"] in there for ref in refs)]


def matcher(namespace: str, selector: str) -> Callable[[Obj], bool]:
    """Whether an object is in the namespace and has the labels; understands a=b, a!=b, a in (b,c), a and !a."""
    terms = [t.strip() for t in re.split(r",(?![^(]*\))", selector) if t.strip()]

    def matches(obj: Obj) -> bool:
        labels = obj["metadata"].get("labels") or {}
        here = not namespace or obj["metadata"].get("namespace") == namespace
        return here and all(_holds(term, labels) for term in terms)

    return matches


def _holds(term: str, labels: dict[str, str]) -> bool:
    if within := re.fullmatch(r"(\S+) in \((.*)\)", term):
        return labels.get(within[1]) in [v.strip() for v in within[2].split(",")]
    if "!=" in term:
        key, value = term.split("!=")
        return labels.get(key) != value
    if "=" in term:
        key, value = re.split("==?", term)
        return labels.get(key) == value
    return term[1:] not in labels if term.startswith("!") else term in labels


def normalised(objects: Iterable[Obj]) -> dict[str, Obj]:
    """By "Kind namespace/name", without what differs between two runs that mean the same."""
    return {
        f"{obj['kind']} {obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}": _clean(obj)
        for obj in sorted(objects, key=lambda o: (o["kind"], str(o["metadata"])))
    }


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items() if k not in _VOLATILE}
    if isinstance(value, list):
        return [_clean(v) for v in value]
    return value
