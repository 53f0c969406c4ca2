"""One scaling round of one workload: signals to a decision and a corrected capacity. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from inferfleet.planning.types import Measured
from inferfleet.planning.unit import Unit
from inferfleet.scaling.demand import Demand, measure
from inferfleet.scaling.law import Decision, History, ScaleInput, decide
from inferfleet.scaling.ledger import capacity
from inferfleet.scaling.signal import Window


@dataclass(frozen=True)
class Target:
    """A workload whose replicas follow demand; made from a plan. Times in seconds."""

    class_: str
    placement: str
    """Deployment that is scaled."""
    profile: str
    """Its CapacityProfile."""
    replicas: int
    minimum: int
    maximum: int
    room: int
    planned_capacity: float
    """Tokens per second of a replica while none is measured."""
    utilization: float
    delay: float
    request_tokens: float
    """Median tokens of a request of the class."""
    unit: Unit
    """What these tokens, its demand and its capacity are."""
    config: str = ""
    """Hash of the configuration that its pods shall have; empty: not known."""
    planned_demand: float = 0.0
    """Tokens per second to hold ready until traffic is observed."""


@dataclass(frozen=True)
class Signals:
    """What a workload's pods said. Pods are named; windows of pods that are not ready are left out."""

    now: float
    windows: Mapping[str, Window]
    """By ready pod; empty for one that never answered."""
    own: frozenset[str]
    """Pods of the target placement: only their speed is its capacity."""
    boot: float
    max_age: float


@dataclass(frozen=True)
class Round:
    """What one round found."""

    decision: Decision
    demand: Demand
    measured: Measured | None
    served: float | None
    """Tokens per second; None while no pod was scraped twice."""


def scale(target: Target, signals: Signals, known: Measured | None, history: History) -> Round:
    """Measure, correct the ledger, decide."""
    windows = tuple(signals.windows.values())
    demand = measure(windows, signals.now, signals.boot, target.request_tokens, target.unit)
    if target.planned_demand and not any(w and w[-1].arrivals for w in windows):
        demand = replace(demand, tokens_per_second=target.planned_demand)
    known_rates = any(len(w) >= 2 for w in windows)
    own = [w for name, w in signals.windows.items() if name in signals.own]
    measured = capacity(known, own, signals.now, target.unit)
    stale = tuple(
        sorted(name for name, w in signals.windows.items() if not w or w[-1].at < signals.now - signals.max_age)
    )
    decision = decide(
        ScaleInput(
            now=signals.now,
            replicas=target.replicas,
            ready_pods=len(windows) if known_rates else 0,
            stale_pods=stale,
            minimum=target.minimum,
            maximum=target.maximum,
            room=target.room,
            demand=demand,
            capacity=measured.tokens_per_second if measured else target.planned_capacity,
            utilization=target.utilization,
            boot=signals.boot,
            delay=target.delay,
            history=history,
        )
    )
    return Round(decision, demand, measured, demand.served if known_rates else None)
