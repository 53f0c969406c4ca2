"""From what informers hold to one frozen `Observed`: the edge where raw objects become types. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from inferfleet import names
from inferfleet.api.hardware_pool import HardwarePoolSpec
from inferfleet.api.model import ModelSpec
from inferfleet.api.model_status import ModelStatus
from inferfleet.api.quantities import parse_quantity
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.fleet.pods import doing, failure
from inferfleet.fleet.profiles import ledger
from inferfleet.fleet.types import Key, Live, Node, Obj, Observed, PoolView, Problem
from inferfleet.names import Reason
from inferfleet.planning.types import Measured

Store = Mapping[Key, Obj]
Held = Mapping[tuple[str, str, str], Mapping[str, int]]
"""Replicas by pool of each workload (namespace, model, class)."""
T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Common:
    """What is the same for all Models."""

    classes: Mapping[str, WorkloadClassSpec | Problem]
    pools: Mapping[str, PoolView | Problem]
    nodes: tuple[Node, ...]
    ledger: Mapping[str, Measured]
    held: Held


@dataclass(frozen=True)
class Stores:
    """What the informers hold, by namespace and name."""

    namespaces: Store = field(default_factory=dict)
    models: Store = field(default_factory=dict)
    classes: Store = field(default_factory=dict)
    pools: Store = field(default_factory=dict)
    profiles: Store = field(default_factory=dict)
    nodes: Store = field(default_factory=dict)
    deployments: Store = field(default_factory=dict)
    services: Store = field(default_factory=dict)
    config_maps: Store = field(default_factory=dict)
    disruption_budgets: Store = field(default_factory=dict)
    network_policies: Store = field(default_factory=dict)
    pods: Store = field(default_factory=dict)
    common: Common | None = None
    """What `common` read of them, where it did already: not to be read again for each Model."""


def common(stores: Stores, now: datetime, capacity_max_age: float) -> Common:
    """Read once for those who look at many Models."""
    return Common(
        classes=read_classes(stores),
        pools=read_pools(stores),
        nodes=read_nodes(stores),
        ledger=ledger(stores.profiles.values(), now, capacity_max_age),
        held=read_held(stores.deployments),
    )


def observe(key: Key, stores: Stores, now: datetime, capacity_max_age: float) -> Observed | None:
    """All that concerns one Model, or None when it is gone or going (garbage collection does the rest)."""
    model = stores.models.get(key)
    if model is None or "deletionTimestamp" in model["metadata"]:
        return None
    metadata = model["metadata"]
    children = _children(key, stores)
    known = stores.common or common(stores, now, capacity_max_age)
    return Observed(
        namespace=key[0],
        name=key[1],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        namespace_labels=_labels(stores.namespaces.get(("", key[0]), {})),
        spec=_parse(ModelSpec, model.get("spec", {}), Reason.INVALID_SPEC, f"Model {key[1]}"),
        status=_status(model.get("status", {})),
        classes=known.classes,
        pools=known.pools,
        nodes=known.nodes,
        ledger=known.ledger,
        live=tuple(sorted(_live(key, stores), key=lambda p: (p.created, p.name))),
        served_by=_served_by(children),
        held=known.held,
        children=children,
    )


def read_classes(stores: Stores) -> dict[str, WorkloadClassSpec | Problem]:
    """By name."""
    return {
        name: _parse(WorkloadClassSpec, o.get("spec", {}), Reason.CLASS_INVALID, f"WorkloadClass {name}")
        for (_, name), o in stores.classes.items()
    }


def read_pools(stores: Stores) -> dict[str, PoolView | Problem]:
    """By name."""
    return {name: _pool(name, o) for (_, name), o in stores.pools.items()}


def read_nodes(stores: Stores) -> tuple[Node, ...]:
    """All of them."""
    return tuple(node(o) for o in stores.nodes.values())


def _parse(type_: type[T], raw: Any, reason: str, what: str) -> T | Problem:
    try:
        return type_.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Problem(reason, f"{what}: spec.{where}: {first['msg']}")


def _labels(obj: Obj) -> Mapping[str, str]:
    labels: Mapping[str, str] = obj.get("metadata", {}).get("labels", {})
    return labels


def _status(raw: Any) -> ModelStatus:
    """A status nobody can read is as good as none: it is written anew."""
    try:
        return ModelStatus.model_validate(raw)
    except ValidationError:
        return ModelStatus()


def _pool(name: str, obj: Obj) -> PoolView | Problem:
    spec = _parse(HardwarePoolSpec, obj.get("spec", {}), Reason.POOL_INVALID, f"HardwarePool {name}")
    return spec if isinstance(spec, Problem) else PoolView(name, obj["metadata"].get("labels", {}), spec)


def node(obj: Obj) -> Node:
    """A Node; one that is cordoned, not Ready, or of a size that cannot be read is not usable."""
    status = obj.get("status", {})
    allocatable = status.get("allocatable", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
    try:
        cores, memory = parse_quantity(allocatable.get("cpu", "0")), parse_quantity(allocatable.get("memory", "0"))
    except ValueError:
        cores, memory, ready = Decimal(0), Decimal(0), False
    return Node(
        name=obj["metadata"]["name"],
        labels=obj["metadata"].get("labels", {}),
        cores=cores,
        memory=int(memory),
        usable=ready and not obj.get("spec", {}).get("unschedulable", False),
        extended={name: int(n) for name, n in allocatable.items() if "/" in name and str(n).isdecimal()},
    )


def _live(key: Key, stores: Stores) -> Iterable[Live]:
    for (namespace, name), obj in stores.deployments.items():
        labels = obj["metadata"].get("labels", {})
        if namespace == key[0] and labels.get(names.LABEL_MODEL) == key[1] and _is_placement(labels):
            pods = [o for (ns, _), o in stores.pods.items() if ns == namespace and _belongs(o, labels)]
            yield live(name, obj, pods)


def _is_placement(labels: Mapping[str, str]) -> bool:
    return all(label in labels for label in names.PLACEMENT_LABELS)


def _belongs(pod: Obj, labels: Mapping[str, str]) -> bool:
    theirs = pod["metadata"].get("labels", {})
    return all(theirs.get(k) == labels.get(k) for k in (names.LABEL_MODEL, names.LABEL_CLASS, names.LABEL_PLACEMENT))


def live(name: str, obj: Obj, pods: Sequence[Obj]) -> Live:
    """A placement of its Deployment's labels; nothing is read from any status of ours."""
    metadata, labels = obj["metadata"], obj["metadata"]["labels"]
    annotations = metadata.get("annotations", {})
    slots = annotations.get(names.ANNOTATION_SLOTS, "")
    replicas = obj.get("spec", {}).get("replicas", 1)
    return Live(
        name=name,
        class_=labels[names.LABEL_CLASS],
        pool=labels[names.LABEL_POOL],
        variant=labels[names.LABEL_VARIANT],
        engine=labels[names.LABEL_ENGINE],
        slots=int(slots) if slots.isdecimal() else 0,
        profile=annotations.get(names.ANNOTATION_PROFILE, ""),
        replicas=replicas,
        ready=min(replicas, obj.get("status", {}).get("readyReplicas", 0)),  # what is more was told to go
        created=metadata.get("creationTimestamp", ""),
        deleting="deletionTimestamp" in metadata,
        failure=failure(pods),
        doing=doing(pods),
        image=annotations.get(names.ANNOTATION_IMAGE) or _image(obj),
        dialect=int(found) if (found := annotations.get(names.ANNOTATION_DIALECT, "")).isdecimal() else 1,
        version=annotations.get(names.ANNOTATION_ENGINE_VERSION, ""),
        scaled_by=_scaled_by(obj),
        served=_complete(obj.get("status", {})),
        spill=annotations.get(names.ANNOTATION_SPILL) in ("true", "back"),
        goes=annotations.get(names.ANNOTATION_SPILL) == "back",
    )


def _complete(status: Obj) -> bool:
    """Kubernetes says so from the first time on, whatever becomes unready later."""
    reasons = {c.get("type"): c.get("reason") for c in status.get("conditions") or ()}
    return reasons.get("Progressing") == "NewReplicaSetAvailable" or bool(status.get("readyReplicas"))


def _image(obj: Obj) -> str:
    """Of a Deployment by the first release, which had neither the annotation nor patches."""
    containers = obj.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ())
    return next((c.get("image", "") for c in containers if c.get("name") == "serve"), "")


def _scaled_by(obj: Obj) -> str:
    owners = obj["metadata"].get("managedFields", ())
    return next((o["manager"] for o in owners if o["manager"] != names.MANAGER), "")


def _served_by(children: Mapping[tuple[str, str], Obj]) -> dict[str, str]:
    services = [obj for (kind, _), obj in children.items() if kind == "Service"]
    return {
        labels[names.LABEL_CLASS]: obj.get("spec", {}).get("selector", {}).get(names.LABEL_CLASS, "")
        for obj in services
        if names.LABEL_CLASS in (labels := obj["metadata"].get("labels", {}))
    }


def read_held(deployments: Store) -> dict[tuple[str, str, str], dict[str, int]]:
    """Replicas by pool of each workload (namespace, model, class) that has Deployments."""
    held: dict[tuple[str, str, str], dict[str, int]] = {}
    for (namespace, _), obj in deployments.items():
        labels = obj["metadata"].get("labels", {})
        if not _is_placement(labels):
            continue
        pools = held.setdefault((namespace, labels[names.LABEL_MODEL], labels[names.LABEL_CLASS]), {})
        pool = labels[names.LABEL_POOL]
        pools[pool] = pools.get(pool, 0) + obj.get("spec", {}).get("replicas", 1)
    return held


def _children(key: Key, stores: Stores) -> dict[tuple[str, str], Obj]:
    kinds = (
        ("Deployment", stores.deployments),
        ("Service", stores.services),
        ("ConfigMap", stores.config_maps),
        ("PodDisruptionBudget", stores.disruption_budgets),
        ("NetworkPolicy", stores.network_policies),
    )
    return {
        (kind, name): obj
        for kind, store in kinds
        for (namespace, name), obj in store.items()
        if namespace == key[0] and obj["metadata"].get("labels", {}).get(names.LABEL_MODEL) == key[1]
    }


def utc_now() -> datetime:
    """The one reading of the wall clock; everything else takes `now` as an argument."""
    return datetime.now(UTC).replace(microsecond=0)
