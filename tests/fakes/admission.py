"""What the fake cluster accepts, and what it fills in, as the real API server would. Pure."""

import copy
import re
from typing import Any

from inferfleet import errors

Obj = dict[str, Any]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
MAX_ANNOTATION_BYTES = 256 * 1024


def admit(obj: Obj, old: Obj | None, *, namespaced: bool) -> None:
    """Raise Rejected, in words like the server's, for an object that it would not store."""
    meta = obj.get("metadata") or {}
    where = f'{obj["kind"]} "{meta.get("name", "")}" is invalid: '
    problem = (
        _bad_name(meta, namespaced)
        or _bad_labels(meta.get("labels"), "metadata.labels")
        or _bad_annotations(meta.get("annotations") or {})
        or (obj["kind"] == "Deployment" and _bad_deployment(obj, old))
    )
    if problem:
        raise errors.Rejected(where + problem, status=422, reason="Invalid")


def _bad_name(meta: Obj, namespaced: bool) -> str:
    name = meta.get("name", "")
    if not name:
        return "metadata.name: Required value: name or generateName is required"
    if len(name) > 253 or not _NAME.fullmatch(name):
        return f'metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of ...'
    if namespaced and not meta.get("namespace"):
        return "metadata.namespace: Required value"
    if not namespaced and meta.get("namespace"):
        return f'metadata.namespace: Forbidden: "{meta["namespace"]}": not allowed on this type'
    return ""


def _bad_labels(labels: Obj | None, where: str) -> str:
    for key, value in (labels or {}).items():
        if not _LABEL_KEY.fullmatch(key):
            return f'{where}: Invalid value: "{key}": name part must consist of ...'
        if not isinstance(value, str) or len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
            return f'{where}: Invalid value: "{value}": must be no more than 63 bytes, and consist of ...'
    return ""


def _bad_annotations(annotations: Obj) -> str:
    if any(not isinstance(value, str) for value in annotations.values()):
        return "metadata.annotations: Invalid value: values must be strings"
    size = sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items())
    too_long = f"metadata.annotations: Too long: may not be more than {MAX_ANNOTATION_BYTES} bytes"
    return too_long if size > MAX_ANNOTATION_BYTES else ""


def _bad_deployment(obj: Obj, old: Obj | None) -> str:
    spec = obj.get("spec") or {}
    selector = (spec.get("selector") or {}).get("matchLabels") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not selector:
        return "spec.selector: Required value"
    if old is not None and old["spec"]["selector"] != spec["selector"]:
        return "spec.selector: Invalid value: field is immutable"
    if not selector.items() <= labels.items():
        return "spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`"
    return _bad_labels(labels, "spec.template.labels") or _bad_containers(spec["template"].get("spec") or {})


def _bad_containers(pod: Obj) -> str:
    if not pod.get("containers"):
        return "spec.template.spec.containers: Required value"
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        if not container.get("name") or not container.get("image"):
            return "spec.template.spec.containers: Required value: name and image"
        mounts = {mount["name"] for mount in container.get("volumeMounts", ())}
        if missing := mounts - {volume["name"] for volume in pod.get("volumes", ())}:
            return f'spec.template.spec.containers.volumeMounts: Not found: "{min(missing)}"'
    return ""


def with_defaults(obj: Obj) -> Obj:
    """The fields that the server fills in, so that live objects hold more than was asked for."""
    obj = copy.deepcopy(obj)
    if obj["kind"] == "Service":
        _default(obj.setdefault("spec", {}), type="ClusterIP", sessionAffinity="None")
        for port in obj["spec"].get("ports", ()):
            _default(port, protocol="TCP", targetPort=port["port"])
    if obj["kind"] == "Deployment":
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
        _default(obj["spec"], replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
        _default(obj["spec"], strategy=strategy)
        _default_pod(obj["spec"]["template"]["spec"])
    return obj


def _default_pod(pod: Obj) -> None:
    _default(pod, restartPolicy="Always", dnsPolicy="ClusterFirst", schedulerName="default-scheduler")
    _default(pod, terminationGracePeriodSeconds=30, securityContext={})
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        latest = ":" not in container["image"] or container["image"].endswith(":latest")
        _default(container, imagePullPolicy="Always" if latest else "IfNotPresent", resources={})
        _default(container, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")
        for port in container.get("ports", ()):
            _default(port, protocol="TCP")


def _default(target: Obj, **values: Any) -> None:
    for key, value in values.items():
        target.setdefault(key, value)
