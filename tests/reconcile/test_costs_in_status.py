"""What a Model costs, in its status."""

from dataclasses import replace
from datetime import timedelta

import make
from harness import Operator, status, world

from inferfleet.costing.mean import Observed
from inferfleet.costing.types import Account
from inferfleet.fleet.cost_status import MAX_COSTS
from inferfleet.kube import kinds

OBSERVED = Observed(
    account=Account("default", "demo", "chat", "cpu"),
    accelerators=1.5,
    price=0.0504,
    utilization=0.378,
    watts=31.49,
    tokens_per_second=123.4,
    usd_per_hour=0.06,
    usd_per_million=0.17019,
    joules_per_token=0.2552,
)


async def settled(*costs: Observed) -> Operator:
    """An operator that has been told these, and has done all."""
    operator = Operator(world(make.node(), make.pool(), make.workload_class(), make.model()))
    operator.scaled = replace(operator.scaled, costs=costs)
    await operator.settle()
    return operator


async def test_costs_are_rounded_to_two_digits_but_for_what_changes_with_replicas_alone() -> None:
    found = status((await settled(OBSERVED)).cluster)
    (cost,) = found.costs
    assert cost.model_dump(by_alias=True) == {
        "class": "chat",
        "pool": "cpu",
        "accelerators": "1.5",
        "pricePerAcceleratorHour": "0.0504",
        "costPerHour": "0.076",
        "costPerMonth": "44",
        "costPer1MTokens": "0.17",
        "joulesPerToken": "0.26",
        "watts": 31,
        "tokensPerSecond": 120,
        "utilizationPercent": 38,
    }
    assert (found.summary.cost_per_hour, found.summary.cost_per_month) == ("0.076", "44")


async def test_the_summary_adds_up_pools_and_leaves_out_what_has_no_price() -> None:
    free = replace(OBSERVED, account=Account("default", "demo", "chat", "own"), price=None, usd_per_hour=None)
    found = status((await settled(OBSERVED, replace(OBSERVED, accelerators=100.0), free)).cluster)
    assert found.summary.cost_per_hour == "5.1"
    assert found.summary.cost_per_month == "88"
    assert [c.cost_per_hour for c in found.costs] == ["0.076", "5", None]


async def test_after_a_restart_the_last_costs_stay_until_enough_was_seen() -> None:
    operator = await settled(OBSERVED)
    again = Operator(operator.cluster, now=operator.now)
    assert again.scaled.costs is None
    await again.settle()
    assert [c.cost_per_hour for c in status(operator.cluster).costs] == ["0.076"]
    again.scaled = replace(again.scaled, costs=())
    await again.settle()
    assert status(operator.cluster).costs == []
    assert status(operator.cluster).summary.cost_per_hour is None


async def test_costs_are_written_at_most_every_thirty_seconds_and_only_when_a_digit_changes() -> None:
    operator = await settled(OBSERVED)
    operator.scaled = replace(operator.scaled, status_written=operator.now)

    async def wrote(changed: Observed, later: int) -> bool:
        before = len(operator.cluster.writes)
        operator.scaled = replace(operator.scaled, costs=(changed,))
        operator.now += timedelta(seconds=later)
        await operator.once()
        return len(operator.cluster.writes) > before

    assert not await wrote(replace(OBSERVED, usd_per_million=0.1704, watts=31.2), 100)
    assert await wrote(replace(OBSERVED, usd_per_million=0.18), 100)
    assert not await wrote(replace(OBSERVED, usd_per_million=0.19), 10)
    assert await wrote(replace(OBSERVED, usd_per_million=0.19), 30)


async def test_no_more_costs_are_written_than_the_definition_allows() -> None:
    many = [replace(OBSERVED, account=Account("default", "demo", "chat", f"p{i:03}")) for i in range(MAX_COSTS + 1)]
    operator = await settled(*many)
    assert len(status(operator.cluster).costs) == MAX_COSTS
    stored = operator.cluster.peek(kinds.MODEL, "default", "demo")
    assert stored
    assert stored["status"]["summary"]["costPerHour"] == "4.9"
