"""A whole simulation: replicas boot, drain and fail, requests are all accounted for, and runs repeat."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulating import ENGINE, Scripted, a_pool, a_trace

from inferfleet.sim.result import Outcome, Result
from inferfleet.sim.run import simulate
from inferfleet.sim.types import (
    Blind,
    Event,
    Limit,
    Lost,
    Policy,
    Pool,
    Request,
    Router,
    Settings,
    Slo,
    Trace,
)

SLO = Slo(ttft=2.0, itl=0.05)


def _run(trace: Trace, start: int, controller: Scripted | None = None, **more: object) -> Result:
    told = replace(Settings(start={"gpu": start}), **more)
    return simulate(trace, [a_pool()], controller or Scripted(), told)


def _with_events(trace: Trace, events: list[Event], script: Scripted, start: int = 2) -> Result:
    return simulate(trace, [a_pool()], script, Settings(start={"gpu": start}), events)


@given(
    seed=st.integers(0, 1000),
    count=st.integers(0, 150),
    rate=st.floats(0.5, 30.0),
    start=st.integers(0, 4),
    wanted=st.lists(st.integers(0, 5), max_size=5),
    lost=st.lists(st.floats(0.0, 60.0), max_size=2),
    policy=st.sampled_from(list(Policy)),
)
@settings(max_examples=60, deadline=None)
def test_every_request_is_accounted_for_and_no_token_is_made_twice(  # noqa: PLR0917 - hypothesis
    seed: int, count: int, rate: float, start: int, wanted: list[int], lost: list[float], policy: Policy
) -> None:
    trace = a_trace(seed, count, rate)
    script = Scripted([(10.0 * i, {"gpu": n}) for i, n in enumerate(wanted)])
    events = [Lost(at, "gpu", 1) for at in lost]
    told = Settings(start={"gpu": start}, router=Router(policy), seed=seed)
    found = simulate(trace, [a_pool(boot=15.0)], script, told, events)
    done = found.outcome == Outcome.DONE
    assert set(found.outcome.tolist()) <= {Outcome.DONE, Outcome.LOST, Outcome.UNSERVED}
    assert np.isfinite(found.finish[done]).all()
    assert np.isnan(found.finish[~done]).all()
    assert (found.replica[done] >= 0).all()
    assert trace.output[done].sum() <= found.reached.sum() <= trace.output[found.outcome != Outcome.UNSERVED].sum()
    assert (found.ttft[done] > 0).all()
    assert (found.finish[done] >= trace.at[done] + found.ttft[done] - 1e-9).all()


@given(seed=st.integers(0, 50), rate=st.floats(1.0, 25.0), start=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_more_replicas_never_meet_the_targets_notably_less_often(seed: int, rate: float, start: int) -> None:
    trace = a_trace(seed, 300, rate)
    fewer, more = (_run(trace, n).attainment(SLO) for n in (start, start + 1))
    assert more >= fewer - 0.02


def test_the_same_run_twice_is_the_same_to_the_last_digit() -> None:
    trace = a_trace(1, 500, 10.0)
    pool = replace(a_pool(boot=30.0), boot_spread=0.3)
    runs = [
        simulate(
            trace,
            [pool],
            Scripted([(5.0, {"gpu": 4}), (25.0, {"gpu": 2})]),
            Settings(seed=7, start={"gpu": 1}, router=Router(Policy.TWO, staleness=0.5)),
        )
        for _ in range(2)
    ]
    for name in ("ttft", "itl", "finish", "replica"):
        np.testing.assert_array_equal(getattr(runs[0], name), getattr(runs[1], name))
    assert runs[0].timeline == runs[1].timeline
    assert runs[0].hours == runs[1].hours


def test_a_replica_serves_once_it_has_booted_and_costs_from_its_creation_on() -> None:
    trace = Trace.of([Request(0.0, 100, 10), Request(200.0, 100, 10)])
    found = _run(trace, 0, Scripted([(10.0, {"gpu": 1})]))
    assert found.ttft[0] == pytest.approx(70.0, abs=0.1), "wanted at 10, ready 60 later"
    assert found.hours["gpu"] == pytest.approx(190 / 3600)
    assert found.dollars == pytest.approx(2 * 190 / 3600)
    assert not found.met(SLO)[0], "it waited more than a minute"


def test_a_controller_sees_how_many_requests_are_held_while_nothing_is_ready() -> None:
    script = Scripted([(10.0, {"gpu": 1})])
    _run(Trace.of([Request(1.0, 10, 1), Request(2.5, 10, 1), Request(100.0, 10, 1)]), 0, script)
    assert [s.held for s in script.seen[:3]] == [0, 1, 2]
    assert script.seen[-1].held == 0


def test_who_was_held_is_spread_over_the_replicas_that_come_one_after_the_other() -> None:
    slots = ENGINE.slots
    trace = Trace.of([Request(0.001 * n, 100, 400) for n in range(4 * slots)])
    found = _run(trace, 0, Scripted([(0.0, {"gpu": 1}), (2.0, {"gpu": 2})]), end=200.0)
    assert set(found.replica[:slots].tolist()) == {0}
    assert set(found.replica[slots : 2 * slots].tolist()) == {1}, "it comes while the first is full"
    assert set(found.replica[2 * slots :].tolist()) == {0, 1}
    assert np.isfinite(found.finish).all()


def test_a_replica_that_drains_finishes_what_it_has_and_takes_nothing_new() -> None:
    trace = Trace.of([Request(0.0, 100, 1000), Request(0.1, 100, 1000), Request(10.0, 100, 10), Request(60.0, 1, 1)])
    found = _run(trace, 2, Scripted([(4.0, {"gpu": 1})]))
    assert (found.outcome == Outcome.DONE).all()
    assert found.replica[0] != found.replica[1], "one each"
    assert found.replica[2] == 0
    draining = [c for c in found.timeline if c.draining]
    assert (draining[0].at, draining[0].ready) == (4.0, 1)
    assert found.timeline[-1].draining == 0


def test_what_a_lost_replica_worked_on_is_lost_and_another_boots_in_its_place() -> None:
    trace = Trace.of([*(Request(0.1 * i, 100, 2000) for i in range(10)), Request(100.0, 10, 1)])
    found = _with_events(trace, [Lost(10.0, "gpu", 1)], Scripted())
    assert (found.outcome == Outcome.LOST).sum() == 5
    assert (found.timeline[-1].ready, found.timeline[-1].at) == (2, 70.0)
    assert found.attainment(SLO) == pytest.approx(6 / 11)


def test_a_limit_keeps_new_replicas_away_and_takes_none_that_run() -> None:
    trace = Trace.of([Request(float(t), 10, 1) for t in (0, 100)])
    script = Scripted([(0.0, {"gpu": 5})])
    found = _with_events(trace, [Limit(0.0, "gpu", 1)], script)
    assert [(c.wanted, c.booting, c.ready) for c in found.timeline] == [(2, 0, 2)]


def test_while_nothing_can_be_scraped_windows_stay_as_they_were() -> None:
    script = Scripted()
    _with_events(a_trace(1, 300, 10.0), [Blind(10.0, 20.0)], script)
    latest = {s.now: s.pods[0].window[-1].at for s in script.seen}
    assert (latest[8.0], latest[10.0], latest[18.0], latest[20.0]) == (8.0, 8.0, 8.0, 20.0)


def test_samples_grow_as_a_pods_counters_would() -> None:
    script = Scripted()
    trace = a_trace(1, 300, 10.0)
    _run(trace, 1, script)
    window = script.seen[-1].pods[0].window
    assert all(a.generated <= b.generated and a.arrivals <= b.arrivals for a, b in pairwise(window))
    last = window[-1]
    assert last.arrivals == np.searchsorted(trace.at, last.at, side="right")
    assert last.running + last.waiting == last.arrivals - last.finished
    assert last.ttft[-1][1] >= last.finished, "each that finished had a first token"
    assert window[-1].at - window[0].at <= Settings().window


def test_a_pod_that_boots_has_no_samples_and_says_when_it_was_ready() -> None:
    script = Scripted([(4.0, {"gpu": 2})])
    _run(a_trace(1, 900, 10.0), 1, script)
    booting = next(s for s in script.seen if s.now == 20.0).pods[1]
    assert (booting.created, booting.ready_at, booting.window) == (4.0, None, ())
    assert next(s for s in script.seen if s.now == 70.0).pods[1].ready_at == 64.0


def test_each_class_goes_to_pools_that_take_it_and_a_higher_priority_goes_first() -> None:
    pools = [Pool("chat", ENGINE, 10.0, classes=frozenset({"chat"})), Pool("both", replace(ENGINE, slots=1), 10.0)]
    requests = [Request(0.0, 10, 100, class_="batch")]
    requests += [Request(0.1, 10, 100, class_="batch"), Request(0.2, 10, 100, class_="urgent")]
    told = Settings(start={"both": 1}, priorities={"urgent": 1})
    found = simulate(Trace.of(requests), pools, Scripted(), told)
    assert found.finish[2] < found.finish[1]
    alone = simulate(Trace.of([Request(0.0, 10, 5, class_="batch")]), pools, Scripted(), Settings(start={"chat": 1}))
    assert alone.outcome[0] == Outcome.UNSERVED


def test_what_does_not_fit_into_a_whole_replica_is_refused_at_once() -> None:
    found = _run(Trace.of([Request(0.0, 500_000, 10), Request(0.0, 10, 10)]), 1)
    assert found.outcome.tolist() == [Outcome.TOO_LONG, Outcome.DONE]


def test_a_router_with_old_counts_sends_what_comes_together_to_the_same_replica() -> None:
    busy = [Request(0.0, 10, 2000) for _ in range(3)]
    trace = Trace.of([*busy, *(Request(2.0 + 0.01 * i, 1000, 100) for i in range(8))])
    blind, sharp = (
        _run(trace, 4, router=Router(staleness=staleness, counts_own=False)).replica[3:] for staleness in (1.0, 0.0)
    )
    assert len(set(blind.tolist())) == 1
    assert len(set(sharp.tolist())) == 4


def test_a_router_that_knows_prefixes_sends_them_where_they_are() -> None:
    trace = Trace.of([Request(2.0 * i, 2000, 10, (i % 2, 10 + i % 2, 20 + i % 2)) for i in range(12)])
    found = _run(trace, 2, router=Router(Policy.PREFIX))
    assert len(set(found.replica[::2].tolist())) == 1
    assert found.ttft[2:].max() < 0.6 * found.ttft[:2].min()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"pools": [a_pool(), a_pool()]}, "same name"),
        ({"start": {"cpu": 1}}, "no pool is named cpu; there are gpu"),
        ({"trace": Trace(np.array([2.0, 1.0]), np.array([1, 1]), np.array([1, 1]))}, "not sorted"),
        ({"trace": Trace.of([Request(0.0, 10, 0)])}, "at least one token"),
        ({"pools": [replace(a_pool(), classes=frozenset({"a"}))]}, "no pool takes requests of class"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_a_sentence(told: dict[str, object], message: str) -> None:
    trace, pools = told.get("trace", a_trace(1, 5, 1.0)), told.get("pools", [a_pool()])
    with pytest.raises(ValueError, match=message):
        simulate(trace, pools, Scripted(), Settings(start=told.get("start", {})))  # type: ignore[arg-type]
