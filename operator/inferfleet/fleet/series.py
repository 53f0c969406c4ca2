"""What the fleet's statuses say, as series for dashboards and alerts. Pure but for filling them."""

from contextlib import suppress
from dataclasses import dataclass, field

from inferfleet.fleet.types import Obj

_VALUES = {"True": 1.0, "False": 0.0}
Series = dict[tuple[str, ...], float]
"""Values by labels."""


@dataclass(frozen=True)
class FleetSeries:
    """One scrape's worth; filled with `note`, a Model at a time, since there are thousands."""

    conditions: Series = field(default_factory=dict)
    """(namespace, model, type): 1 True, 0 False, -1 Unknown."""
    replicas: Series = field(default_factory=dict)
    """(namespace, model, workload_class, pool, state): state is wanted or ready."""
    costs: Series = field(default_factory=dict)
    """(namespace, model, workload_class, pool): USD per million tokens of the class's unit."""


def note(found: FleetSeries, model: Obj) -> None:
    """Add a Model's status as stored: it was written by this operator, but perhaps by an older one."""
    with suppress(KeyError, TypeError, ValueError):  # a status that somebody else wrote
        _model(found, model)


def _model(found: FleetSeries, model: Obj) -> None:
    status = model.get("status", {})
    key = (model["metadata"]["namespace"], model["metadata"]["name"])
    for condition in status.get("conditions", ()):
        found.conditions[(*key, condition["type"])] = _VALUES.get(condition["status"], -1.0)
    for placement in status.get("placements", ()):
        if placement.get("state") != "Recommended":
            _placement(found, key, placement)


def _placement(found: FleetSeries, key: tuple[str, str], placement: Obj) -> None:
    where = (*key, ",".join(placement.get("classes", ())), placement["pool"])
    for state, field_ in (("wanted", "replicas"), ("ready", "ready")):
        label = (*where, state)
        found.replicas[label] = found.replicas.get(label, 0.0) + placement.get(field_, 0)
    if (cost := placement.get("costPer1MTokens")) is not None:
        found.costs[where] = float(cost)
