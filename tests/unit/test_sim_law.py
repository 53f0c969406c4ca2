"""The operator's own law in a simulation: it follows load, spills over, and stands still without metrics."""

from dataclasses import replace

import numpy as np
import pytest
from simulating import ENGINE, TARGET, a_pool, a_trace

from inferfleet.scaling.target import LATER
from inferfleet.sim.operator_law import Ours, Served, as_first, spread
from inferfleet.sim.result import Result
from inferfleet.sim.run import simulate
from inferfleet.sim.types import Blind, Event, Limit, Pool, Room, Settings, Slo, Trace

SLO = Slo(ttft=2.0, itl=0.05)


def _steps(*rates: float, seconds: float = 600.0) -> Trace:
    """Poisson arrivals at one rate after the other."""
    parts = [a_trace(i, int(rate * seconds * 1.2), rate).between(0.0, seconds) for i, rate in enumerate(rates)]
    return Trace(
        np.concatenate([part.at + i * seconds for i, part in enumerate(parts)]),
        np.concatenate([part.input for part in parts]),
        np.concatenate([part.output for part in parts]),
    )


def _ours(trace: Trace, pools: list[Pool], events: tuple[Event, ...] = ()) -> tuple[Result, Ours]:
    ours = Ours((Served(TARGET, tuple(pool.name for pool in pools)),))
    engines = [replace(pool, engine=replace(pool.engine, capacity=TARGET.planned_capacity)) for pool in pools]
    return simulate(trace, engines, ours, Settings(start={pools[0].name: 2}), events), ours


def test_replicas_follow_the_load_up_and_down() -> None:
    found, ours = _ours(_steps(2.0, 12.0, 2.0, seconds=900.0), [a_pool(boot=30.0)])
    ready = {c.at: c.ready for c in found.timeline}
    most = max(ready.values())
    assert most >= 4
    assert found.timeline[-1].ready < most
    assert found.attainment(SLO) > 0.9
    assert ours.log[0].class_ == "chat"
    assert all(said.decision.message for said in ours.log)


def test_nothing_changes_while_nothing_can_be_scraped() -> None:
    found, _ = _ours(_steps(4.0, 10.0), [a_pool(boot=30.0)], (Blind(590.0, 900.0),))
    inside = [c.at for c in found.choices if 620.0 < c.at < 900.0]
    assert inside == []


def test_what_the_first_pool_has_no_room_for_goes_to_the_next_and_comes_back() -> None:
    pools = [a_pool("cheap", boot=20.0, limit=2), a_pool("dear", boot=20.0)]
    found, _ = _ours(_steps(12.0, 12.0), pools, (Limit(600.0, "cheap", 20),))
    dear = [(c.at, c.ready) for c in found.timeline if c.pool == "dear"]
    assert max(ready for at, ready in dear if at < 600) >= 1
    assert dear[-1][1] == 0, "the first has room again"
    assert found.attainment(SLO) > 0.9


def _mixed(chat: Trace, flex: Trace) -> Trace:
    parts = [(chat.at, flex.at), (chat.input, flex.input), (chat.output, flex.output)]
    parts.append((np.zeros(len(chat), dtype=np.int64), np.ones(len(flex), dtype=np.int64)))
    order = np.argsort(np.concatenate(parts[0]), kind="stable")
    at, tokens_in, tokens_out, classes = (np.concatenate(part)[order] for part in parts)
    return Trace(at, tokens_in, tokens_out, class_=classes, classes=("chat", "flex"))


def test_what_may_wait_is_done_in_time_mostly_by_what_the_others_leave() -> None:
    few = a_pool(boot=30.0, engine=replace(ENGINE, slots=8, capacity=260.0))
    promised = replace(TARGET, ttft=2.0, planned_capacity=260.0, deadline=LATER)

    def served(trace: Trace, flex: int) -> Result:
        settings = Settings(start={"gpu": 4}, priorities={"flex": flex})
        return simulate(trace, [few], Ours((Served(promised, ("gpu",)),)), settings)

    chat = _steps(4.0, seconds=2400.0)
    both = _mixed(chat, _steps(0.02, 4.0, 0.02, seconds=800.0))
    alone, later, alike = served(chat, 0), served(both, -1), served(both, 0)
    assert both.class_ is not None
    assert np.max((later.finish - both.at)[both.class_ == 1]) < LATER
    assert later.attainment(SLO, "chat") >= alone.attainment(SLO) - 0.04
    assert later.replica_hours < 0.9 * alike.replica_hours


def test_the_same_simulation_twice_decides_the_same() -> None:
    logs = [_ours(_steps(3.0, 9.0), [a_pool(boot=30.0)])[1].log for _ in range(2)]
    assert logs[0] == logs[1]


def _rooms(limits: tuple[int, ...], wanted: tuple[int, ...]) -> list[Room]:
    return [
        Room(Pool(f"p{i}", ENGINE, 10.0), limit, n, n) for i, (limit, n) in enumerate(zip(limits, wanted, strict=True))
    ]


@pytest.mark.parametrize(
    ("limits", "wanted", "asked", "serving", "speeds", "expected"),
    [
        ((5, 5), (1, 0), 3, 1, (), (3, 0)),
        ((2, 5), (2, 0), 5, 2, (), (2, 3)),
        ((2, 2), (2, 0), 9, 2, (), (2, 2)),
        ((9, 5), (2, 3), 5, 2, (), (5, 3)),
        ((9, 5), (5, 3), 5, 5, (), (5, 0)),
        ((2, 9), (2, 0), 4, 2, (100.0, 50.0), (2, 6)),
        ((4, 1), (4, 0), 5, 4, (100.0, 50.0), (4, 0)),
        ((15, 20), (15, 0), 20, 15, (100.0, 99.0), (15, 5)),
    ],
    ids=[
        "all in the first",
        "the rest in the next",
        "no room anywhere",
        "what was spilled stays until the first is ready",
        "and goes then",
        "slower replicas set the pace of all",
        "one that slows down more than it adds is left out",
        "never more than the workload's maximum together",
    ],
)
def test_replicas_are_spread_over_pools(
    limits: tuple[int, ...],
    wanted: tuple[int, ...],
    asked: int,
    serving: int,
    speeds: tuple[float, ...],
    expected: tuple[int, ...],
) -> None:
    served = Served(TARGET, ("p0", "p1"), speeds)
    assert tuple(spread(served, _rooms(limits, wanted), asked, serving).values()) == expected


def test_replicas_of_several_pools_count_as_those_of_the_first() -> None:
    assert as_first(Served(TARGET, ("a", "b"), (100.0, 50.0)), (2, 6)) == 4
    assert as_first(Served(TARGET, ("a", "b"), (100.0, 50.0)), (0, 6)) == 3
    assert as_first(Served(TARGET, ("a", "b")), (0, 0)) == 0
