"""The Deployment of a placement: fetch and quantize, then serve; admitted under Pod Security `restricted`. Pure."""

from typing import Any

from inferfleet import names
from inferfleet.api.quantities import format_bytes, format_cpu, parse_quantity
from inferfleet.fleet.build.meta import child
from inferfleet.fleet.types import ModelView, Obj, Placement, Valid
from inferfleet.planning.types import Pool
from inferfleet.settings import Settings
from inferfleet_runtime import contract
from inferfleet_runtime.engines import ENGINES

EXIT_MARGIN = 15
"""Seconds between the end of the drain and the kill: grace before it, and exit after it."""
USER = 65532


def deployment(model: ModelView, valid: Valid, placement: Placement, config: Obj, settings: Settings) -> Obj:
    """`replicas` is always part of it: this operator is their one writer."""
    assert placement.evaluated
    candidate = placement.evaluated.candidate
    selector = {
        **names.workload_labels(model.name, valid.workload.class_),
        names.LABEL_PLACEMENT: names.placement_id(*placement.identity),
    }
    labels = selector | {
        names.LABEL_POOL: candidate.pool.name,
        names.LABEL_VARIANT: candidate.variant.name,
        names.LABEL_ENGINE: candidate.engine,
    }
    template_labels = labels | {names.LABEL_MANAGED: "true"}
    template_notes = {names.ANNOTATION_CONFIG: names.digest(config["data"], 16)}
    spec = {
        "replicas": placement.replicas,
        "selector": {"matchLabels": selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {
            "metadata": {"labels": template_labels, "annotations": template_notes},
            "spec": _pod(model, valid, placement, config["metadata"]["name"], settings),
        },
    }
    notes = {
        names.ANNOTATION_SLOTS: str(placement.evaluated.prediction.slots),
        names.ANNOTATION_PROFILE: placement.evaluated.profile,
    }
    return child(model, "Deployment", placement.name, labels, {"annotations": notes, "spec": spec})


def _pod(model: ModelView, valid: Valid, placement: Placement, config_name: str, settings: Settings) -> dict[str, Any]:
    assert placement.evaluated
    pool = placement.evaluated.candidate.pool
    variant = model.variants[placement.evaluated.candidate.variant.name]
    uri = model.source(variant).uri
    image = uri.removeprefix("oci://").split("#")[0] if uri.startswith("oci://") else None
    commands = ["fetch", *(["quantize"] if variant.quantize_from else [])]
    drain = int(valid.spec.scaling.drain.total_seconds())
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": drain + EXIT_MARGIN,
        "initContainers": [_container(command, pool, settings, image is not None) for command in commands],
        "containers": [_serve(placement, settings, image is not None)],
        "volumes": _volumes(config_name, image),
    }
    if pool.selector:
        pod["nodeSelector"] = dict(pool.selector)
    return pod


def _container(command: str, pool: Pool, settings: Settings, from_image: bool) -> dict[str, Any]:
    cores, memory = format_cpu(parse_quantity(pool.cores)), format_bytes(pool.memory)
    # What serves is limited to what it requests: the speed that was measured is the speed that is there.
    # Before it, idle cores of the node shorten the boot.
    limits = {"cpu": cores, "memory": memory} if command == "serve" else {"memory": memory}
    mounts = [
        {"name": "config", "mountPath": str(contract.CONFIG_PATH.parent), "readOnly": True},
        {"name": "weights", "mountPath": str(contract.WEIGHTS_DIR)},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod
    ]
    if from_image:
        mounts.append({"name": "image", "mountPath": str(contract.IMAGE_VOLUME_DIR), "readOnly": True})
    return {
        "name": command,
        "image": settings.runtime_image,
        "imagePullPolicy": settings.runtime_image_pull_policy,
        "args": [command],
        "resources": {"requests": {"cpu": cores, "memory": memory}, "limits": limits},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def _serve(placement: Placement, settings: Settings, from_image: bool) -> dict[str, Any]:
    assert placement.evaluated
    budget = ENGINES[placement.evaluated.candidate.engine].startup_budget_seconds
    return _container("serve", placement.evaluated.candidate.pool, settings, from_image) | {
        "ports": [{"name": "http", "containerPort": contract.PORT, "protocol": "TCP"}],
        "startupProbe": _probe(contract.LIVE_PATH, 1, max(1, int(budget))),
        "readinessProbe": _probe(contract.READY_PATH, 1, 3),
        "livenessProbe": _probe(contract.LIVE_PATH, 10, 6),
    }


def _probe(path: str, period: int, failures: int) -> dict[str, Any]:
    get = {"path": path, "port": "http", "scheme": "HTTP"}
    return {"httpGet": get, "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 5}


def _volumes(config_name: str, image: str | None) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": config_name}},
        {"name": "weights", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if image:
        volumes.append({"name": "image", "image": {"reference": image, "pullPolicy": "IfNotPresent"}})
    return volumes
