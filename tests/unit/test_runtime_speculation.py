from inferfleet_runtime.hosts.llama.speculation import Seen, begin, decide

QUIET = 1


def story(*seen, state=None):
    """The state after each look."""
    state = state or begin(Seen(0.0, 0))
    states = []
    for look in seen:
        states.append(state := decide(state, look))
    return states


def test_it_stays_on_while_nothing_is_known():
    assert [s.on for s in story(Seen(1, QUIET), Seen(2, QUIET, 199, 0))] == [True, True]


def test_it_stays_on_while_half_of_the_proposals_are_accepted():
    assert [s.on for s in story(Seen(1, QUIET, 200, 100), Seen(2, QUIET, 400, 200))] == [True, True]


def test_it_goes_off_where_fewer_are_and_says_so():
    (state,) = story(Seen(1, QUIET, 200, 99))
    assert not state.on
    assert state.why == "49.5% of 200 proposed tokens were accepted, less than 50%"


def test_only_what_was_proposed_since_the_last_verdict_counts():
    assert [s.on for s in story(Seen(1, QUIET, 1000, 900), Seen(2, QUIET, 1200, 950))] == [True, False]


def test_it_is_tried_again_after_a_minute_and_then_after_ever_longer():
    state = story(Seen(1, QUIET, 200, 0))[-1]
    off_for = []
    at, drafted = 1.0, 200
    for _ in range(8):
        began = at
        while not state.on:
            at += 1
            state = decide(state, Seen(at, QUIET, drafted, 0))
        off_for.append(at - began)
        at, drafted = at + 1, drafted + 200
        state = decide(state, Seen(at, QUIET, drafted, 0))
    assert off_for == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_try_that_pays_is_no_longer_a_try():
    state = story(Seen(1, QUIET, 200, 0), Seen(61, QUIET, 200, 0), Seen(62, QUIET, 400, 200), Seen(63, QUIET, 600, 200))
    assert [s.on for s in state] == [False, True, True, False]
    assert decide(state[-1], Seen(63 + 60, QUIET, 600, 200)).on


def test_what_ends_late_is_no_second_verdict():
    off = story(Seen(1, QUIET, 200, 0), Seen(2, QUIET, 600, 0), Seen(61, QUIET, 600, 0))
    assert [s.on for s in off] == [False, False, True]


def test_it_goes_off_in_a_crowd_and_comes_back_when_the_crowd_has_gone():
    states = story(Seen(1, 8), Seen(2, 9), Seen(3, 8), Seen(6, 8), Seen(7, 8))
    assert [s.on for s in states] == [True, False, False, False, True]
    assert states[1].why == "more than 8 requests run"


def test_the_end_of_a_crowd_is_no_reason_to_try_what_did_not_pay():
    states = story(Seen(1, QUIET, 200, 0), Seen(2, 9, 200, 0), Seen(20, 1, 200, 0))
    assert [s.on for s in states] == [False, False, False]


def test_the_engines_own_counters_are_read():
    figures = {"spec_decode_num_draft_tokens_total": 7.0, "spec_decode_num_accepted_tokens_total": 3.0}
    assert Seen.of(1.0, 2, figures) == Seen(1.0, 2, 7.0, 3.0)
    assert Seen.of(1.0, 2, {}) == Seen(1.0, 2, 0.0, 0.0)
