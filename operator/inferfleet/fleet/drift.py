"""Whether a live object still is what was applied. Pure.

The API server does not store what it is given word for word: it leaves out fields that are empty and writes
quantities in its own form. What an admin's patch says in other words must not be applied for ever.
"""

from collections.abc import Mapping
from typing import Any

from inferfleet import names
from inferfleet.api.quantities import parse_quantity
from inferfleet.fleet.types import Obj

_STORED_EMPTY = frozenset(
    (
        *("allowPrivilegeEscalation", "automountServiceAccountToken", "blockOwnerDeletion", "controller"),
        *("emptyDir", "enableServiceLinks", "fsGroup", "hostUsers", "maxSurge", "maxUnavailable", "privileged"),
        *("progressDeadlineSeconds", "readOnlyRootFilesystem", "replicas", "revisionHistoryLimit", "runAsGroup"),
        *("runAsNonRoot", "runAsUser", "setHostnameAsFQDN", "shareProcessNamespace", "terminationGracePeriodSeconds"),
        *("podSelector", "namespaceSelector", "tolerationSeconds"),
    )
)
"""Pointers in Kubernetes' own types: `false` or 0 is stored and differs from absent, so that absent is drift."""
_AMOUNTS = frozenset(("limits", "requests"))
"""Maps of quantities."""
_STRINGS = frozenset(("annotations", "data", "labels", "matchLabels", "nodeSelector"))
"""Maps of strings: an empty string in them is stored."""
_QUANTITIES = frozenset(("sizeLimit", "divisor"))


def needs_apply(desired: Obj, live: Obj | None) -> bool:
    """True when it is absent, was applied with other content, or somebody changed a field that we own."""
    if live is None:
        return True
    applied = live["metadata"].get("annotations", {}).get(names.ANNOTATION_HASH)
    return applied != desired["metadata"]["annotations"][names.ANNOTATION_HASH] or not contains(live, desired)


def contains(live: Any, desired: Any) -> bool:
    """Whether everything in `desired` is in `live`; what the server or others added does not matter.

    Null asks for the server's default, whatever that is. Lists are compared item by item, since ours keep their
    order through the API server; items that others appended (an injected container) are theirs.
    """
    if desired is None:
        return True
    if isinstance(desired, Mapping):
        return isinstance(live, Mapping) and all(_has(live, key, value) for key, value in desired.items())
    if isinstance(desired, list):
        return isinstance(live, list) and len(live) >= len(desired) and all(map(contains, live, desired))
    return bool(live == desired)


def _has(live: Mapping[str, Any], key: str, desired: Any) -> bool:
    if key not in live:
        return _left_out(key, desired)
    if key in _STRINGS and isinstance(desired, Mapping) and isinstance(live[key], Mapping):
        return all(value is None or live[key].get(name) == value for name, value in desired.items())
    if key in _AMOUNTS and isinstance(desired, Mapping) and isinstance(live[key], Mapping):
        return all(_same_amount(live[key].get(name), amount) for name, amount in desired.items())
    return _same_amount(live[key], desired) if key in _QUANTITIES else contains(live[key], desired)


def _left_out(key: str, desired: Any) -> bool:
    """Whether the API server leaves a field with this value out. In a map with fields it keeps the map."""
    return desired is None or (not desired and key not in _STORED_EMPTY)


def _same_amount(live: Any, desired: Any) -> bool:
    try:
        return live == desired or desired is None or parse_quantity(live) == parse_quantity(desired)
    except ValueError:  # no quantity: the API server will say so
        return False
