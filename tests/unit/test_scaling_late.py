"""How busy replicas may be: what late requests teach, what was saved of the promise, and where a replica saves most."""

from collections.abc import Callable
from dataclasses import replace
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulating import LINE, pod

from inferfleet.scaling.late import (
    BURST,
    FIRST,
    SPELL,
    SPENDING,
    UNEVEN,
    Late,
    Promise,
    curve,
    highest_load,
    mean_load,
    observe,
    over,
    share_at,
    spending,
)

PROMISE = Promise(itl=0.05, wait=2.0, share=0.01)
REQUEST = 160 * LINE.per_token + 800 * LINE.per_prompt
"""Seconds of work of what `pod` serves."""


def seen(late: Callable[[float], float], *rates: float, rounds: int = 200, pods: int = 1) -> Late:
    """So many spans at one rate after the other; `late`: the share at a load."""
    known = Late()
    for number in range(rounds):
        rate = rates[number % len(rates)]
        window = pod(rate, LINE, late=late(rate * REQUEST), start=10.0 * number)
        known = observe(known, [window] * pods, window[-1].at, PROMISE, LINE)
    return known


def learned(known: Late) -> tuple[tuple[float, float, float], ...]:
    return curve(known, FIRST * mean_load(LINE, PROMISE.itl), PROMISE.share)


def busiest(known: Late, request: float = REQUEST) -> float:
    return highest_load(known, LINE, PROMISE, request)


def test_before_anything_was_seen_the_mean_decides() -> None:
    assert busiest(Late()) == mean_load(LINE, 0.05) == pytest.approx(0.64)


@pytest.mark.parametrize("first", [1.2, 3.9])
def test_late_requests_move_the_load_until_as_many_as_promised_are_late(first: float) -> None:
    """Late as the third power of the load, one in a hundred at 0.3: from there on at that load."""
    known, rate = Late(), first
    for number in range(600):
        window = pod(rate, LINE, late=0.01 * (rate * REQUEST / 0.3) ** 3, start=10.0 * number)
        known = replace(observe(known, [window] * 20, window[-1].at, PROMISE, LINE), saved=0.0)
        rate = busiest(known) / REQUEST
    assert busiest(known) == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("power", [1.0, 2.0, 8.0])
def test_the_power_with_which_late_requests_grow_is_learned_from_several_loads(power: float) -> None:
    known = seen(lambda load: 0.04 * (load / 0.6) ** power, 1.0, 2.0, 3.0, 3.9, pods=20, rounds=400)
    assert max(learned(known))[2] == power
    for load in (0.3, 0.6):
        assert share_at(learned(known), load) == pytest.approx(0.04 * (load / 0.6) ** power, rel=0.15, abs=0.001)


def test_a_queue_that_was_there_once_is_no_rate() -> None:
    """A span in which all are late counts as one with five times as many as promised, but is paid for in full."""
    calm = seen(lambda load: 0.005, 2.0, pods=20, rounds=100)
    window = pod(2.0, LINE, late=1.0, start=1000.0)
    found = observe(calm, [window] * 20, window[-1].at, PROMISE, LINE)
    ended = found.all - calm.all
    assert found.late - calm.late < BURST * PROMISE.share * ended * 1.1
    assert found.saved - calm.saved < -0.9 * ended


def test_a_load_above_all_that_were_seen_is_judged_carefully() -> None:
    """From one load nobody knows the power: at twice the load the highest ones count, and not their mean."""
    known = seen(lambda load: 0.005, 2.0, pods=20)
    now, twice = (share_at(learned(known), load) for load in (2 * REQUEST, 4 * REQUEST))
    assert now == pytest.approx(0.005, rel=0.1)
    assert twice > 2.0**4 * now


def test_a_queue_from_before_teaches_nothing_of_the_load_and_is_paid_for() -> None:
    busy = tuple(replace(s, waiting=5.0) for s in pod(2.0, LINE, late=0.5))
    found = observe(Late(), [busy], 30.0, PROMISE, LINE)
    assert (found.late, found.requests) == (0.0, 0.0)
    assert found.saved < 0


def test_what_was_saved_may_be_spent_and_what_was_overdrawn_is_saved() -> None:
    known = seen(lambda load: 0.01, 3.0)
    one = SPELL * PROMISE.share
    high, even, low = (busiest(replace(known, saved=saved)) for saved in (one, 0.0, -one))
    assert high > even > low


@given(st.lists(st.sampled_from([0.0, 0.005, 0.02, 1.0]), min_size=1, max_size=40))
def test_no_day_makes_the_promise_more_than_its_bounds_allow(shares: list[float]) -> None:
    known = Late()
    for number, share in enumerate(shares):
        window = pod(3.0, LINE, late=share, start=1e4 * number)
        known = observe(known, [window] * 200, window[-1].at, PROMISE, LINE)
        assert SPENDING[0] <= spending(known, PROMISE.share) <= SPENDING[1] * (1 + 1e-9)


def test_a_night_without_a_late_request_is_no_reason_for_a_morning_of_them() -> None:
    night = seen(lambda load: 0.0, 1.0, pods=100, rounds=300)
    assert spending(night, PROMISE.share) == pytest.approx(SPENDING[1])
    assert share_at(learned(night), busiest(night)) <= SPENDING[1] * UNEVEN[1] * PROMISE.share
    spent = seen(lambda load: 0.03, 3.0, pods=100, rounds=30)
    morning = replace(night, saved=night.saved + spent.saved)
    assert spending(morning, PROMISE.share) < 1, "90,000 requests, three times as many late as promised"


def test_what_was_overdrawn_is_forgotten_within_bounds() -> None:
    lost = seen(lambda load: 1.0, 3.0, pods=100, rounds=30)
    assert lost.saved == pytest.approx(-4 * log(3) * PROMISE.share * SPELL)
    assert spending(lost, PROMISE.share) == SPENDING[0]


def test_seconds_of_replicas_are_those_in_which_the_requests_were_counted() -> None:
    known = seen(lambda load: 0.0, 2.0, rounds=1, pods=3)
    assert known.seconds / known.all == pytest.approx(1 / 2.0)


def test_requests_that_take_more_replicas_may_be_late_more_often() -> None:
    known = replace(seen(lambda load: 0.01 * (load / 0.3) ** 2, 1.0, 2.0, 3.0, pods=20), saved=0.0)
    cheap, usual, dear = (busiest(known, REQUEST * factor) for factor in (0.4, 1.0, 2.5))
    assert cheap < usual < dear


@given(st.floats(0.01, 100))
def test_however_dear_a_request_its_share_stays_within_bounds(factor: float) -> None:
    found = busiest(KNOWN, REQUEST * factor)
    late = share_at(learned(KNOWN), found) / PROMISE.share
    assert UNEVEN[0] * 0.99 <= late <= UNEVEN[1] * 1.01


KNOWN = replace(seen(lambda load: 0.02 * (load / 0.3) ** 2, 1.0, 2.0, 3.0, pods=20), saved=0.0)


def test_a_share_of_a_bucket_counts_linearly() -> None:
    before, after = ((1.0, 0.0), (3.0, 0.0), (float("inf"), 0.0)), ((1.0, 50.0), (3.0, 90.0), (float("inf"), 100.0))
    assert over(before, after, 2.0) == pytest.approx(10 + 20)
    assert over((), (), 2.0) == 0.0
