"""Where a model pod may run, as whom, and who gives way to it. Pure."""

from collections.abc import Mapping
from typing import Any

from inferfleet.api.model import ModelSpec
from inferfleet.api.nodes import Toleration
from inferfleet.planning.types import Pool
from inferfleet.settings import Settings


def scheduling(model: ModelSpec, pool: Pool, priority: int, settings: Settings) -> dict[str, Any]:
    """Fields of a pod's spec; only those that something was said about."""
    nodes = pool.spec.nodes if pool.spec else None
    own = [_toleration(t) for t in nodes.tolerations] if nodes else []
    preset = [dict(t) for t in pool.accelerator.tolerations] if pool.accelerator else []
    found = {
        "nodeSelector": dict(pool.selector),
        "tolerations": [*preset, *own],
        "schedulerName": nodes.scheduler_name if nodes else None,
        "runtimeClassName": nodes.runtime_class_name if nodes else None,
        "serviceAccountName": model.service_account_name,
        "priorityClassName": priority_class(priority, settings.priority_classes),
        "imagePullSecrets": [{"name": name} for name in settings.runtime_image_pull_secrets],
    }
    return {key: value for key, value in found.items() if value}


def _toleration(given: Toleration) -> dict[str, str]:
    """Without what is empty, as the API server stores it."""
    said: dict[str, str] = given.model_dump(by_alias=True, exclude_none=True)
    return {key: value for key, value in said.items() if value}


def priority_class(priority: int, known: Mapping[int, str]) -> str | None:
    """The PriorityClass with the largest value not above `priority`, or None.

    0, the default, gets none: pods of who says nothing are as the cluster's default has them.
    """
    fitting = [value for value in known if value <= priority]
    return known[max(fitting)] if priority and fitting else None
