"""One replica: jumps over decode steps come to the same as taking each, and nothing is made twice."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulating import ENGINE, Scripted, TokenByToken, a_pool, a_trace

from inferfleet.sim.result import Outcome, Result
from inferfleet.sim.run import simulate
from inferfleet.sim.stretch import Stretch
from inferfleet.sim.types import BLOCK_TOKENS, Engine, Request, Settings, Trace

TIGHT = Engine(0.01, 0.0003, 20_000, kv_tokens=9_000, per_context_token=1e-7, chunk=512, slots=16)
WIDE = Engine(0.01, 0.0003, 20_000, kv_tokens=400_000, per_prefill_context_token=1e-9, chunk=2048)


def _alone(trace: Trace, engine: Engine, **more: object) -> Result:
    quiet = Settings(scrape=1e9, interval=1e9, start={"gpu": 1})
    return simulate(trace, [a_pool(engine=engine)], Scripted(), replace(quiet, **more))


@pytest.mark.parametrize("engine", [WIDE, TIGHT, replace(TIGHT, ahead=True), replace(WIDE, ahead=True, slots=4)])
@pytest.mark.parametrize("seed", [0, 1])
def test_jumping_over_steps_gives_the_times_of_taking_every_one(engine: Engine, seed: int) -> None:
    trace = a_trace(seed, 200, rate=7.0)
    slow, fast = TokenByToken(trace, engine), _alone(trace, engine)
    slow.run()
    np.testing.assert_allclose(fast.ttft + trace.at, slow.first, rtol=0, atol=1e-7)
    np.testing.assert_allclose(fast.finish, slow.finish, rtol=0, atol=1e-7)
    assert fast.preempted == slow.preempted


def test_a_full_cache_preempts_and_every_token_is_still_made_once() -> None:
    trace = a_trace(3, 200, rate=7.0)
    found = _alone(trace, TIGHT)
    assert found.preempted > 10
    assert found.reached.sum() == trace.output.sum()
    assert (found.outcome == Outcome.DONE).all()


def test_a_request_alone_waits_for_its_prefill_and_then_for_each_step() -> None:
    found = _alone(Trace.of([Request(5.0, 800, 11)]), ENGINE)
    assert found.ttft[0] == pytest.approx(0.018 + 800 / 8000)
    assert found.itl[0] == pytest.approx(0.018 + 0.00035)


def test_a_prompt_beyond_the_budget_of_a_step_takes_several_and_slows_who_decodes() -> None:
    found = _alone(Trace.of([Request(0.0, 1, 100), Request(0.5, 4096, 1)]), replace(ENGINE, chunk=2048))
    alone = _alone(Trace.of([Request(0.0, 1, 100)]), ENGINE)
    assert found.ttft[1] > 3 * 0.018 + 4096 / 8000, "the token that decodes leaves room for 2047 in each of two steps"
    assert found.finish[0] - alone.finish[0] == pytest.approx(4096 / 8000, rel=0.01)


def test_an_engine_that_schedules_ahead_lets_a_request_wait_one_step_more() -> None:
    trace = Trace.of([Request(0.0, 1, 1000), Request(1.0, 800, 1)])
    late, early = (_alone(trace, replace(ENGINE, ahead=ahead)).ttft[1] for ahead in (True, False))
    assert late - early == pytest.approx(0.01835)


def test_a_new_replica_takes_longer_for_its_first_steps_with_prompts() -> None:
    trace = Trace.of([Request(float(10 * i), 800, 1) for i in range(4)])
    found = _alone(trace, replace(ENGINE, cold_steps=2, cold_seconds=3.0))
    assert found.ttft == pytest.approx(np.array([3.118, 3.118, 0.118, 0.118]))


def test_a_known_prefix_is_not_computed_again_and_its_cache_is_held_once() -> None:
    prefix = (7, 8, 9)
    trace = Trace.of(Request(float(i), 4 * BLOCK_TOKENS, 300, prefix) for i in range(3))
    found = _alone(trace, replace(ENGINE, kv_tokens=3 * BLOCK_TOKENS + 3 * (BLOCK_TOKENS + 320)))
    cold, warm = 4 * BLOCK_TOKENS / 8000, BLOCK_TOKENS / 8000
    assert found.ttft[0] == pytest.approx(cold + 0.018)
    assert found.ttft[1:] == pytest.approx(np.full(2, warm + 0.018), abs=0.03)
    assert not found.preempted, "three whole prompts would not have fitted"


def test_prefixes_that_nobody_uses_go_when_the_room_is_needed_the_oldest_first() -> None:
    requests = [Request(10.0 * i, 2 * BLOCK_TOKENS, 1, (2 * k, 2 * k + 1)) for i, k in enumerate((1, 2, 3, 3, 1))]
    found = _alone(Trace.of(requests), replace(ENGINE, kv_tokens=4.5 * BLOCK_TOKENS))
    hit, miss = BLOCK_TOKENS / 8000 + 0.018, 2 * BLOCK_TOKENS / 8000 + 0.018
    assert found.ttft == pytest.approx(np.array([miss, miss, miss, hit, miss]))


def test_hits_that_a_trace_knows_save_prefill_and_not_memory() -> None:
    plain = a_trace(5, 50, rate=2.0)
    known = replace(plain, cached=plain.input // 2)
    assert _alone(known, ENGINE).ttft.mean() < 0.8 * _alone(plain, ENGINE).ttft.mean()


@given(
    began=st.floats(0, 1e5),
    steps=st.integers(1, 100_000),
    step=st.floats(1e-3, 1.0),
    growth=st.sampled_from([0.0, 1e-7, 1e-5]),
    share=st.floats(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_a_stretch_that_is_cut_ends_with_the_step_in_progress(
    began: float, steps: int, step: float, growth: float, share: float
) -> None:
    whole = Stretch(began, steps, step, growth)
    now = began + share * whole.seconds(steps)
    cut = Stretch(began, steps, step, growth)
    cut.cut(now, 0)
    assert cut.due >= now - 1e-6
    assert cut.steps == 1 or began + cut.seconds(cut.steps - 1) <= now + 1e-6
    assert whole.done(now) in (cut.steps - 1, cut.steps)
