"""What it costs lately: an exponentially weighted mean, which keeps one sum for each account. Pure."""

from dataclasses import dataclass
from math import exp

from inferfleet.costing.types import HOUR, MONTH_HOURS, Account, Rate, Sum

MEAN_SECONDS = 900.0
"""Time constant: what is a quarter of an hour old counts e times less."""
SHOWN_SECONDS = 60.0
"""Before so much was seen nothing is said: the first requests after a start are no mean."""
FEWEST_TOKENS = 1.0
"""Below it there is no price of a token: dividing by what is left of old ones gives millions."""
MILLION = 1e6


@dataclass(frozen=True)
class Mean:
    """Weighted sums."""

    sum: Sum
    seconds: float
    """Weighted like the sums, so that their ratio is right from the first second."""
    seen: float
    """Seconds, unweighted."""


NOTHING = Mean(Sum(), 0.0, 0.0)


def later(mean: Mean, added: Sum, seconds: float) -> Mean:
    """With one more interval."""
    left = exp(-seconds / MEAN_SECONDS)
    return Mean(mean.sum * left + added, mean.seconds * left + seconds, mean.seen + seconds)


@dataclass(frozen=True)
class Observed:
    """Of one account."""

    account: Account
    accelerators: float
    """Allocated now; for CPUs, cores."""
    price: float | None
    """USD for one accelerator-hour."""
    utilization: float
    """0 to 1; this and what follows is a mean."""
    watts: float | None
    tokens_per_second: float
    """Generated; prompt tokens where nothing is generated."""
    usd_per_hour: float | None
    """Mean: a month is made of it. What is allocated now costs `accelerators` times `price`."""
    usd_per_million: float | None
    """Of these tokens; None while there are hardly any."""
    joules_per_token: float | None

    @property
    def usd_per_month(self) -> float | None:
        """Projected: 730 hours like the last ones."""
        return None if self.usd_per_hour is None else self.usd_per_hour * MONTH_HOURS


def observed(account: Account, mean: Mean, accelerators: float, rate: Rate) -> Observed | None:
    """None until enough was seen. `rate` is that of any of its replicas: they are of one pool."""
    if mean.seen < SHOWN_SECONDS:
        return None
    total, tokens = mean.sum, mean.sum.generated or mean.sum.prompted
    dense = tokens >= FEWEST_TOKENS
    priced, powered = rate.price is not None, rate.watts is not None
    return Observed(
        account=account,
        accelerators=accelerators,
        price=rate.price,
        utilization=total.used_seconds / total.accelerator_seconds if total.accelerator_seconds else 0.0,
        watts=total.joules / mean.seconds if powered else None,
        tokens_per_second=tokens / mean.seconds,
        usd_per_hour=total.usd / mean.seconds * HOUR if priced else None,
        usd_per_million=total.usd / tokens * MILLION if priced and dense else None,
        joules_per_token=total.joules / tokens if powered and dense else None,
    )
