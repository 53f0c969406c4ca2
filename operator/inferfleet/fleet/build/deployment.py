"""The Deployment of a placement: fetch and quantize, then serve; admitted under Pod Security `restricted`. Pure."""

from collections.abc import Mapping
from typing import Any

from inferfleet import names
from inferfleet.api.hardware_pool import HardwarePoolSpec
from inferfleet.api.quantities import format_bytes, format_cpu, parse_quantity
from inferfleet.fleet.build import beside
from inferfleet.fleet.build.config_map import rolls_out, runtime_config
from inferfleet.fleet.build.dialect import FIRST, dialect
from inferfleet.fleet.build.meta import child, placement_labels, placement_selector
from inferfleet.fleet.build.patch import patched
from inferfleet.fleet.build.scheduling import scheduling
from inferfleet.fleet.build.serving import companions
from inferfleet.fleet.build.view import ModelView
from inferfleet.fleet.build.volumes import Brought, environment, mounts, volumes
from inferfleet.fleet.types import Obj, Placement, Valid
from inferfleet.planning.content import version
from inferfleet.planning.types import Pool
from inferfleet.settings import Settings
from inferfleet_runtime import contract
from inferfleet_runtime.engines import ENGINES
from inferfleet_runtime.engines.vendors.render import render

EXIT_MARGIN = 15
"""Seconds between the end of the drain and the kill: grace before it, and exit after it."""
USER = 65532


def deployment(model: ModelView, valid: Valid, placement: Placement, config: Obj, settings: Settings) -> Obj:
    """`replicas` is always part of it, since this operator is their one writer, but where another has taken over."""
    assert placement.evaluated
    candidate = placement.evaluated.candidate
    selector, labels = placement_selector(model, valid, placement), placement_labels(model, valid, placement)
    metadata = model.spec.pod_metadata
    template = {
        "metadata": {
            "labels": dict(metadata.labels) | labels | {names.LABEL_MANAGED: "true"},
            "annotations": dict(metadata.annotations)
            | {names.ANNOTATION_CONFIG: names.digest(_content(config, valid, placement), 16)},
        },
        "spec": _pod(model, valid, placement, config["metadata"]["name"], settings),
    }
    spec = {
        "replicas": placement.replicas,
        "selector": {"matchLabels": selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": _by_admin(template, candidate.pool.spec),
    }
    if placement.scaled_elsewhere:
        del spec["replicas"]
    notes = {
        names.ANNOTATION_SLOTS: str(placement.evaluated.prediction.slots),
        names.ANNOTATION_PROFILE: placement.evaluated.profile,
        names.ANNOTATION_IMAGE: _image(placement, settings),
    }
    if dialect(placement, settings) != FIRST:
        notes[names.ANNOTATION_DIALECT] = str(dialect(placement, settings))
    if made := version(candidate, valid.question):
        notes[names.ANNOTATION_ENGINE_VERSION] = made
    if placement.spill:
        notes[names.ANNOTATION_SPILL] = "back" if placement.state == "Retiring" else "true"
    return child(model, "Deployment", placement.name, labels, {"annotations": notes, "spec": spec})


def _content(config: Obj, valid: Valid, placement: Placement) -> Mapping[str, str]:
    """What pods with it measure: others say nothing about it. A newer engine is in a newer image, which rolls out."""
    assert placement.evaluated
    made = version(placement.evaluated.candidate, valid.question)
    return {**rolls_out(config["data"]), **({"engineVersion": made} if made else {})}


def _by_admin(template: dict[str, Any], pool: HardwarePoolSpec | None) -> dict[str, Any]:
    """With the pool's patch, which may change everything but the labels that make the pods ours."""
    merged = patched(template, pool.pod_template_patch if pool else None)
    metadata = merged.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("labels", {}), dict):
        return merged  # the API server will say what is wrong with it
    labels = metadata.get("labels", {}) | template["metadata"]["labels"]
    return merged | {"metadata": metadata | {"labels": labels}}


def _pod(model: ModelView, valid: Valid, placement: Placement, config_name: str, settings: Settings) -> dict[str, Any]:
    assert placement.evaluated
    pool = placement.evaluated.candidate.pool
    variant = model.variants[placement.evaluated.candidate.variant.name]
    engine = placement.evaluated.candidate.engine
    brought = Brought((model.source(variant), *companions(model.spec, valid.spec, engine)), settings)
    commands = ["fetch", *(["quantize"] if variant.quantize_from else [])]
    drain = int(valid.spec.scaling.drain.total_seconds())
    image = _image(placement, settings)
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
        "initContainers": [_container(command, pool, image, brought) for command in commands],
        "containers": [_serve(placement, image, brought)],
        "volumes": volumes(config_name, brought),
    }
    profile = valid.question.engines[engine]
    if profile.shape == "Beside":
        sidecar, beside_it = beside.containers(
            _container("sidecar", pool, image, brought), pool, profile, render(runtime_config(model, valid, placement))
        )
        pod |= {"initContainers": [*pod["initContainers"], sidecar], "containers": [beside_it]}
        pod["volumes"] = [*pod["volumes"], beside.volume()]
    return pod | scheduling(model.spec, pool, valid.spec.priority, settings)


def _image(placement: Placement, settings: Settings) -> str:
    return placement.image or settings.runtime_image


def _container(command: str, pool: Pool, image: str, brought: Brought) -> dict[str, Any]:
    cores, memory = format_cpu(parse_quantity(pool.cores)), format_bytes(pool.memory)
    # What serves is limited to what it requests: the speed that was measured is the speed that is there.
    # Before it, idle cores of the node shorten the boot.
    limits = {"cpu": cores, "memory": memory} if command == "serve" else {"memory": memory}
    return {
        "name": command,
        "image": image,
        "imagePullPolicy": brought.settings.runtime_image_pull_policy,
        "args": [command],
        "resources": {"requests": {"cpu": cores, "memory": memory}, "limits": limits},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts(brought, command),
    } | environment(brought, command)


def _serve(placement: Placement, image: str, brought: Brought) -> dict[str, Any]:
    assert placement.evaluated
    budget = ENGINES[placement.evaluated.candidate.engine].startup_budget_seconds
    return _container("serve", placement.evaluated.candidate.pool, image, brought) | {
        "ports": [{"name": "http", "containerPort": contract.PORT, "protocol": "TCP"}],
        "startupProbe": _probe(contract.LIVE_PATH, 1, max(1, int(budget))),
        "readinessProbe": _probe(contract.READY_PATH, 1, 3),
        "livenessProbe": _probe(contract.LIVE_PATH, 10, 6),
    }


def _probe(path: str, period: int, failures: int) -> dict[str, Any]:
    get = {"path": path, "port": "http", "scheme": "HTTP"}
    return {"httpGet": get, "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 5}
