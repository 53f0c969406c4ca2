"""The informers of one process: one per kind, or one per kind and namespace where only some are watched. Reads."""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import cast

from inferfleet.kube.informer import Informer, Key
from inferfleet.kube.kinds import Kind, Obj, key_of, kind_of


class Informers:
    """Looks like one informer per kind."""

    def __init__(self, by_kind: Mapping[Kind, Mapping[str, Informer]]) -> None:
        """Informers by kind and by namespace; the one for all namespaces has the empty name."""
        self._by_kind = by_kind

    def __iter__(self) -> Iterator[Informer]:
        return (informer for informers in self._by_kind.values() for informer in informers.values())

    def items(self, kind: Kind) -> Mapping[Key, Obj]:
        """All objects of a kind, as a view that follows."""
        views = [informer.items() for informer in self._by_kind[kind].values()]
        # only reading: a ChainMap writes to its first map, which is a read-only view
        return views[0] if len(views) == 1 else cast(Mapping[Key, Obj], ChainMap(*views))  # type: ignore[arg-type]

    def note(self, obj: Obj) -> None:
        """Take in what a write of ours returned."""
        informers = self._by_kind.get(kind_of(obj), {})
        if informer := informers.get("") or informers.get(key_of(obj)[0]):
            informer.note(obj)

    def ages(self, now: float) -> dict[str, float]:
        """Seconds since each kind was last heard of; of several namespaces the longest."""
        return {
            kind.plural: max(now - informer.last_contact for informer in informers.values())
            for kind, informers in self._by_kind.items()
        }
