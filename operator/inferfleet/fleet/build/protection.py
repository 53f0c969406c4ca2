"""What protects the pods of a placement: from drains that take all, and from callers of other ports. Pure."""

from inferfleet.fleet.build.meta import child, placement_labels, placement_selector
from inferfleet.fleet.build.view import ModelView
from inferfleet.fleet.types import Obj, Placement, Valid
from inferfleet_runtime.contract import PORT, SIDECAR_PORT


def disruption_budget(model: ModelView, valid: Valid, placement: Placement) -> Obj:
    """One replica at a time may be evicted: a single one too, so that no node's drain waits for ever."""
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": placement_selector(model, valid, placement)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",  # else a pod that is not ready blocks its node's drain
    }
    return child(
        model, "PodDisruptionBudget", placement.name, placement_labels(model, valid, placement), {"spec": spec}
    )


def network_policy(model: ModelView, valid: Valid, placement: Placement) -> Obj:
    """Only the serving port, and a sidecar's, from anywhere: who may ask is for the cluster's own policies to say."""
    spec = {
        "podSelector": {"matchLabels": placement_selector(model, valid, placement)},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": port, "protocol": "TCP"} for port in _ports(valid, placement)]}],
    }
    return child(model, "NetworkPolicy", placement.name, placement_labels(model, valid, placement), {"spec": spec})


def _ports(valid: Valid, placement: Placement) -> tuple[int, ...]:
    engine = placement.identity[2]
    return (PORT, SIDECAR_PORT) if valid.question.engines[engine].shape == "Beside" else (PORT,)
