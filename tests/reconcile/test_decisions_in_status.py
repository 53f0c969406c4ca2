"""The last decisions about replicas, in a Model's status."""

from dataclasses import replace
from datetime import timedelta

import make
from harness import NOW, Operator, status, world

from inferfleet.fleet.decisions import KEPT, Recent, stamped
from inferfleet.kube import kinds
from inferfleet.scaling.record import Record

CALM = Record(
    at=1000.0,
    before=1,
    replicas=1,
    wanted=1,
    reason="Steady",
    bound="inter-token latency",
    need=0.4,
    load=0.3,
    arrivals=0.512,
    forecast=0.6,
    horizon=42.4,
    waiting=0.0,
    prompt_tokens=48.0,
    output_tokens=64.0,
    capacity=1423.4,
    busiest=0.7,
    trim=1.0,
    fresh=True,
    message="as it is",
)
OUT = replace(CALM, at=1010.0, replicas=3, wanted=3, reason="Demand", message="three are needed")
STALE = replace(CALM, at=1020.0, before=3, replicas=3, reason="SignalStale", fresh=False, bound="", message="silence")


def records(*found: Record, clock: float = 1030.0) -> Recent:
    return stamped({"chat": found}, NOW, clock)


async def told(operator: Operator, recent: Recent) -> list[tuple[str, int, int, str]]:
    operator.scaled = replace(operator.scaled, recent=recent)
    operator.decide(3)
    await operator.once()
    (scaling,) = status(operator.cluster).scaling
    return [(d.at, d.before, d.replicas, d.reason) for d in scaling.decisions]


async def operator() -> Operator:
    found = Operator(world(make.node(), make.pool(), make.workload_class(), make.model()))
    await found.settle()
    return found


async def test_a_decision_is_told_with_its_inputs_forecast_capacity_and_bound() -> None:
    one = await operator()
    assert await told(one, records(CALM, OUT)) == [("2026-01-01T11:59:40Z", 1, 3, "Demand")]
    (scaling,) = status(one.cluster).scaling
    assert scaling.decisions[0].model_dump() == {
        "at": "2026-01-01T11:59:40Z",
        "before": 1,
        "replicas": 3,
        "wanted": 3,
        "reason": "Demand",
        "bound": "inter-token latency",
        "requests_per_second": "0.51",
        "forecast": "0.6",
        "horizon": "42s",
        "capacity": "1423",
        "message": "three are needed",
    }


async def test_why_replicas_are_held_is_told_and_that_nothing_happens_is_not() -> None:
    assert [d[3] for d in await told(await operator(), records(OUT, CALM, STALE))] == ["Demand", "SignalStale"]


async def test_what_is_told_again_writes_nothing() -> None:
    one = await operator()
    before = await told(one, records(OUT, STALE))
    version = one.cluster.version
    again = {"chat": tuple(d.model_copy(update={"at": d.at.replace("0Z", "1Z")}) for d in records(OUT, STALE)["chat"])}
    assert await told(one, again) == before
    assert one.cluster.version == version


async def test_what_somebody_else_wrote_without_a_time_is_forgotten() -> None:
    one = await operator()
    before = await told(one, records(OUT, STALE))

    def spoil(model: make.Obj) -> None:
        model["status"]["scaling"][0]["decisions"][0]["at"] = "never"

    one.cluster.edit(kinds.MODEL, "default", "demo", spoil)
    assert await told(one, {}) == before[1:]


async def test_a_restart_forgets_no_decision_and_the_oldest_go_first() -> None:
    one = await operator()
    await told(one, records(OUT))
    many = [replace(OUT, at=1040.0 + n, before=3 + n, replicas=4 + n) for n in range(KEPT)]
    one.now += timedelta(minutes=1)
    assert await told(one, {}) == [("2026-01-01T11:59:40Z", 1, 3, "Demand")]
    found = await told(one, records(*many, clock=1020.0))
    assert [d[2] for d in found] == [4, 5, 6, 7, 8]
