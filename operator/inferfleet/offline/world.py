"""What stands in for the cluster: stores as informers would hold them, of files and a snapshot. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from inferfleet import names
from inferfleet.api.base import GROUP, VERSION, timestamp
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Catalog
from inferfleet.fleet.observe import Stores, common, observe
from inferfleet.fleet.types import Key, Obj, Observed
from inferfleet.offline import assume
from inferfleet.offline.given import Files, Given, ObjectKey
from inferfleet.offline.notes import unknown_names
from inferfleet.offline.snapshot import Snapshot
from inferfleet.offline.types import Place, WorkloadKey
from inferfleet.settings import Settings

EPOCH = datetime.fromtimestamp(0, UTC)
NOTHING = Files({}, {})
"""No files at all, as opposed to files that hold nothing of ours."""


@dataclass(frozen=True)
class Context:
    """What a plan is made with, beside the input."""

    catalog: Catalog
    now: datetime | None = None
    """Against which measurements age; None: the newest time of the input."""


@dataclass(frozen=True)
class World:
    """A fleet that can be decided about."""

    stores: Stores
    open_stores: Stores
    """With pools and classes that allow every namespace."""
    models: tuple[Key, ...]
    """To plan, in this order."""
    strangers: frozenset[str]
    """Namespaces of which nothing is known: every pool and class allows them."""
    catalog: Catalog
    settings: Settings
    now: datetime
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]
    places: Mapping[WorkloadKey, Place]
    as_needed: frozenset[str]
    """Pools whose nodes are as many as needed."""

    def observe(self, key: Key) -> Observed:
        """All that concerns one Model."""
        stores = self._open if key[0] in self.strangers else self._closed
        seen = observe(key, stores, self.now, self.settings.capacity_max_age)
        assert seen  # it is in the stores, and nothing there is being deleted
        return seen

    @cached_property
    def _open(self) -> Stores:
        return self._read(self.open_stores)

    @cached_property
    def _closed(self) -> Stores:
        return self._read(self.stores)

    def _read(self, stores: Stores) -> Stores:
        return replace(stores, common=common(stores, self.now, self.settings.capacity_max_age))


def make_world(
    files: Files, snapshot: Snapshot | None, context: Context, gone: frozenset[ObjectKey] = frozenset()
) -> World:
    """Files go before the snapshot. `gone`: objects of the snapshot that are not there any more.

    Without files (NOTHING) everything in the snapshot is planned; with them the Models of the files, beside what runs.
    """
    now = context.now or _newest(files, snapshot)
    stores, assumptions, as_needed = _stores(files, snapshot, context.catalog, gone)
    given = tuple(sorted(_of(files, "Model")))
    models = tuple(sorted(stores.models)) if files is NOTHING else given
    strangers = frozenset(namespace for namespace, _ in models if ("", namespace) not in stores.namespaces)
    return World(
        stores=stores,
        open_stores=replace(stores, pools=assume.open_to_all(stores.pools), classes=assume.open_to_all(stores.classes)),
        models=models,
        strangers=strangers,
        catalog=context.catalog,
        settings=_settings(stores),
        now=now,
        assumptions=(
            *assumptions,
            *_about_models(stores, models, snapshot),
            *_about_strangers(strangers, stores),
            *_about_capacity(stores, now),
        ),
        notes=(
            *files.notes,
            *unknown_names(files, context.catalog),
            *(assume.on_shared_nodes(stores.pools, context.catalog) if snapshot is None else ()),
        ),
        places=_places(files),
        as_needed=as_needed,
    )


def _of(files: Files, kind: str) -> dict[Key, Obj]:
    return {(ns, name): given.value for (k, ns, name), given in files.objects.items() if k == kind}


def _stores(
    files: Files, snapshot: Snapshot | None, catalog: Catalog, gone: frozenset[ObjectKey]
) -> tuple[Stores, list[str], frozenset[str]]:
    """With what was assumed, and the pools that have as many nodes as needed."""
    chart = {("", name): _class(name, preset.spec) for name, preset in catalog.workloads.items()}
    if snapshot is None:
        pools, nodes = assume.with_nodes(_of(files, "HardwarePool"), catalog)
        namespaces = {("", name): obj for name, obj in files.namespaces.items()}
        stores = Stores(
            namespaces=namespaces,
            models=_known(_of(files, "Model")),
            classes=chart | _of(files, "WorkloadClass"),
            pools=pools,
            profiles=_of(files, "CapacityProfile"),
        )
        needed = frozenset(n.pool for n in nodes if n.as_needed)
        return stores, ["no snapshot of a cluster: nothing runs yet", *assume.about_nodes(nodes)], needed
    stores = _with_snapshot(files, snapshot, chart, gone)
    taken = f"a snapshot of {timestamp(snapshot.taken_at)}: its nodes, measurements, demand and what ran then"
    return stores, [taken, *assume.about_nodes_to_come(stores, catalog)], frozenset()


def _with_snapshot(files: Files, snapshot: Snapshot, chart: dict[Key, Obj], gone: frozenset[ObjectKey]) -> Stores:
    def kept(kind: str) -> dict[Key, Obj]:
        return {key: o for key, o in snapshot.of(kind).items() if (kind, *key) not in gone}

    models = kept("Model") | _of(files, "Model")
    stores = Stores(
        namespaces=kept("Namespace") | {("", name): obj for name, obj in files.namespaces.items()},
        classes=chart | kept("WorkloadClass") | _of(files, "WorkloadClass"),
        pools=kept("HardwarePool") | _of(files, "HardwarePool"),
        profiles=kept("CapacityProfile") | _of(files, "CapacityProfile"),
        nodes=snapshot.of("Node"),
        deployments={key: o for key, o in snapshot.of("Deployment").items() if _model_of(o) in models},
    )
    seen = {(d.namespace, d.model, d.class_): d.tokens_per_second for d in snapshot.demand}
    return replace(stores, models=assume.with_demand(_known(models), stores, seen))


def _model_of(deployment: Obj) -> Key:
    metadata = deployment["metadata"]
    return metadata.get("namespace", ""), (metadata.get("labels") or {}).get(names.LABEL_MODEL, "")


def _known(models: Mapping[Key, Obj]) -> dict[Key, Obj]:
    """With what the API server adds."""
    return {key: {**o, "metadata": {"uid": "not-created", **o["metadata"]}} for key, o in models.items()}


def _class(name: str, spec: WorkloadClassSpec) -> Obj:
    body = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "WorkloadClass", "metadata": {"name": name}, "spec": body}


def _settings(stores: Stores) -> Settings:
    """The defaults. The operator's image is that of most of what runs: what differs keeps its own settings."""
    noted = ((o["metadata"].get("annotations") or {}).get(names.ANNOTATION_IMAGE) for o in stores.deployments.values())
    images = Counter(image for image in noted if image)
    return Settings(runtime_image=max(sorted(images), key=lambda image: images[image], default=""))


def _newest(files: Files, snapshot: Snapshot | None) -> datetime:
    """The time of the snapshot, else the newest measurement: the clock would make two runs differ."""
    if snapshot:
        return snapshot.taken_at
    return max(_times(_of(files, "CapacityProfile").values()), default=EPOCH)


def _times(profiles: Iterable[Obj]) -> Iterable[datetime]:
    for obj in profiles:
        declared = (obj.get("spec") or {}).get("declared") or {}
        for text in (declared.get("asOf"), (obj.get("status") or {}).get("measuredAt")):
            try:
                found = datetime.fromisoformat(str(text))
            except ValueError:
                continue
            yield found if found.tzinfo else found.replace(tzinfo=UTC)


def _about_models(stores: Stores, models: tuple[Key, ...], snapshot: Snapshot | None) -> list[str]:
    sentences = []
    silent = [
        f"{namespace}/{name}:{w.get('class')}"
        for namespace, name in models
        for w in stores.models[(namespace, name)]["spec"]["workloads"]
        if not w.get("demand")
    ]
    if snapshot is None:
        sentences.append("demand is as declared" + (f"; none is of {_listed(silent)}" if silent else ""))
    elif others := len(set(stores.models) - set(models)):
        sentences.append(f"{others} other Models of the snapshot keep what they have")
    return sentences


def _listed(items: list[str], most: int = 8) -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def _about_strangers(strangers: frozenset[str], stores: Stores) -> list[str]:
    limited = any("allowedNamespaces" in o.get("spec", {}) for s in (stores.pools, stores.classes) for o in s.values())
    if not strangers or not limited:
        return []
    return [f"every pool and class allows namespace {', '.join(sorted(strangers))}, whose labels are not known"]


def _about_capacity(stores: Stores, now: datetime) -> list[str]:
    if not stores.profiles:
        return ["no CapacityProfile: every speed is an estimate"]
    return [f"measured capacities are believed as of {timestamp(now)}"]


def _places(files: Files) -> dict[WorkloadKey, Place]:
    found = {}
    for (kind, namespace, name), given in files.objects.items():
        if kind == "Model":
            for i, class_ in enumerate(_classes(given)):
                found[(namespace, name, class_)] = Place(*given.position(("spec", "workloads", i, "class")))
            found[(namespace, name, "")] = Place(*given.position(("metadata", "name")))
    return found


def _classes(given: Given) -> list[str]:
    return [w["class"] for w in given.value["spec"]["workloads"]]
