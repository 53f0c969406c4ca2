"""What is learned from pods: arrivals, the step line, and how busy they may be."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulating import LINE, pod

from inferfleet.scaling import demand
from inferfleet.scaling.arrivals import Arrivals, Count, add, outlook
from inferfleet.scaling.demand import Traffic
from inferfleet.scaling.learn import BOUNDS, Fit, learn, solve
from inferfleet.scaling.ledger import saturated
from inferfleet.scaling.signal import Window
from inferfleet.scaling.step import Step


def counted(rates: list[float], seed: int | None = None) -> Arrivals:
    """Rates by two seconds; with a seed, as chance makes them."""
    random, found = Random(seed), Arrivals()
    for number, rate in enumerate(rates, start=1):
        came = 2 * rate if seed is None else sum(random.random() < rate / 100 for _ in range(200))
        found = add(found, 2.0 * number, 2.0, came, 190.0)
    return found


def test_a_steady_rate_is_averaged_over_minutes() -> None:
    found = outlook(counted([10.0] * 300, seed=1), 190.0)
    assert found.level == pytest.approx(10, rel=0.05)
    assert found.seconds > 300


def test_a_step_is_seen_within_half_a_minute_and_makes_no_trend() -> None:
    found = outlook(counted([4.0] * 300 + [12.0] * 15), 190.0)
    assert found.level == pytest.approx(12, rel=0.2)
    for more in range(15, 120, 5):
        assert outlook(counted([4.0] * 300 + [12.0] * more), 190.0).forecast < 1.15 * 12


def test_a_ramp_is_continued() -> None:
    """From 5 to 15 in 600 seconds: another 3.2 in 190."""
    found = outlook(counted([5 + t / 30 for t in range(300)]), 190.0)
    assert found.forecast == pytest.approx(15 + 190 / 60, rel=0.15)


def test_forecasts_that_were_exceeded_make_the_next_ones_careful() -> None:
    calm = counted([10.0] * 600)
    wild = counted([10.0 if (t // 60) % 2 else 20.0 for t in range(600)])
    assert outlook(wild, 190.0).error > 4 * outlook(calm, 190.0).error


@given(st.lists(st.floats(0, 50), min_size=20, max_size=100), st.floats(1, 4))
def test_no_forecast_is_negative_or_more_than_twice_the_level(rates: list[float], more: float) -> None:
    found = outlook(counted(rates), 190.0)
    assert 0 <= found.level <= found.forecast <= 2 * found.level + 1e-9
    assert found.dispersion >= 1


def test_nothing_was_counted() -> None:
    assert outlook(Arrivals(), 190.0).forecast == 0


def test_a_span_without_requests_is_no_division_by_zero() -> None:
    assert outlook(Arrivals((Count(10.0, 10.0, 0.0), Count(20.0, 10.0, 0.0))), 190.0).forecast == 0


@pytest.mark.parametrize("wrong", [0.85, 1.15, 1.5])
def test_the_line_is_learned_from_pods_at_different_loads(wrong: float) -> None:
    prior = Step(LINE.base * wrong, LINE.per_token * wrong, LINE.per_prompt * wrong)
    fit = Fit()
    for number in range(60):
        window = pod(1.0 + (number % 8) / 3, LINE, start=10.0 * number)
        fit = learn(fit, [window], window[-1].at, prior)
    found = solve(fit, prior)
    busy = 3.0 * (160 * found.per_token + 800 * found.per_prompt)
    assert found.base / (1 - busy) == pytest.approx(LINE.base / (1 - 3.0 * (160 * 0.00035 + 0.1)), rel=0.05)


def test_a_cold_pod_teaches_nothing() -> None:
    cold = pod(2.0, LINE, finished=0.0, seconds=20)
    assert learn(Fit(), [cold], 20.0, LINE) == Fit()


@given(st.floats(0.1, 10), st.floats(0.1, 3))
def test_what_is_learned_stays_within_bounds_of_the_plan(factor: float, rate: float) -> None:
    strange = Step(LINE.base * factor, LINE.per_token, LINE.per_prompt)
    found = solve(learn(Fit(), [pod(rate, strange)], 30.0, LINE), LINE)
    for value, planned in zip(vars(found).values(), vars(LINE).values(), strict=True):
        assert BOUNDS[0] * planned <= value * (1 + 1e-9) <= BOUNDS[1] * planned * (1 + 1e-6)


def test_pods_that_answer_at_different_moments_are_counted_once() -> None:
    """Each pod has two requests a second, and answers a little after the one before."""
    base = [pod(2.0, LINE, start=0.3 * number) for number in range(5)]
    pods = [tuple(replace(s, arrivals=2.0 * (s.at - w[0].at)) for s in w) for w in base]
    known = Traffic()
    for end in range(4, 32, 2):
        known = count([tuple(s for s in w if s.at <= end + 1.5) for w in pods], known)
    assert outlook(known.arrivals, 190.0).level == pytest.approx(10, rel=0.06)


def count(windows: list[Window], known: Traffic) -> Traffic:
    return demand.observe(known, windows, 190.0)


def test_a_pod_that_has_not_used_all_its_slots_yet_says_nothing_of_its_capacity() -> None:
    busy = tuple(replace(s, waiting=3.0, running=256.0, finished=100.0) for s in pod(2.0, LINE))
    assert not saturated(busy, 30.0)
    assert saturated(tuple(replace(s, finished=300.0) for s in busy), 30.0)
