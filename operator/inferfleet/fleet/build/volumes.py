"""Volumes of a model pod: configuration, weights, and what an image or a claim brings. Pure."""

from typing import Any

from inferfleet.fleet import sources
from inferfleet_runtime import contract


def volumes(config_name: str, uri: str) -> list[dict[str, Any]]:
    """`uri` is of the file that is fetched, as the user gave it."""
    found: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": config_name}},
        {"name": "weights", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if image := sources.image(uri):
        found.append({"name": "image", "image": {"reference": image, "pullPolicy": "IfNotPresent"}})
    if claim := sources.claim(uri):
        found.append({"name": "claim", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
    return found


def mounts(uri: str) -> list[dict[str, Any]]:
    """The same in every container."""
    found: list[dict[str, Any]] = [
        {"name": "config", "mountPath": str(contract.CONFIG_PATH.parent), "readOnly": True},
        {"name": "weights", "mountPath": str(contract.WEIGHTS_DIR)},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod
    ]
    if sources.image(uri):
        found.append({"name": "image", "mountPath": str(contract.IMAGE_VOLUME_DIR), "readOnly": True})
    if sources.claim(uri):
        found.append({"name": "claim", "mountPath": str(contract.CLAIM_DIR), "readOnly": True})
    return found
