"""What a Model costs, as its status says it. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from inferfleet.api.figures import figures, two_figures
from inferfleet.api.model_status import CostStatus, ModelStatus
from inferfleet.api.quantities import two_digits
from inferfleet.costing.mean import Observed

MAX_COSTS = 64
"""Bound of the status in the CRD."""
_EXACT = 12
"""Digits of numbers that change with replicas alone: pools state prices, and pods come whole."""


def with_costs(status: ModelStatus, previous: ModelStatus, seen: tuple[Observed, ...] | None) -> ModelStatus:
    """What was written last stays until enough was seen: a restart is no news."""
    if seen is None:
        totals = {name: getattr(previous.summary, name) for name in ("cost_per_hour", "cost_per_month")}
        return status.model_copy(update={"costs": previous.costs, "summary": status.summary.model_copy(update=totals)})
    totals = {
        "cost_per_hour": _total(None if o.price is None else o.price * o.accelerators for o in seen),
        "cost_per_month": _total(o.usd_per_month for o in seen),
    }
    costs = [_cost(o) for o in seen][:MAX_COSTS]
    return status.model_copy(update={"costs": costs, "summary": status.summary.model_copy(update=totals)})


def _total(amounts: Iterable[float | None]) -> str | None:
    """Of those that are known; None where none is."""
    known = [amount for amount in amounts if amount is not None]
    return two_figures(sum(known)) if known else None


def _cost(o: Observed) -> CostStatus:
    return CostStatus.model_validate(
        {
            "class": o.account.class_,
            "pool": o.account.pool,
            "accelerators": figures(o.accelerators, _EXACT),
            "pricePerAcceleratorHour": None if o.price is None else figures(Decimal(str(o.price)), _EXACT),
            "costPerHour": _total([None if o.price is None else o.price * o.accelerators]),
            "costPerMonth": _total([o.usd_per_month]),
            "costPer1MTokens": _total([o.usd_per_million]),
            "joulesPerToken": _total([o.joules_per_token]),
            "watts": None if o.watts is None else two_digits(o.watts),
            "tokensPerSecond": two_digits(o.tokens_per_second),
            "utilizationPercent": round(o.utilization * 100),
        }
    )
