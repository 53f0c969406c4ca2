"""What a cluster knows, read once. Reads the API server. Needs the `operator` extra."""

import asyncio
import os
from collections.abc import Iterable
from datetime import datetime

from inferfleet import errors, names
from inferfleet.cli.plan_world import Refused, time_of
from inferfleet.fleet.observe import utc_now
from inferfleet.fleet.trim import trim_deployment, trim_namespace, trim_node
from inferfleet.fleet.types import Obj
from inferfleet.kube import kinds
from inferfleet.kube.cluster import Cluster
from inferfleet.kube.connect import connect
from inferfleet.kube.informer import trim_metadata
from inferfleet.kube.kinds import Kind
from inferfleet.names import Cond
from inferfleet.offline.snapshot import SeenDemand, Snapshot

_VOLATILE = ("resourceVersion", "uid", "generation", "selfLink", "ownerReferences")
_OURS = (kinds.HARDWARE_POOL, kinds.WORKLOAD_CLASS, kinds.CAPACITY_PROFILE, kinds.MODEL)
_KEPT_OF_CONTAINERS = ("name", "image")


def observed(now: str | None) -> Snapshot:
    """Of the cluster that KUBECONFIG names. Raises Refused."""
    try:
        return asyncio.run(_observed(time_of(now) or utc_now()))
    except errors.ApiError as error:
        raise Refused(f"error: the cluster cannot be read: {error}") from error


async def _observed(now: datetime) -> Snapshot:
    cluster = await connect(os.environ.get("KUBECONFIG", ""))
    try:
        return await collect(cluster, now)
    finally:
        await cluster.close()


async def collect(cluster: Cluster, now: datetime) -> Snapshot:
    """Everything that decides, without what does not. Raises errors.ApiError."""
    objects: list[Obj] = []
    for kind in (kinds.NODE, kinds.NAMESPACE, *_OURS, kinds.DEPLOYMENT):
        selector = names.MANAGED_SELECTOR if kind is kinds.DEPLOYMENT else ""
        found = (await cluster.list(kind, selector=selector)).items
        objects += [_typed(kind, _trimmed(kind, o)) for o in found if "deletionTimestamp" not in o["metadata"]]
    models = [o for o in objects if o["kind"] == kinds.MODEL.kind]
    return Snapshot(now, tuple(objects), tuple(demand for model in models for demand in demands(model)))


def _typed(kind: Kind, obj: Obj) -> Obj:
    metadata = {k: v for k, v in obj["metadata"].items() if k not in _VOLATILE and v not in ({}, [])}
    return {"apiVersion": kind.api_version, "kind": kind.kind, **obj, "metadata": metadata}


def _trimmed(kind: Kind, obj: Obj) -> Obj:
    match kind:
        case kinds.NODE:
            return trim_node(obj)
        case kinds.NAMESPACE:
            return trim_namespace(obj)
        case kinds.DEPLOYMENT:
            return _placement(trim_deployment(obj))
    trimmed = trim_metadata(obj)
    kept = ("metadata", "spec", "status") if kind in (kinds.MODEL, kinds.CAPACITY_PROFILE) else ("metadata", "spec")
    return {name: trimmed[name] for name in kept if name in trimmed}


def _placement(obj: Obj) -> Obj:
    """What it is (labels and annotations), how many replicas it has, and which image."""
    pod = obj.get("spec", {}).get("template", {}).get("spec", {})
    images = [{k: c[k] for k in _KEPT_OF_CONTAINERS if k in c} for c in pod.get("containers", ())]
    return {
        "metadata": obj["metadata"],
        "spec": {
            "replicas": obj.get("spec", {}).get("replicas", 1),
            "template": {"spec": {"containers": images}},
        },
        "status": {"readyReplicas": obj.get("status", {}).get("readyReplicas", 0)},
    }


def demands(model: Obj) -> Iterable[SeenDemand]:
    """What the operator last saw served, of a Model whose signal is fresh.

    A status has the sum of all workloads: with several it is shared out as the capacity that is ready.
    """
    status = model.get("status") or {}
    if not any(c["type"] == Cond.SIGNAL_FRESH and c["status"] == "True" for c in status.get("conditions", ())):
        return
    served = float(status.get("summary", {}).get("tokensPerSecond", 0))
    classes = [w["class"] for w in model["spec"]["workloads"]]
    ready = {class_: _ready(status, class_) for class_ in classes}
    total = sum(ready.values())
    source = "status.summary" if len(classes) == 1 else "status.summary, shared out by ready capacity"
    for class_ in classes:
        share = 1.0 if len(classes) == 1 else ready[class_] / total if total else 0.0
        metadata = model["metadata"]
        yield SeenDemand(metadata["namespace"], metadata["name"], class_, round(served * share, 3), source)


def _ready(status: Obj, class_: str) -> float:
    placements = [p for p in status.get("placements", ()) if class_ in p.get("classes", ())]
    return float(sum(p.get("ready", 0) * p.get("tokensPerSecond", 0) for p in placements))
