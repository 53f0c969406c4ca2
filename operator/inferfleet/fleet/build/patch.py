"""The admins' way out: a patch merged into a pod template. Pure.

Maps merge, null removes, lists of objects that have a name merge by it (containers, volumes, env), and every
other list is replaced: what a strategic merge patch does with the fields that people patch.
"""

from collections.abc import Mapping
from typing import Any


def patched(value: dict[str, Any], patch: Mapping[str, Any] | None) -> dict[str, Any]:
    """A new template; the given one stays as it is."""
    if not patch:
        return value
    merged = {key: _merged(value.get(key), change) for key, change in patch.items()}
    return {key: item for key, item in (value | merged).items() if item is not None}


def _merged(value: Any, change: Any) -> Any:
    if isinstance(change, Mapping):
        return patched(value if isinstance(value, dict) else {}, change)
    if isinstance(value, list) and isinstance(change, list) and all(map(_named, [*value, *change])):
        return _by_name(value, change)
    return change


def _named(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("name"), str)


def _by_name(items: list[dict[str, Any]], changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {item["name"]: item for item in items}
    for change in changes:
        known[change["name"]] = patched(known.get(change["name"], {}), change)
    return list(known.values())
