"""Server-side apply for the fake cluster: which manager owns which field, and what a merge gives. Pure.

A field is a path. Maps are owned key by key, lists of maps item by item where Kubernetes declares their keys,
all other lists as a whole, as in the structured-merge-diff of the real server.
"""

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Obj = dict[str, Any]


class Item(NamedTuple):
    """An element of a list of maps, by the values of its key fields."""

    keys: tuple[tuple[str, Any], ...]


class Member(NamedTuple):
    """An element of a list that is a set."""

    value: Any


Path = tuple[Any, ...]
Owner = tuple[str, str, str]
"""(manager, operation, subresource); operation is Apply or Update."""
Owners = Mapping[Owner, frozenset[Path]]

_CORE_LISTS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
_ANY_LISTS = {"conditions": ("type",), "ownerReferences": ("uid",)}
_DEFAULT_KEYS = {"protocol": "TCP"}
_ATOMIC_MAPS = {"selector", "nodeSelector", "fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"}
_SETS = {("metadata", "finalizers")}


def list_keys(api_version: str, path: Path) -> tuple[str, ...] | None:
    """The key fields of the list at a path; None for a list that is owned as a whole."""
    name = path[-1]
    if name in _ANY_LISTS:
        return _ANY_LISTS[name]
    if api_version.startswith("inferfleet.io/"):
        return None
    if name == "ports":
        return ("port", "protocol") if path == ("spec", "ports") else ("containerPort", "protocol")
    return _CORE_LISTS.get(name)


def item_of(keys: tuple[str, ...], value: Obj) -> Item:
    """How an element of a keyed list is named in paths."""
    return Item(tuple((key, value.get(key, _DEFAULT_KEYS.get(key))) for key in keys))


def leaves(api_version: str, value: Any, path: Path = ()) -> frozenset[Path]:
    """Every field that a value sets."""
    if isinstance(value, dict) and value and not (path and path[-1] in _ATOMIC_MAPS):
        return frozenset().union(*(leaves(api_version, v, (*path, k)) for k, v in value.items() if v is not None))
    if isinstance(value, list) and path in _SETS:
        return frozenset((*path, Member(v)) for v in value)
    keys = list_keys(api_version, path) if isinstance(value, list) and path else None
    if keys is None:
        return frozenset({path})
    items = [(*path, item_of(keys, v)) for v in value]
    inner = (leaves(api_version, v, p) for v, p in zip(value, items, strict=True))
    return frozenset(items).union(*inner)


def merge(api_version: str, live: Any, applied: Any, path: Path = ()) -> Any:
    """What the live value becomes when one is applied over it."""
    if isinstance(applied, dict) and isinstance(live, dict) and not (path and path[-1] in _ATOMIC_MAPS):
        merged = {k: merge(api_version, live.get(k), v, (*path, k)) for k, v in applied.items() if v is not None}
        return live | merged
    if isinstance(applied, list) and isinstance(live, list):
        if path in _SETS:
            return live + [v for v in applied if v not in live]
        if (keys := list_keys(api_version, path)) is not None:
            return _merge_items(api_version, live, applied, (path, keys))
    return copy.deepcopy(applied)


def _merge_items(
    api_version: str, live: list[Obj], applied: list[Obj], where: tuple[Path, tuple[str, ...]]
) -> list[Obj]:
    path, keys = where
    found = {item_of(keys, v): v for v in live}
    for value in applied:
        item = item_of(keys, value)
        found[item] = merge(api_version, found.get(item), value, (*path, item))
    return list(found.values())


def look_up(api_version: str, value: Any, path: Path) -> Any:
    """The value at a path, or None. A list item is there as the item."""
    for step in path:
        if isinstance(step, Item) and isinstance(value, list):
            keys = tuple(k for k, _ in step.keys)
            value = next((v for v in value if item_of(keys, v) == step), None)
        elif isinstance(step, Member) and isinstance(value, list):
            value = step.value if step.value in value else None
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


def remove(api_version: str, obj: Obj, path: Path) -> None:
    """Take a field away, and what is left empty above it."""
    parent = look_up(api_version, obj, path[:-1])
    step = path[-1]
    if isinstance(parent, dict):
        parent.pop(step, None)
    elif isinstance(parent, list) and isinstance(step, Item):
        keys = tuple(k for k, _ in step.keys)
        parent[:] = [v for v in parent if item_of(keys, v) != step]
    elif isinstance(parent, list) and isinstance(step, Member):
        parent[:] = [v for v in parent if v != step.value]
    if len(path) > 1 and not isinstance(path[-2], Item) and parent in ({}, []):
        remove(api_version, obj, path[:-1])


def apply(live: Obj, applied: Obj, owners: Owners, owner: Owner) -> tuple[Obj, dict[Owner, frozenset[Path]]]:
    """The object and the ownership after a forced apply of everything `owner` wants."""
    version = applied["apiVersion"]
    wanted = _owned(leaves(version, applied))
    others = {o: paths for o, paths in owners.items() if o != owner}
    kept = _with_parents(frozenset().union(*others.values()))
    result = copy.deepcopy(live)
    for path in sorted(owners.get(owner, frozenset()) - wanted, key=len):
        if path not in kept:
            remove(version, result, path)
    result = merge(version, result, applied)
    return result, {**_without_changed(version, live, result, others), owner: wanted}


def update(live: Obj, new: Obj, owners: Owners, owner: Owner) -> dict[Owner, frozenset[Path]]:
    """The ownership after a write of the whole object: who changes a field owns it alone."""
    version = new["apiVersion"]
    after = _without_changed(version, live, new, owners)
    changed = {
        path
        for path in _owned(leaves(version, new))
        if (look_up(version, live, path) != look_up(version, new, path) and not isinstance(path[-1], Item))
        or (isinstance(path[-1], Item) and look_up(version, live, path) is None)
    }
    mine = after.get(owner, frozenset()) | changed
    return {**after, owner: mine} if mine else after


def fields_v1(paths: Iterable[Path]) -> Obj:
    """Owned fields as `metadata.managedFields` writes them."""
    root: Obj = {}
    for path in sorted(paths, key=str):
        inside = root
        for step in path:
            inside = inside.setdefault(_step(step), {})
        if isinstance(path[-1], Item):
            inside["."] = {}
    return root


def _step(step: Any) -> str:
    if isinstance(step, Item):
        return f"k:{json.dumps(dict(step.keys), separators=(',', ':'))}"
    return f"v:{json.dumps(step.value)}" if isinstance(step, Member) else f"f:{step}"


def _without_changed(version: str, before: Obj, after: Obj, owners: Owners) -> dict[Owner, frozenset[Path]]:
    def same(path: Path) -> bool:
        old, new = look_up(version, before, path), look_up(version, after, path)
        return new is not None and (isinstance(path[-1], Item) or old == new)

    kept = {owner: frozenset(p for p in paths if same(p)) for owner, paths in owners.items()}
    return {owner: paths for owner, paths in kept.items() if paths}


def _owned(paths: Iterable[Path]) -> frozenset[Path]:
    """Nobody owns what identifies the object."""
    identity = {("apiVersion",), ("kind",)}
    metadata = {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"}
    return frozenset(
        p for p in paths if p not in identity and not (p[0] == "metadata" and len(p) > 1 and p[1] in metadata)
    )


def _with_parents(paths: Iterable[Path]) -> frozenset[Path]:
    return frozenset(path[:n] for path in paths for n in range(1, len(path) + 1))
