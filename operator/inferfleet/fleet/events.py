"""Events as values: what changed between two statuses, in words. Pure."""

from dataclasses import dataclass

from inferfleet.api.model_status import ModelStatus, PlacementStatus
from inferfleet.fleet.types import Observed
from inferfleet.names import Cond, Reason

_GOOD = {
    Cond.READY: "True",
    Cond.PLANNED: "True",
    Cond.DEPLOYED: "True",
    Cond.SIGNAL_FRESH: "True",
    Cond.WITHIN_LIMITS: "True",
    Cond.FIELDS_OBEYED: "True",
}


_QUIET = (Cond.SIGNAL_FRESH, Cond.WITHIN_LIMITS, Cond.FIELDS_OBEYED)
"""Good from the start is not worth a line."""


@dataclass(frozen=True)
class Event:
    """A line of `kubectl describe`."""

    type: str
    """Normal or Warning."""
    reason: str
    message: str


def events(seen: Observed, after: ModelStatus) -> list[Event]:
    """Conditions that turned, placements that began to move and replicas that changed; silence when nothing did."""
    return [*_turned(seen.status, after), *_moving(seen.status, after), *_scaled(seen.status, after)]


def _turned(before: ModelStatus, after: ModelStatus) -> list[Event]:
    known = {c.type: c for c in before.conditions}
    found = []
    for condition in after.conditions:
        old = known.get(condition.type)
        same = old is not None and (old.status, old.reason) == (condition.status, condition.reason)
        if same or condition.status == "Unknown" or condition.type == Cond.READY:
            continue
        if condition.reason == Reason.NOT_PLANNED:
            continue  # the event of Planned says why
        good = condition.status == _GOOD[condition.type] or condition.reason == Reason.PODS_STARTING
        if good and old is None and condition.type in _QUIET:
            continue
        found.append(Event("Normal" if good else "Warning", condition.reason, condition.message[:1000]))
    return found


def _moving(before: ModelStatus, after: ModelStatus) -> list[Event]:
    """A successor beside what serves: what each costs, and why."""
    known = {p.name for p in before.placements}
    served = {class_: p for p in before.placements if p.state == "Serving" for class_ in p.classes}
    return [
        Event("Normal", "Moving", f"{class_}: {_place(served[class_])} to {_place(p)}: {p.message}"[:1000])
        for p in after.placements
        for class_ in p.classes
        if p.name not in known and p.state == "Starting" and class_ in served and p.reason != Reason.SPILLED
    ]


def _place(placement: PlacementStatus) -> str:
    cost = placement.cost_per1_m_tokens
    return f"{placement.variant} on {placement.pool}" + (f" ({cost} USD per 1M tokens)" if cost else "")


def _scaled(before: ModelStatus, after: ModelStatus) -> list[Event]:
    known = {p.name: p.replicas for p in before.placements}
    why = {s.class_: s.message for s in after.scaling}
    return [
        Event(
            "Normal",
            "Scaled",
            f"{p.name}: {known[p.name]} to {p.replicas} replicas: {_why(p, why)}"[:1000],
        )
        for p in after.placements
        if p.name in known and known[p.name] != p.replicas
    ]


def _why(placement: PlacementStatus, messages: dict[str, str]) -> str:
    return "; ".join(dict.fromkeys(messages[class_] for class_ in placement.classes if class_ in messages))
