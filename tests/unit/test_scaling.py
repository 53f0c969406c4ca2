"""Tokens demanded over measured tokens per second: out at once, in after a delay, nowhere on a stale signal."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferfleet.names import Reason
from inferfleet.planning.types import Measured
from inferfleet.planning.unit import Unit
from inferfleet.scaling.demand import Demand, Lengths, Traffic, measure, observe
from inferfleet.scaling.law import ScaleInput, decide
from inferfleet.scaling.ledger import BOUNDS, capacity, saturated
from inferfleet.scaling.signal import PodSample, Window, extend, parse, rate
from inferfleet_runtime.contract import Metric


def sample(at: float, **changes: float) -> PodSample:
    zero = PodSample(at, 0, 0, 0, 0, 0, 0, slots=4, capacity=100, prompted=0, arrived=0)
    return replace(zero, **changes)


def steady(seconds: int = 30, requests: float = 1.0, tokens: float = 50.0, **changes: float) -> Window:
    """A pod that gets so many requests a second and answers all of them."""
    return tuple(
        sample(
            float(t),
            arrivals=requests * t,
            finished=requests * t,
            finished_tokens=requests * tokens * t,
            generated=requests * tokens * t,
            **changes,
        )
        for t in range(0, seconds + 1, 2)
    )


def seen(windows: list[Window], horizon: float, typical: float = 1) -> Demand:
    """The demand that these windows show."""
    mean = Lengths(requests=1, finished=1, finished_tokens=typical)
    return measure(observe(Traffic(), windows, horizon), windows, horizon, mean, Unit.GENERATED)


def demand(tokens: float) -> Demand:
    return Demand(tokens, tokens, tokens / 50, 50, 0)


def state(**changes: Any) -> ScaleInput:
    given_ = ScaleInput(
        now=100.0,
        replicas=1,
        ready_pods=1,
        stale_pods=(),
        minimum=1,
        maximum=5,
        room=10,
        demand=demand(0),
        capacity=100.0,
        utilization=0.8,
        boot=5.0,
        delay=15.0,
        history=((0.0, 0),),
    )
    return replace(given_, **changes)


def test_demand_is_arrivals_times_output_length() -> None:
    found = seen([steady(requests=2, tokens=50)], horizon=10)
    assert found.tokens_per_second == pytest.approx(100)
    assert found.served == pytest.approx(100)


def test_the_class_stands_in_for_lengths_until_requests_have_finished() -> None:
    window = tuple(sample(float(t), arrivals=2.0 * t) for t in range(0, 31, 2))
    assert seen([window], horizon=10, typical=64).tokens_per_second == pytest.approx(128)


def test_refused_requests_are_demand_though_nobody_serves_them() -> None:
    window = tuple(
        sample(float(t), arrivals=10.0 * t, finished=1.0 * t, finished_tokens=50.0 * t) for t in range(0, 31, 2)
    )
    assert seen([window], horizon=10, typical=64).tokens_per_second == pytest.approx(500)


def test_a_backlog_is_demand() -> None:
    assert seen([steady(waiting=10)], horizon=10).tokens_per_second == pytest.approx(50 + 10 * 50 / 10)


def test_a_rising_rate_is_continued_for_one_boot_time_but_not_beyond_twice_itself() -> None:
    rising = tuple(sample(float(t), arrivals=20 * t + t * t / 60) for t in range(0, 301, 2))
    soon, late = (seen([rising], horizon).forecast for horizon in (2, 6000))
    now = seen([rising], horizon=600).arrivals
    assert now < soon < late == pytest.approx(2 * now)


def test_demand_beyond_the_planned_utilization_scales_out_at_once() -> None:
    decision = decide(state(demand=demand(170)))
    assert (decision.replicas, decision.reason) == (3, Reason.DEMAND)
    assert "170 tokens/s demanded" in decision.message


def test_no_more_than_the_maximum() -> None:
    decision = decide(state(demand=demand(10_000)))
    assert (decision.replicas, decision.wanted, decision.reason) == (5, 125, Reason.MAX_REPLICAS)


def test_no_more_than_the_pool_has_room_for() -> None:
    decision = decide(state(demand=demand(10_000), room=2))
    assert (decision.replicas, decision.reason) == (2, Reason.POOL_EXHAUSTED)


def test_a_minimum_is_not_promised_where_the_pool_has_no_room_for_it() -> None:
    decision = decide(state(replicas=2, minimum=4, demand=demand(10), room=2))
    assert (decision.replicas, decision.reason) == (2, Reason.POOL_EXHAUSTED)
    assert "between 2 and 2" in decision.message


def test_replicas_beyond_the_room_of_a_pool_that_shrank_go_once_nobody_needs_them() -> None:
    decision = decide(state(replicas=4, demand=demand(200), room=2, history=((80.0, 2.5), (99.0, 2.5))))
    assert (decision.wanted, decision.replicas, decision.reason) == (3, 3, Reason.DEMAND)


def test_a_pool_that_shrank_stops_nothing_that_runs() -> None:
    assert decide(state(replicas=4, demand=demand(10_000), room=2)).replicas == 4


def test_replicas_wait_out_the_delay_before_they_go() -> None:
    early = decide(state(replicas=3, history=((90.0, 3),)))
    assert (early.replicas, early.reason) == (3, Reason.SCALE_IN_DELAY)
    due = decide(state(replicas=3, history=((80.0, 0), (99.0, 0))))
    assert (due.replicas, due.reason) == (1, Reason.DEMAND)


def test_they_go_only_down_to_the_peak_of_the_delay() -> None:
    assert decide(state(replicas=4, history=((80.0, 0), (95.0, 1.9)))).replicas == 2


def test_a_boot_time_longer_than_the_delay_counts_instead() -> None:
    assert decide(state(replicas=3, boot=60, history=((80.0, 0),))).reason == Reason.SCALE_IN_DELAY


@pytest.mark.parametrize("tokens", [0, 10_000])
def test_a_stale_signal_changes_nothing_and_says_so(tokens: float) -> None:
    decision = decide(state(replicas=3, stale_pods=("pod-a",), demand=demand(tokens)))
    assert (decision.replicas, decision.fresh, decision.reason) == (3, False, Reason.SIGNAL_STALE)
    assert "pod-a" in decision.message


def test_time_without_a_signal_is_no_evidence_of_idleness() -> None:
    blind = decide(state(replicas=3, stale_pods=("p",), history=((0.0, 0),)))
    assert decide(state(replicas=3, now=200.0, history=blind.history)).replicas == 3


def test_without_a_ready_pod_nothing_is_decided() -> None:
    assert decide(state(replicas=2, ready_pods=0, demand=demand(1000))).replicas == 2


@given(st.integers(1, 5), st.floats(0, 5000), st.integers(0, 8))
def test_replicas_stay_between_their_bounds_unless_the_pool_is_too_small(
    replicas: int, tokens: float, room: int
) -> None:
    decision = decide(state(replicas=replicas, demand=demand(tokens), room=room))
    assert 1 <= decision.replicas <= 5


@given(st.lists(st.floats(70, 90), min_size=50, max_size=100))
def test_noise_across_a_boundary_scales_out_once_and_never_reverses(tokens: list[float]) -> None:
    replicas, history, seen = 1, ((-100.0, 1),), []
    for step, value in enumerate(tokens):
        decision = decide(state(now=step * 2.0, replicas=replicas, demand=demand(value), history=history, delay=300.0))
        replicas, history = decision.replicas, decision.history
        seen.append(replicas)
    assert seen == sorted(seen)
    assert seen[-1] <= 2


def test_a_pod_that_joins_under_constant_load_does_not_count_twice() -> None:
    """It is observed for a shorter time than the others, whose rates still remember the time before."""
    old = tuple(sample(float(t), arrivals=10.0 * t if t <= 26 else 260.0 + 5.0 * (t - 26)) for t in range(0, 31, 2))
    new = tuple(sample(float(t), arrivals=5.0 * (t - 26)) for t in (26, 28, 30))
    found = seen([old, new], horizon=30, typical=50)
    assert found.arrivals == pytest.approx(10)
    assert found.tokens_per_second == pytest.approx(500)


def test_capacity_is_what_ready_pods_measured_of_themselves() -> None:
    assert capacity(
        None, [steady(capacity=90), steady(capacity=110), steady(capacity=100)], 30.0, Unit.GENERATED
    ) == Measured(100, "Benchmarked")


def test_nothing_measured_leaves_what_is_known() -> None:
    assert capacity(None, [], 30.0, Unit.GENERATED) is None
    assert capacity(Measured(50, "Observed"), [steady(capacity=0)], 30.0, Unit.GENERATED) == Measured(50, "Observed")


def test_a_saturated_pod_corrects_the_capacity_step_by_step() -> None:
    busy = steady(requests=1, tokens=80, waiting=3, running=4, capacity=100)
    assert saturated(busy, 30.0)
    assert capacity(None, [busy], 30.0, Unit.GENERATED) == Measured(
        pytest.approx(99.2), "Observed", pytest.approx(1.32)
    )


def test_an_idle_pod_says_nothing_about_capacity() -> None:
    assert capacity(Measured(77, "Observed"), [steady(requests=0.1)], 30.0, Unit.GENERATED) == Measured(77, "Observed")


def test_an_absurd_observation_is_bounded_by_the_benchmark() -> None:
    hung = tuple(replace(s, finished=9.0) for s in steady(requests=0, waiting=3, running=4, capacity=100))
    known: Measured | None = None
    for _ in range(100):
        known = capacity(known, [hung], 30.0, Unit.GENERATED)
    assert known
    assert known.tokens_per_second == pytest.approx(BOUNDS[0] * 100)


@pytest.mark.parametrize("counter", ["generated", "prompted", "arrivals"])
def test_a_counter_that_fell_starts_a_new_window(counter: str) -> None:
    window = extend(extend((), sample(0, **{counter: 100}), 30), sample(2, **{counter: 5}), 30)
    assert [s.at for s in window] == [2]


def test_a_rate_needs_two_samples() -> None:
    assert rate((sample(1, generated=5),), "generated", 0, 10) == 0.0


TEXT = f"""
{Metric.ARRIVAL_REQUESTS}{{model_name="a"}} 7
{Metric.GENERATION_TOKENS}{{model_name="a"}} 70
{Metric.REQUEST_GENERATION_TOKENS}_sum{{model_name="a"}} 60
{Metric.REQUEST_GENERATION_TOKENS}_count{{model_name="a"}} 6
{Metric.REQUESTS_RUNNING} 1
{Metric.REQUESTS_WAITING} 2
{Metric.SLOTS} 4
{Metric.CAPACITY} 120.5
{Metric.PROMPT_TOKENS} 400
{Metric.ARRIVAL_PROMPT_TOKENS} 450
"""


def test_metrics_are_read_under_their_contract_names() -> None:
    expected = PodSample(
        at=9,
        arrivals=7,
        generated=70,
        finished=6,
        finished_tokens=60,
        running=1,
        waiting=2,
        slots=4,
        capacity=120.5,
        prompted=400,
        arrived=450,
    )
    assert parse(TEXT.encode(), 9) == expected


def test_metrics_that_lack_one_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="inferfleet:slots"):
        parse(TEXT.replace(f"{Metric.SLOTS} 4\n", "").encode(), 9)
