"""Metadata of every child: labels, owner, and the hash that tells whether it is as last applied. Pure."""

from typing import Any

from inferfleet import names
from inferfleet.api.base import GROUP, VERSION
from inferfleet.fleet.build.view import ModelView
from inferfleet.fleet.types import Obj, Placement, Valid

_API_VERSION = {
    "Deployment": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}


def child(model: ModelView, kind: str, name: str, labels: dict[str, str], body: dict[str, Any]) -> Obj:
    """An object owned by the Model; `body` is everything but metadata, plus optional `annotations`.

    Labels are ours alone: `app.kubernetes.io/instance` would make Argo CD believe that it owns the object.
    """
    annotations = body.pop("annotations", {})
    obj: Obj = {
        "apiVersion": _API_VERSION.get(kind, "v1"),
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


def placement_selector(model: ModelView, valid: Valid, placement: Placement) -> dict[str, str]:
    """What selects the pods of a placement; immutable in a Deployment."""
    return {
        **names.workload_labels(model.name, valid.workload.class_),
        names.LABEL_PLACEMENT: names.placement_id(*placement.identity, valid.workload.class_),
    }


def placement_labels(model: ModelView, valid: Valid, placement: Placement) -> dict[str, str]:
    """The selector, and what the placement is made of."""
    pool, variant, engine = placement.identity
    return placement_selector(model, valid, placement) | {
        names.LABEL_POOL: pool,
        names.LABEL_VARIANT: variant,
        names.LABEL_ENGINE: engine,
    }
