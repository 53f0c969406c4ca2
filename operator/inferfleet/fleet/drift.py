"""Whether a live object still is what was applied. Pure."""

from typing import Any

from inferfleet import names
from inferfleet.fleet.types import Obj


def needs_apply(desired: Obj, live: Obj | None) -> bool:
    """True when it is absent, was applied with other content, or somebody changed a field that we own."""
    if live is None:
        return True
    applied = live["metadata"].get("annotations", {}).get(names.ANNOTATION_HASH)
    return applied != desired["metadata"]["annotations"][names.ANNOTATION_HASH] or not contains(live, desired)


def contains(live: Any, desired: Any) -> bool:
    """Whether everything in `desired` is in `live`; what the server or others added does not matter.

    Lists are compared item by item, since ours keep their order through the API server; items that
    others appended (an injected container) are theirs.
    """
    if isinstance(desired, dict):
        return isinstance(live, dict) and all(
            key in live and contains(live[key], value) for key, value in desired.items()
        )
    if isinstance(desired, list):
        return isinstance(live, list) and len(live) >= len(desired) and all(map(contains, live, desired))
    return bool(live == desired)
