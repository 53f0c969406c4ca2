"""The pod of a vendor's engine: its own image, unmodified, with the runtime as native sidecar beside it. Pure.

The kubelet asks the sidecar about the engine, whose own health endpoints may lie, and has it drain the engine before
the engine hears of its end. Together they are as large as the pool's replica.
"""

from collections.abc import Mapping
from typing import Any

from inferfleet.api.quantities import format_bytes, format_cpu, parse_quantity
from inferfleet.catalog.loader import Accelerator
from inferfleet.planning.types import Pool
from inferfleet_runtime import contract
from inferfleet_runtime.engines import EngineProfile
from inferfleet_runtime.engines.vendors.vendor import Container

SIDECAR_CORES = "0.05"
SIDECAR_MEMORY = 128 * 2**20
"""Bytes; part of the engine's `process_overhead_bytes`."""
SHARED_MEMORY = "1Gi"
"""Of /dev/shm, through which an engine's processes talk: 64 MiB are what containers have without it."""

LIVENESS_FAILURES = 30
"""Ten seconds each. A sidecar that ended answers nothing until the kubelet's back-off, of five minutes at most, is
over: an engine in the middle of streams is not ended for that."""

Fields = dict[str, Any]


def containers(own: Fields, pool: Pool, profile: EngineProfile, rendered: Container) -> tuple[Fields, Fields]:
    """The sidecar, which is an init container that goes on, and the engine; `own`: the runtime's container."""
    return _sidecar(own), _engine(own, pool, profile, rendered)


def volume() -> Fields:
    """What the engine needs beside the volumes of every model pod."""
    return {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": SHARED_MEMORY}}


def image(profile: EngineProfile, accelerator: Accelerator | None) -> str:
    """Of the engine, for the processor that the pool has."""
    arm = bool(accelerator and accelerator.architecture and accelerator.architecture.startswith("arm"))
    return profile.image.replace("{arch}", "arm64" if arm else "x86_64")


def _sidecar(own: Fields) -> Fields:
    requests = {"cpu": format_cpu(parse_quantity(SIDECAR_CORES)), "memory": format_bytes(SIDECAR_MEMORY)}
    return own | {
        "restartPolicy": "Always",
        # no limit of its cores: it only looks, and a look that is late is an engine that seems to hang
        "resources": {"requests": requests, "limits": {"memory": requests["memory"]}},
        # the name by which monitoring finds the canonical series of a model pod, whoever serves in it
        "ports": [{"name": "http", "containerPort": contract.SIDECAR_PORT, "protocol": "TCP"}],
        "startupProbe": probe(contract.SIDECAR_PATH, 1, 60),
        "livenessProbe": probe(contract.SIDECAR_PATH, 10, 6),
    }


def _engine(own: Fields, pool: Pool, profile: EngineProfile, rendered: Container) -> Fields:
    cores = format_cpu(max(parse_quantity(pool.cores) - parse_quantity(SIDECAR_CORES), parse_quantity(SIDECAR_CORES)))
    size = {"cpu": cores, "memory": format_bytes(pool.memory - SIDECAR_MEMORY)}
    # as many cores as it has threads, which wait for each other; it yields the sidecar's share where both want it
    limits = size | {"cpu": format_cpu(parse_quantity(pool.cores))}
    shared = {"name": "shm", "mountPath": "/dev/shm"}  # noqa: S108 - an emptyDir of the pod
    return {
        "name": "engine",
        "image": image(profile, pool.accelerator),
        "imagePullPolicy": "IfNotPresent",
        "command": list(rendered.command),
        "args": list(rendered.args),
        "env": [{"name": name, "value": value} for name, value in sorted(rendered.env.items())],
        "ports": [{"name": "engine", "containerPort": contract.PORT, "protocol": "TCP"}],
        "resources": {"requests": size, "limits": limits},
        # not its whole file system: who wrote it did not know that it could be read-only
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [*map(_read_only, own["volumeMounts"]), shared],
        "lifecycle": {"preStop": {"httpGet": _get(contract.DRAIN_PATH)}},
        "startupProbe": probe(contract.STARTED_PATH, 5, max(1, int(profile.startup_budget_seconds / 5))),
        "readinessProbe": probe(contract.READY_PATH, 1, 3),
        "livenessProbe": probe(contract.LIVE_PATH, 10, LIVENESS_FAILURES),
    }


def _read_only(mount: Mapping[str, Any]) -> Fields:
    """The engine may write to nothing but the scratch volume."""
    return dict(mount) if mount["name"] == "tmp" else {**mount, "readOnly": True}


def probe(path: str, period: int, failures: int) -> Fields:
    """A question to the sidecar."""
    return {"httpGet": _get(path), "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 5}


def _get(path: str) -> Fields:
    return {"path": path, "port": contract.SIDECAR_PORT, "scheme": "HTTP"}
