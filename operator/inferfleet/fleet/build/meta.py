"""Metadata of every child: labels, owner, and the hash that tells whether it is as last applied. Pure."""

from typing import Any

from inferfleet import names
from inferfleet.api.base import GROUP, VERSION
from inferfleet.fleet.types import ModelView, Obj


def child(model: ModelView, kind: str, name: str, labels: dict[str, str], body: dict[str, Any]) -> Obj:
    """An object owned by the Model; `body` is everything but metadata, plus optional `annotations`.

    Labels are ours alone: `app.kubernetes.io/instance` would make Argo CD believe that it owns the object.
    """
    annotations = body.pop("annotations", {})
    api_version = "apps/v1" if kind == "Deployment" else "v1"
    obj: Obj = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": model.namespace,
            "labels": {names.LABEL_MANAGED: "true", names.LABEL_MODEL: model.name, **labels},
            "ownerReferences": [_owner(model)],
        },
        **body,
    }
    obj["metadata"]["annotations"] = annotations | {names.ANNOTATION_HASH: names.digest([obj, annotations], 16)}
    return obj


def _owner(model: ModelView) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Model",
        "name": model.name,
        "uid": model.uid,
        "controller": True,
        "blockOwnerDeletion": False,  # would need a permission on models/finalizers and only slows deletion
    }
