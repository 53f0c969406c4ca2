"""Desired children as plain objects: one file per kind, metadata from `meta`. Pure."""

from inferfleet.fleet.build.config_map import config_map
from inferfleet.fleet.build.deployment import deployment
from inferfleet.fleet.build.dialect import FIRST, alone, dialect, in_first
from inferfleet.fleet.build.protection import disruption_budget, network_policy
from inferfleet.fleet.build.service import service
from inferfleet.fleet.build.view import ModelView
from inferfleet.fleet.types import Obj, Placement, Plan, Valid
from inferfleet.settings import Settings


def build(model: ModelView, plan: Plan, settings: Settings) -> list[Obj]:
    """All objects to apply: per planned workload a Service, and for its placements all that they are made of."""
    objects: list[Obj] = []
    for workload in plan.workloads:
        if workload.valid is None:
            continue
        deployed = [p for p in workload.placements if p.state != "Recommended"]
        if deployed:
            objects += [service(model, class_, label) for class_, label in workload.selects.items()]
        for placement in deployed:
            if placement.evaluated:
                objects += _placement(model, workload.valid, placement, settings)
    return objects


def _placement(model: ModelView, valid: Valid, placement: Placement, settings: Settings) -> list[Obj]:
    if dialect(placement, settings) == FIRST:
        (model, valid), placement = in_first(model, valid), alone(placement)
    config = config_map(model, valid, placement)
    return [
        config,
        disruption_budget(model, valid, placement),
        network_policy(model, valid, placement),
        deployment(model, valid, placement, config, settings),
    ]
