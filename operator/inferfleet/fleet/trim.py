"""What informers keep of the objects of others: memory and wake-ups follow what is decided on. Pure."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from inferfleet import names
from inferfleet.fleet.types import Obj
from inferfleet.kube import kinds
from inferfleet.kube.informer import trim_metadata
from inferfleet.kube.kinds import Kind

Trim = Callable[[Obj], Obj]

_POD_STATUS = ("podIP", "phase", "conditions", "initContainerStatuses", "containerStatuses")
_POD_META = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "labels",
    "creationTimestamp",
    "deletionTimestamp",
)
_CONTAINER = ("name", "state", "lastState")
_CONDITION = ("type", "status", "reason", "message", "lastTransitionTime")


def trim_pod(obj: Obj) -> Obj:
    """Names, labels, which configuration it has, address, conditions and container states; no spec."""
    status = {key: obj["status"][key] for key in _POD_STATUS if key in obj.get("status", {})}
    for field, kept in (
        ("initContainerStatuses", _CONTAINER),
        ("containerStatuses", _CONTAINER),
        ("conditions", _CONDITION),
    ):
        if field in status:
            status[field] = [_only(item, kept) for item in status[field]]
    metadata = _only(obj["metadata"], _POD_META)
    if annotations := _only(obj["metadata"].get("annotations") or {}, (names.ANNOTATION_CONFIG,)):
        metadata["annotations"] = annotations
    return {"metadata": metadata, "status": status}


def trim_deployment(obj: Obj) -> Obj:
    """Of `managedFields` only who owns the replicas: an autoscaler's word counts where the Model says so."""
    trimmed = trim_metadata(obj)
    owners = [
        {"manager": entry.get("manager", "")}
        for entry in obj["metadata"].get("managedFields", ())
        if "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
    ]
    return trimmed | {"metadata": trimmed["metadata"] | {"managedFields": owners}}


def trim_namespace(obj: Obj) -> Obj:
    """Name and labels."""
    return {"metadata": _only(obj["metadata"], ("name", "resourceVersion", "labels"))}


def trim_node(obj: Obj) -> Obj:
    """Name, labels, what pods may request, cordon, and readiness without its heartbeat."""
    status = obj.get("status", {})
    ready = [_only(c, ("type", "status")) for c in status.get("conditions", ()) if c["type"] == "Ready"]
    return {
        "metadata": _only(obj["metadata"], ("name", "resourceVersion", "labels")),
        "spec": _only(obj.get("spec", {}), ("unschedulable",)),
        "status": {
            "allocatable": {
                name: value
                for name, value in status.get("allocatable", {}).items()
                if name in ("cpu", "memory") or "/" in name
            },
            "conditions": ready,
        },
    }


def same(old: Obj | None, new: Obj | None) -> bool:
    """Whether a change leaves all that was kept as it was: then nobody is woken."""
    return old is not None and new is not None and _without_version(old) == _without_version(new)


def same_but_status(old: Obj | None, new: Obj | None) -> bool:
    """Whether only what this operator itself writes changed: that is no news for what is planned."""
    return old is not None and new is not None and same(_without_status(old), _without_status(new))


def _without_status(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key != "status"}


def _without_version(obj: Obj) -> Obj:
    return obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}}


def _only(mapping: Obj, keys: tuple[str, ...]) -> Obj:
    return {key: mapping[key] for key in keys if key in mapping}


_TRIMS: Mapping[Kind, Trim] = MappingProxyType(
    {
        kinds.POD: trim_pod,
        kinds.NODE: trim_node,
        kinds.NAMESPACE: trim_namespace,
        kinds.DEPLOYMENT: trim_deployment,
    }
)


def trim_of(kind: Kind) -> Trim:
    """What an informer of the kind keeps of an object."""
    return _TRIMS.get(kind, trim_metadata)
