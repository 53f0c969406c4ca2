"""What an interval of pods cost. Pure.

A pod that is allocated is paid, whatever it does. Power is that of `performance.power`: idle + (full - idle) *
utilization^kappa (arXiv:2311.18677, figure 8).
"""

from collections.abc import Iterable

from inferfleet.costing.types import HOUR, Account, Rate, Sum, Use
from inferfleet.performance.power import Power

POWER = Power(idle=0.1, kappa=0.5687, arithmetic=0.6955, memory=0.8926)
"""As fitted: `power` of `catalog/performance.json`, which has a thousand times more in it than is needed here."""


def idle_watts(most: float, power: Power = POWER) -> float:
    """Of accelerators whose design power is `most`, while nothing runs."""
    return power.idle * most


def watts(rate: Rate, utilization: float, power: Power = POWER) -> float:
    """Of a replica; 0 where its power is not known."""
    if rate.watts is None:
        return 0.0
    idle = rate.idle_watts if rate.idle_watts is not None else idle_watts(rate.watts, power)
    top = max(rate.watts, idle)
    return float(idle + (top - idle) * utilization**power.kappa)


def used_watts(rate: Rate, utilization: float, power: Power = POWER) -> float:
    """What of it is due to what is done: the rest is drawn in the part of the time in which nothing is."""
    return watts(rate, utilization, power) - (1.0 - utilization) * watts(rate, 0.0, power)


def booked(use: Use, seconds: float) -> Sum:
    """What a pod cost in so many seconds."""
    usd = (use.rate.usd_per_hour or 0.0) * seconds / HOUR
    return Sum(
        usd=usd,
        idle_usd=usd * (1.0 - use.utilization),
        joules=watts(use.rate, use.utilization) * seconds,
        accelerator_seconds=use.rate.accelerators * seconds,
        used_seconds=use.rate.accelerators * seconds * use.utilization,
        prompted=use.tokens.prompted,
        generated=use.tokens.generated,
    )


def accounts(uses: Iterable[Use], seconds: float) -> dict[Account, Sum]:
    """What all pods cost, split among the classes that each serves."""
    found: dict[Account, Sum] = {}
    for use in uses:
        whole = booked(use, seconds)
        for class_, share in use.shares.items():
            account = Account(use.namespace, use.model, class_, use.pool)
            found[account] = found.get(account, Sum()) + whole * share
    return found
