"""What informers hold, by Model, and what all Models share, parsed once: a reconcile looks at what is its own, however
large the fleet. Told of every change by informers; pure but for what it remembers.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from inferfleet import names
from inferfleet.fleet.observe import Common, Held, Stores, common, read_classes, read_held, read_nodes, read_pools
from inferfleet.fleet.profiles import ledger
from inferfleet.fleet.types import Key, Obj
from inferfleet.kube import kinds
from inferfleet.kube.kinds import Kind, key_of

AGED = timedelta(minutes=1)
"""After which the ledger is read anew though nobody wrote: what was measured gets too old, in weeks."""

_Children = dict[Kind, dict[Key, Obj]]
_Read = Callable[[Stores], object]
_OWNED: Mapping[Kind, str] = MappingProxyType(
    {
        kinds.DEPLOYMENT: "deployments",
        kinds.SERVICE: "services",
        kinds.CONFIG_MAP: "config_maps",
        kinds.POD_DISRUPTION_BUDGET: "disruption_budgets",
        kinds.NETWORK_POLICY: "network_policies",
        kinds.POD: "pods",
    }
)
"""Fields of `Stores` with what belongs to one Model."""
_SHARED: Mapping[Kind, tuple[str, _Read]] = MappingProxyType(
    {
        kinds.WORKLOAD_CLASS: ("classes", read_classes),
        kinds.HARDWARE_POOL: ("pools", read_pools),
        kinds.NODE: ("nodes", read_nodes),
    }
)
"""Fields of `Common` that follow from one kind alone. The ledger follows from time, too."""


class Index:
    """Call `changed` with every change; `stores` gives one Model's view."""

    def __init__(self, capacity_max_age: float) -> None:
        """`capacity_max_age`: seconds for which a measurement is believed."""
        self._max_age = capacity_max_age
        self._children: dict[Key, _Children] = {}
        self._held: dict[tuple[str, str, str], Mapping[str, int]] = {}
        self._common: Common | None = None
        self._changed: set[Kind] = set()
        self._aged = datetime.min

    def changed(self, kind: Kind, old: Obj | None, new: Obj | None) -> None:
        """An informer's object came (no `old`), went (no `new`) or is another."""
        if kind not in _OWNED:
            self._changed.add(kind)
            return
        if old and (new is None or _owner(old) != _owner(new)):
            self._forget(kind, old)
        if new and (owner := _owner(new)):
            before = self._held_by(owner, kind)
            self._children.setdefault(owner, {}).setdefault(kind, {})[key_of(new)] = new
            self._hold(before, self._held_by(owner, kind))

    def stores(self, key: Key, whole: Stores, now: datetime) -> Stores:
        """Of `whole` what a reconcile of one Model looks at, and what all share. A view: read it at once."""
        mine = self._children.get(key, {})
        owned: dict[str, Any] = {field: mine.get(kind, {}) for kind, field in _OWNED.items()}
        return replace(whole, common=self.common(whole, now), **owned)

    def common(self, whole: Stores, now: datetime) -> Common:
        """What all Models share; only what changed is read anew."""
        if self._common is None:
            self._common = common(whole, now, self._max_age)
            self._aged = now + AGED
        else:
            fresh: dict[str, Any] = {f: read(whole) for kind, (f, read) in _SHARED.items() if kind in self._changed}
            if kinds.CAPACITY_PROFILE in self._changed or not self._aged - AGED <= now < self._aged:
                fresh["ledger"] = ledger(whole.profiles.values(), now, self._max_age)
                self._aged = now + AGED
            # a copy: who looks at it may still do so when the next change comes
            self._common = replace(self._common, held=dict(self._held), **fresh)
        self._changed.clear()
        return self._common

    def _forget(self, kind: Kind, obj: Obj) -> None:
        owner = _owner(obj)
        mine = self._children.get(owner, {}) if owner else {}
        if owner is None or key_of(obj) not in mine.get(kind, {}):
            return
        before = self._held_by(owner, kind)
        del mine[kind][key_of(obj)]
        self._hold(before, self._held_by(owner, kind))
        if not any(mine.values()):
            del self._children[owner]

    def _held_by(self, owner: Key, kind: Kind) -> Held:
        """Nothing for other kinds than Deployments."""
        return read_held(self._children.get(owner, {}).get(kind, {})) if kind == kinds.DEPLOYMENT else {}

    def _hold(self, before: Held, after: Held) -> None:
        for workload in before.keys() - after.keys():
            del self._held[workload]
        self._held |= after


def _owner(obj: Obj) -> Key | None:
    """The Model that it is labelled for."""
    model = obj["metadata"].get("labels", {}).get(names.LABEL_MODEL)
    return (obj["metadata"]["namespace"], model) if model is not None else None
