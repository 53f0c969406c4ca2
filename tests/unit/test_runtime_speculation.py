import random
from itertools import pairwise

import pytest

from inferfleet_runtime.hosts.llama.ledger import Ledger
from inferfleet_runtime.hosts.llama.speculation import Cost, Seen, begin, decide, share_between
from inferfleet_runtime.hosts.llama.stopwatch import Stopwatch

QUIET = 1
ASSUMED = Cost()


def drafts(at, running, of, *accepted, most=4):
    """After `of` whole drafts of which so many were accepted at each place."""
    return Seen(at, running, (of,) * most, accepted + (0,) * (most - len(accepted)))


def story(*seen, most=4):
    """The state after each look."""
    state = begin(Seen(0.0, 0), most)
    states = []
    for look in seen:
        states.append(state := decide(state, look))
    return states


def simulate(right, steps=1000, most=4, at_once=1, seed=1, cost=ASSUMED):
    """A draft model whose every token is right with that probability; the states of all steps and the ledger."""
    rng, ledger, state, states = random.Random(seed), Ledger(most), begin(Seen(0.0, 0), most), []
    for step in range(steps):
        state = decide(state, Seen(step * 0.01, at_once, tuple(ledger.proposed), tuple(ledger.accepted), cost))
        states.append(state)
        for slot in range(at_once if state.on else 0):
            ledger.propose(slot, [1] * state.tokens)
            wrong = next((i for i in range(state.tokens) if rng.random() >= right), state.tokens)
            ledger.accept(slot, [1] * wrong)
    return states, ledger


def test_it_is_on_with_four_tokens_while_nothing_is_known():
    state = begin(Seen(0, 0), 16)
    assert (state.on, state.tokens) == (True, 4)
    assert begin(Seen(0, 0), 2).tokens == 2
    assert decide(state, drafts(1, QUIET, 7)).on


def test_a_draft_that_nobody_accepts_goes_off_after_eight_drafts_and_says_so():
    (state,) = story(drafts(1, QUIET, 8))
    assert not state.on
    assert state.why.startswith("0.0% of 8 first proposed tokens were accepted, and one costs 50% of a step")


@pytest.mark.parametrize(("at_once", "tokens"), [(1, 32), (2, 32), (4, 32), (8, 32), (3, 36), (7, 56)])
def test_that_takes_thirty_two_tokens_however_many_requests_they_are_of(at_once, tokens):
    states, ledger = simulate(0.0, 40, at_once=at_once)
    assert sum(ledger.proposed) == tokens
    assert not states[-1].on


@pytest.mark.parametrize(
    ("right", "settles_at"),
    # the last place that is accepted at least every second time: right to the power of it
    [(0.0, 0), (0.2, 0), (0.56, 1), (0.75, 2), (0.97, 8)],
)
def test_as_many_tokens_are_proposed_as_are_accepted_every_second_time(right, settles_at):
    assert settled(right, ASSUMED) == settles_at


def settled(right, cost):
    """The tokens that most simulations end with; 0 where it is off."""
    ends = [simulate(right, most=8, seed=seed, cost=cost)[0][-1] for seed in range(11)]
    return sorted(end.tokens * end.on for end in ends)[5]


@pytest.mark.parametrize(
    ("right", "cost", "settles_at"),
    [
        (0.56, Cost(0.2), 2),  # 0.56 ** 2 is more than 0.2, 0.56 ** 3 is less
        (0.56, Cost(0.9), 0),
        (0.6, Cost(1.4, 0.6), 0),
        (0.97, Cost(0.8), 6),
        (0.8, Cost(0.5, 0.2), 3),  # gains 0.3 + 0.14 + 0.01
        (0.8, Cost(0.5, 0.7), 0),
    ],
)
def test_what_is_measured_to_cost_less_is_proposed_longer_and_what_costs_more_shorter(right, cost, settles_at):
    assert settled(right, cost) == pytest.approx(settles_at, abs=settles_at > 1)


@pytest.mark.parametrize("right", [0.6, 0.8, 0.95])
def test_a_draft_that_pays_is_seldom_given_up(right):
    stopped = [any(not state.on for state in simulate(right, seed=seed)[0]) for seed in range(20)]
    assert sum(stopped) <= 1


def test_a_place_that_is_seldom_right_is_dropped_and_those_before_it_stay():
    (state,) = story(drafts(1, QUIET, 30, 28, 20, 5, 1))
    assert (state.on, state.tokens) == (True, 2)
    assert state.why == "16.7% of the tokens at place 3 were accepted, and one costs 50% of a step"


def test_one_more_is_tried_only_where_it_surely_pays_and_has_not_failed():
    assert story(Seen(1, QUIET, (16,) * 4, (16,) * 4), most=8)[0].tokens == 5
    assert story(Seen(1, QUIET, (200,) * 4, (180, 150, 130, 101)), most=8)[0].tokens == 4
    dropped = story(drafts(1, QUIET, 200, 200, 200, 0), drafts(2, QUIET, 220, 220, 220, 0))
    assert [state.tokens for state in dropped] == [2, 2]


def test_after_enough_drafts_they_are_judged_anew():
    before = drafts(1, QUIET, 256, 250, 250, 250, 250)
    states = story(before, drafts(2, QUIET, 264, 250, 250, 250, 250))
    assert [state.on for state in states] == [True, False]


def test_a_short_draft_says_nothing_of_the_places_it_lacks():
    (state,) = story(Seen(1, QUIET, (20, 20, 3, 0), (18, 16, 0, 0)))
    assert (state.on, state.tokens) == (True, 4)


def test_it_is_tried_again_after_a_minute_and_then_after_ever_longer():
    state, of, at, off_for = story(drafts(1, QUIET, 8))[-1], 8, 1.0, []
    for _ in range(8):
        began = at
        while not state.on:
            at += 1
            state = decide(state, drafts(at, QUIET, of))
        off_for.append(at - began)
        at, of = at + 1, of + 8
        state = decide(state, drafts(at, QUIET, of))
    assert off_for == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_try_that_pays_for_long_is_no_longer_a_try():
    good = drafts(62, QUIET, 8 + 256, 250, 250, 250, 250)
    states = story(drafts(1, QUIET, 8), drafts(61, QUIET, 8), good, drafts(63, QUIET, 272, 250, 250, 250, 250))
    assert [state.on for state in states] == [False, True, True, False]
    assert decide(states[-1], drafts(63 + 60, QUIET, 272)).on


def test_it_goes_off_in_a_crowd_and_comes_back_when_the_crowd_has_gone():
    states = story(Seen(1, 8), Seen(2, 9), Seen(3, 8), Seen(11, 8), Seen(12, 8))
    assert [s.on for s in states] == [True, False, False, False, True]
    assert states[1].why == "more than 8 requests run"


def test_what_was_learned_before_a_crowd_holds_after_it():
    before = drafts(1, QUIET, 30, 28, 20, 5, 1)
    states = story(before, drafts(2, 9, 30, 28, 20, 5, 1), drafts(12, 1, 30, 28, 20, 5, 1))
    assert [(s.on, s.tokens) for s in states] == [(True, 2), (False, 2), (True, 2)]


def test_the_end_of_a_crowd_is_no_reason_to_try_what_did_not_pay():
    states = story(drafts(1, QUIET, 8), drafts(2, 9, 8), drafts(20, 1, 8))
    assert [s.on for s in states] == [False, False, False]
    assert states[-1].why.startswith("0.0%")


def test_a_share_of_few_says_less_than_one_of_many():
    low, high = share_between(6, 10)
    assert (low, high) == pytest.approx((0.2553, 0.8678), abs=1e-4)  # by hand, with z = 2.5
    widths = [high - low for low, high in (share_between(6 * n, 10 * n) for n in (1, 10, 100))]
    assert all(wide > narrow for wide, narrow in pairwise(widths))
    assert share_between(0, 8)[0] == 0.0


def test_places_are_counted_apart():
    ledger = Ledger(3)
    ledger.propose(0, [7, 8, 9])
    ledger.propose(1, [5])
    ledger.propose(2, [])
    ledger.accept(0, [7, 8])
    ledger.accept(1, [])
    assert (ledger.proposed, ledger.accepted) == ([2, 1, 1], [1, 1, 0])


def test_a_draft_that_is_verified_twice_counts_once_and_without_the_models_own_token():
    ledger = Ledger(3)
    ledger.propose(0, [7, 8, 9])
    ledger.accept(0, [7, 4])
    ledger.accept(0, [7, 4])
    assert (ledger.proposed, ledger.accepted) == ([1, 1, 1], [1, 0, 0])


DRAFTED, FIRST, PLAIN = (3.0, 4, 0.4), (99.0, 0, 0.0), (1.0, 0, 0.2)
"""Seconds of a step, reading included; its proposed tokens; seconds of reading. The first plain step is slow."""


def timed(watch, steps, plain=PLAIN, prefill=-1):
    """The steps that got nothing, of so many of one request; one of them is interrupted by a long prefill."""
    at, skipped = 100.0, []
    for number in range(steps):
        watch.begin(at, (0,))
        compares = watch.compares()
        seconds, tokens, reading = DRAFTED if not compares else plain if number - 1 in skipped else FIRST
        skipped += [number] * compares
        watch.proposes(tokens)
        watch.reads(reading)
        at += 60.0 if number == prefill else seconds
    watch.begin(at, (0,))
    return skipped


def test_two_of_nine_steps_propose_nothing_until_the_cost_is_known_and_then_two_of_sixty_five():
    assert timed(Stopwatch(), 160) == [8, 9, 17, 18, 26, 27, 91, 92, 156, 157]


def test_the_cost_is_what_a_step_with_proposals_takes_longer():
    watch = Stopwatch()
    timed(watch, 30)
    # beside 0.8 seconds: 2.6 for four tokens, and 0.4 for the reading
    assert (watch.cost().token, watch.cost().step) == pytest.approx(((2.6 / 0.8 - 1) / 4, 0.5))


def test_it_is_assumed_until_three_comparisons_were_made():
    watch = Stopwatch()
    timed(watch, 26)
    assert watch.cost() == Cost()


def test_one_prefill_in_between_does_not_count():
    calm, interrupted = Stopwatch(), Stopwatch()
    assert timed(calm, 30) == timed(interrupted, 30, prefill=18)
    assert calm.cost() == interrupted.cost()


def test_what_takes_no_time_costs_nothing():
    watch = Stopwatch()
    timed(watch, 30, plain=(5.0, 0, 0.4))
    assert watch.cost().token == 0.0


def test_nothing_is_compared_with_a_step_of_other_requests_or_without_proposals():
    watch = Stopwatch()
    for number in range(30):
        watch.begin(float(number), (number % 2,))
        assert not watch.compares()
        watch.proposes(4)
    for number in range(30, 60):
        watch.begin(float(number), (0,))
        assert not watch.compares()
