"""Latency targets against what was measured: who is refused, who stays, and that nothing wanders to and fro."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make import parsed_class
from questions import F16, Q4, Q8, make_pool, question, reasons

from inferfleet.names import Reason
from inferfleet.planning.choose import choose
from inferfleet.planning.measured import Learned, Measured
from inferfleet.planning.types import Answer, Evaluated, Question

MEANS = (9.0, 3.0, 3.0, 4.0, 2.0, 4.0, 3.0, 2.0, 2.0)


def asked(tpot: float | None = None, ttft: float | None = None, **changes: Any) -> Question:
    """With targets in milliseconds."""
    given = {"tpot": tpot, "ttft": ttft}
    slo = {name: f"{value:.4f}ms" for name, value in given.items() if value is not None}
    return question(**{"variants": (Q4,), "workload": parsed_class(slo=slo)} | changes)


def chosen(q: Question) -> Evaluated:
    answer = choose(q)
    assert answer.chosen, answer.message
    return answer.chosen


def running(q: Question, e: Evaluated, *, slots: int | None = None) -> Question:
    """Where that runs."""
    identity = e.candidate.identity
    slots = e.prediction.slots if slots is None else slots
    return replace(q, incumbents=frozenset({identity}), running={identity: 1}, slots={identity: slots})


def measured(q: Question, e: Evaluated, slower: float, **changes: Any) -> Question:
    """Where its pods have shown that they are that many times slower than estimated."""
    found = Measured(e.prediction.tokens_per_second / slower, "Benchmarked", **changes)
    return replace(q, ledger={**q.ledger, e.profile: found})


def slow(tpot: float, slower: float, **changes: Any) -> Answer:
    """One candidate, that runs and has measured."""
    q = asked(tpot, **changes)
    first = chosen(q)
    return choose(running(measured(q, first, slower), first))


def test_what_was_measured_to_be_slower_is_as_much_slower_between_tokens() -> None:
    q = asked()
    first = chosen(q)
    second = chosen(measured(q, first, 6.0))
    assert second.prediction.slots == first.prediction.slots
    for name in ("ttft", "tpot", "end_to_end"):
        assert getattr(second.prediction, name) == pytest.approx(6 * getattr(first.prediction, name))


def test_learned_steps_say_how_long_a_token_takes_at_every_batch_size() -> None:
    q = asked()
    first = chosen(q)
    line = Learned(0.05, 0.01, 0.001, 50.0, 0.04, MEANS)
    found = chosen(measured(q, first, 2.0, learned=line)).prediction
    traffic, slots = q.workload.traffic, first.prediction.slots
    prefill = 0.001 * traffic.input_tokens.p50
    each = 0.05 + 0.01 * slots + prefill * (slots - 1) / traffic.output.p50
    assert found.tpot == pytest.approx(each)
    assert found.ttft == pytest.approx(0.05 + 0.01 * slots + prefill)
    assert found.end_to_end == pytest.approx(found.ttft + each * (traffic.output.p50 - 1))


def test_steps_of_which_little_was_seen_are_not_believed() -> None:
    q = asked()
    first = chosen(q)
    vague = Learned(0.05, 0.01, 0.001, 6.0, 0.2, MEANS)
    found = chosen(measured(q, first, 2.0, learned=vague)).prediction
    assert found.tpot == pytest.approx(2 * first.prediction.tpot)


def test_what_is_measured_too_slow_is_refused_with_the_measured_latency() -> None:
    q = asked(tpot=1000)
    first = chosen(q)
    tight = asked(tpot=1200 * first.prediction.tpot)
    answer = choose(measured(tight, chosen(tight), 50.0))
    (rejected,) = answer.rejected
    assert (answer.chosen, rejected.reason, rejected.binding) == (None, Reason.SLO_VIOLATED, "tpot")
    assert "by what was measured" in rejected.message
    assert rejected.excess
    assert rejected.excess > 1


def test_what_serves_too_slowly_goes_on_with_the_slots_that_it_has_where_nothing_is_better() -> None:
    answer = slow(1200 * chosen(asked()).prediction.tpot, 50.0)
    assert answer.chosen
    assert answer.reason == Reason.SLO_VIOLATED
    assert answer.chosen.missed.startswith("tpot of ")
    assert "by what was measured" in answer.message
    assert "what runs goes on" in answer.message
    assert answer.chosen.prediction.slots == chosen(asked(1200 * chosen(asked()).prediction.tpot)).prediction.slots
    assert answer.rejected == ()


def test_what_misses_a_target_that_was_made_tighter_is_frozen_as_before() -> None:
    q = asked(tpot=1000)
    first = chosen(q)
    tight = asked(tpot=0.001)
    assert choose(running(measured(tight, first, 6.0), first)).reason == Reason.NO_CANDIDATE


def test_where_another_meets_the_targets_what_is_too_slow_makes_way() -> None:
    pools = [make_pool("here", price="0.01"), make_pool("there", accelerator="cpu-x86-avx512", price="0.5")]
    q = asked(tpot=1200 * chosen(asked()).prediction.tpot, pools=pools)
    first = chosen(q)
    assert first.candidate.pool.name == "here"
    answer = choose(running(measured(q, first, 50.0), first))
    assert answer.chosen
    assert answer.chosen.candidate.pool.name == "there"
    assert reasons(answer)["here", "q4"] == Reason.SLO_VIOLATED


def test_where_the_other_has_no_room_what_is_too_slow_goes_on() -> None:
    pools = [
        make_pool("here", price="0.01"),
        make_pool("there", accelerator="cpu-x86-avx512", price="0.5", free=0),
    ]
    q = asked(tpot=1200 * chosen(asked()).prediction.tpot, pools=pools)
    first = chosen(q)
    answer = choose(running(measured(q, first, 50.0), first))
    assert answer.chosen
    assert (answer.chosen.candidate.pool.name, answer.reason) == ("here", Reason.SLO_VIOLATED)
    assert reasons(answer)["there", "q4"] == Reason.POOL_EXHAUSTED


@pytest.mark.parametrize(("slower", "stays"), [(1.1, True), (1.5, False)])
def test_what_runs_is_not_left_for_noise_around_its_target(slower: float, stays: bool) -> None:
    lone = parsed_class(slo={"tpot": "1s"}, serving={"maxBatchSize": 1})
    first = chosen(asked(workload=lone))
    limit = {"tpot": f"{1001 * first.prediction.tpot:.4f}ms"}
    q = asked(workload=parsed_class(slo=limit, serving={"maxBatchSize": 1}))
    answer = choose(running(measured(q, chosen(q), slower), first))
    assert (answer.reason != Reason.SLO_VIOLATED) is stays
    stranger = choose(measured(q, chosen(q), slower))
    assert stranger.reason == Reason.NO_CANDIDATE


def test_a_measurement_starts_no_pods_anew_and_only_the_slots_that_meet_the_target_are_used() -> None:
    q = asked(tpot=1010 * chosen(asked()).prediction.tpot)
    first = chosen(q)
    assert first.prediction.slots > 1
    new, kept = chosen(measured(q, first, 2.0)), chosen(running(measured(q, first, 2.0), first))
    assert new.prediction.slots < first.prediction.slots
    assert (kept.prediction.slots, kept.profile) == (first.prediction.slots, first.profile)
    assert kept.prediction.memory == first.prediction.memory
    assert kept.prediction.tpot <= 1.15 * 1.01 * first.prediction.tpot
    assert new.tokens_per_second <= kept.tokens_per_second < first.prediction.tokens_per_second / 2


def test_pods_with_fewer_slots_than_the_estimate_has_keep_them_where_they_were_measured() -> None:
    q = asked()
    first = chosen(q)
    half = first.prediction.slots // 2
    there = running(measured(q, first, 1.2), first, slots=half)
    assert chosen(there).prediction.slots == half
    assert chosen(running(q, first, slots=half)).prediction.slots == first.prediction.slots, "nothing was measured"


def test_a_class_that_is_given_smaller_batches_gets_them_whatever_was_measured() -> None:
    q = asked()
    first = chosen(q)
    smaller = replace(measured(q, first, 1.2), workload=parsed_class(serving={"maxBatchSize": 2}))
    assert chosen(running(smaller, first)).prediction.slots == 2


def test_candidates_that_nobody_measured_are_slower_for_the_others_and_never_faster() -> None:
    q = asked(variants=(Q8, Q4))
    by_variant = {e.candidate.variant.name: e for e in choose(q).possible}
    for slower, expected in ((6.0, 6.0), (0.5, 1.0)):
        later = choose(measured(q, by_variant["q4"], slower)).possible
        tpot = {e.candidate.variant.name: e.prediction.tpot for e in later}["q8"]
        assert tpot == pytest.approx(expected * by_variant["q8"].prediction.tpot)


SLOWER = st.floats(0.5, 12)


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["f16", "q8", "q4"])), SLOWER),
    st.floats(0.3, 6),
    st.lists(st.floats(0.9, 1.1), min_size=1, max_size=5),
    st.booleans(),
)
def test_whatever_pods_measure_a_placement_comes_to_rest_and_serves_all_the_while(
    slower: dict[tuple[str, str], float], patience: float, noise: list[float], line: bool
) -> None:
    kinds = {"a": "cpu-x86-avx2", "b": "cpu-x86-avx512", "c": "cpu-x86-amx"}
    prices = {"a": "0.04", "b": "0.05", "c": "0.06"}
    pools = [make_pool(name, accelerator=kind, price=prices[name]) for name, kind in kinds.items()]
    q = asked(pools=pools, variants=(F16, Q8, Q4))
    q = replace(q, workload=parsed_class(slo={"tpot": f"{1000 * patience * chosen(q).prediction.tpot:.4f}ms"}))
    now, seen = choose(q).chosen, []
    assert now or patience < 1
    for number in range(20 if now else 0):
        assert now
        seen.append((now.identity, now.prediction.slots))
        truth = slower.get((now.candidate.pool.name, now.candidate.variant.name), 1.0)
        q = running(_observed(q, now, truth * noise[number % len(noise)], line=line), now)
        now = choose(q).chosen
    assert len(set(seen[-8:])) <= 1, seen
    moves = sum(a != b for a, b in pairwise(seen))
    assert moves <= 9, seen


def _observed(q: Question, e: Evaluated, slower: float, *, line: bool) -> Question:
    """Of all its slots, and written down only where it moved beyond noise."""
    alone = replace(q, ledger={}, incumbents=frozenset(), slots={}, running={}, workload=_aimless(q))
    everywhere = choose(alone).possible
    estimate = next(o for o in everywhere if o.identity == e.identity).prediction
    speed = estimate.tokens_per_second / slower
    old = q.ledger.get(e.profile)
    if old and abs(speed / old.tokens_per_second - 1) <= 0.15:
        return q
    learned = Learned(0.9 * estimate.tpot * slower, 0.1 * estimate.tpot * slower / 8, 1e-6, 50.0, 0.04, MEANS)
    found = Measured(speed, "Observed", learned=learned if line else None)
    return replace(q, ledger={**q.ledger, e.profile: found})


def _aimless(q: Question) -> Any:
    return q.workload.model_copy(update={"slo": parsed_class().slo.model_copy(update={"tpot": None, "ttft": None})})
