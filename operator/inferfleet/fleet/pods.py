"""What Pods say of themselves: why they do not start, how long they took, whom to scrape. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from inferfleet import names
from inferfleet_runtime.contract import METRICS_PATH, PORT, SIDECAR_PORT
from inferfleet_runtime.engines import ENGINES

_WAITING_IS_NORMAL = ("ContainerCreating", "PodInitializing", "")
_STAGES = {"fetch": "fetching weights", "quantize": "quantizing"}
"""By the init container that runs."""
DEFAULT_BOOT = 30.0
"""Seconds from creation to Ready while no pod has shown it."""
MAX_BOOT = 900.0
"""A longer one is a pod that became ready again."""


def failure(pods: Iterable[Mapping[str, Any]]) -> str:
    """A sentence for the first pod, by name, that cannot start; empty when none is in trouble.

    Pods that leave or have ended are no trouble: their successors tell.
    """
    staying = (p for p in pods if "deletionTimestamp" not in p["metadata"] and not _ended(p))
    for pod in sorted(staying, key=lambda p: str(p["metadata"]["name"])):
        if trouble := _trouble(pod.get("status", {})):
            return f"pod {pod['metadata']['name']}: {trouble}"
    return ""


def _ended(pod: Mapping[str, Any]) -> bool:
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def _trouble(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"cannot be scheduled: {condition.get('message', condition.get('reason', ''))}"
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        state = container.get("state", {})
        waiting = state.get("waiting", {})
        if waiting.get("reason", "") not in _WAITING_IS_NORMAL:
            last = container.get("lastState", {}).get("terminated", {})
            detail = last.get("message") or waiting.get("message", "")
            return f"container {container['name']}: {waiting['reason']}: {detail.strip()[-400:]}"
        ended = state.get("terminated", {})
        if ended.get("exitCode", 0) != 0:
            message = ended.get("message", "").strip()[-400:]
            return f"container {container['name']} ended with code {ended['exitCode']}: {message}"
    return ""


def doing(pods: Iterable[Mapping[str, Any]]) -> str:
    """What pods that are not ready yet are at, as a clause; empty when none tells. Those that leave do not count."""
    staying = (pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
    found = [stage for pod in staying if (stage := _stage(pod.get("status", {})))]
    said = [f"{found.count(stage)} {words}" for stage, words in _STAGES.items() if stage in found]
    return ", ".join(said)


def _stage(status: Mapping[str, Any]) -> str:
    running = (c["name"] for c in status.get("initContainerStatuses", ()) if "running" in c.get("state", {}))
    return next((name for name in running if name in _STAGES), "")


def allocated(pod: Mapping[str, Any]) -> bool:
    """Whether it holds what it requests of a node: from when it is bound to one until it has ended."""
    bound = any(
        c["type"] == "PodScheduled" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", ())
    )
    return bound and not _ended(pod)


def ready(pod: Mapping[str, Any]) -> bool:
    """Ready and not on its way out."""
    return "deletionTimestamp" not in pod["metadata"] and _ready_since(pod) is not None


def boot_seconds(pod: Mapping[str, Any]) -> float | None:
    """Seconds from creation to Ready; None while it is not, or for so long that it must have been ready before."""
    since = _ready_since(pod)
    if since is None:
        return None
    created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    took = max(1.0, (datetime.fromisoformat(since) - created).total_seconds())
    return took if took <= MAX_BOOT else None


def _ready_since(pod: Mapping[str, Any]) -> str | None:
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition["type"] == "Ready" and condition["status"] == "True":
            return str(condition["lastTransitionTime"])
    return None


def workload_of(pod: Mapping[str, Any]) -> tuple[str, str, str]:
    """Namespace, Model and class label; empty where it has no such label."""
    labels = _labels(pod)
    return pod["metadata"]["namespace"], labels.get(names.LABEL_MODEL, ""), labels.get(names.LABEL_CLASS, "")


def placement_of(pod: Mapping[str, Any]) -> str:
    """The name of its Deployment."""
    labels = _labels(pod)
    return names.placement_name(
        labels.get(names.LABEL_MODEL, ""),
        labels.get(names.LABEL_CLASS, ""),
        labels.get(names.LABEL_PLACEMENT, ""),
    )


def config_of(pod: Mapping[str, Any]) -> str:
    """Hash of the configuration that it was started with; empty where it does not say."""
    found: str = pod["metadata"].get("annotations", {}).get(names.ANNOTATION_CONFIG, "")
    return found


def metrics_url(pod: Mapping[str, Any]) -> str:
    """Of one that has an address."""
    return f"http://{_host(pod['status']['podIP'])}:{_port(pod)}{METRICS_PATH}"


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _port(pod: Mapping[str, Any]) -> int:
    """Where it says what the scaler needs: a vendor's engine does not, the sidecar beside it does."""
    engine = ENGINES.get(_labels(pod).get(names.LABEL_ENGINE, ""))
    return SIDECAR_PORT if engine and engine.shape == "Beside" else PORT


def _labels(pod: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = pod["metadata"].get("labels", {})
    return found
