"""What is read from a result: attainment, the worst moment, reversals, hours and dollars."""

import numpy as np
import pytest
from simulating import Scripted, a_pool, a_trace

from inferfleet.sim.result import Result
from inferfleet.sim.run import simulate
from inferfleet.sim.types import Request, Settings, Slo, Trace


def _steady(script: Scripted, trace: Trace) -> Result:
    return simulate(trace, [a_pool(boot=1.0)], script, Settings(start={"gpu": 2}))


def test_changes_that_go_back_are_reversals_and_others_are_not() -> None:
    counts = [(10.0, 3), (20.0, 4), (30.0, 3), (40.0, 3), (50.0, 2), (60.0, 5)]
    found = _steady(Scripted([(at, {"gpu": n}) for at, n in counts]), a_trace(1, 700, 10.0))
    assert found.changes == 5
    assert found.reversals == 2


def test_the_worst_moment_is_where_requests_missed() -> None:
    flood = [Request(1000.0 + 0.01 * i, 3000, 50) for i in range(300)]
    calm = [Request(2.0 * i, 100, 10) for i in range(1000)]
    found = _steady(Scripted(), Trace.of([*calm, *flood]))
    worst = found.worst(Slo(2.0, 0.05))
    assert worst.start <= 1000 <= worst.start + 300
    assert worst.attainment < 0.5
    assert worst.requests > 300


def test_a_long_prompt_is_given_more_time_where_the_slo_says_so() -> None:
    found = _steady(Scripted(), Trace.of([Request(0.0, 24_000, 2)]))
    assert found.attainment(Slo(2.0, 0.05)) == 0
    assert found.attainment(Slo(2.0, 0.05, ttft_per_input_token=1 / 8000)) == 1


def test_the_whole_request_may_have_a_target_too() -> None:
    found = _steady(Scripted(), Trace.of([Request(0.0, 100, 101)]))
    assert found.attainment(Slo(2.0, 0.05, end_to_end=1.0)) == 0
    assert found.attainment(Slo(2.0, 0.05, end_to_end=3.0)) == 1


def test_attainment_is_told_by_class() -> None:
    trace = Trace.of([Request(0.0, 24_000, 2, class_="long"), Request(50.0, 10, 2, class_="short")])
    found = _steady(Scripted(), trace)
    assert [found.attainment(Slo(2.0, 0.05), c) for c in ("long", "short")] == [0.0, 1.0]


def test_without_requests_there_is_nothing_to_miss() -> None:
    found = simulate(Trace.of([]), [a_pool()], Scripted(), Settings(start={"gpu": 1}, end=3600.0))
    assert found.attainment(Slo(2.0, 0.05)) == 1
    assert found.worst(Slo(2.0, 0.05)).requests == 0
    assert found.replica_hours == pytest.approx(1.0)
    assert np.isnan(found.percentile("ttft", 50))


def test_a_part_of_a_trace_begins_at_second_zero() -> None:
    part = a_trace(1, 100, 1.0).between(20.0, 40.0)
    assert part.at[0] >= 0
    assert part.at[-1] < 20
    assert len(part) == len(part.input) == len(part.output)
