"""The line of step times that predictions imply: simulated with it, a busy replica does what was predicted."""

import numpy as np
import pytest
from questions import gpu_question, question
from simulating import Scripted

from inferfleet.performance.load import coefficients
from inferfleet.planning.choose import choose
from inferfleet.planning.evaluate.line import line
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.types import Question
from inferfleet.replay.planned import engine
from inferfleet.sim.run import simulate
from inferfleet.sim.types import Pool, Settings, Trace

DEPLOYED, FITTED = question(), gpu_question(coefficients=coefficients())


@pytest.mark.parametrize("asked", [DEPLOYED, FITTED], ids=["deployed", "fitted"])
def test_a_replica_that_is_always_full_does_what_was_predicted(asked: Question) -> None:
    chosen = choose(asked).chosen
    assert chosen
    traffic, slots = asked.workload.traffic, chosen.prediction.slots
    count = 30 * slots
    # of different lengths: equal ones would begin and end together, and never wait for another's prompt
    trace = Trace(
        np.linspace(0.0, 1e-3, count),
        np.full(count, traffic.input_tokens.p50),
        np.random.default_rng(0).integers(traffic.output.p50 // 2, 3 * traffic.output.p50 // 2, count),
    )
    pool = Pool("p", engine(chosen, asked, Memo()), 1.0)
    found = simulate(trace, [pool], Scripted(), Settings(start={"p": 1}, scrape=1e9))
    tokens_per_second = trace.output.sum() / np.nanmax(found.finish)
    assert tokens_per_second == pytest.approx(chosen.tokens_per_second, rel=0.15)
    assert found.percentile("itl", 50) == pytest.approx(chosen.prediction.tpot, rel=0.2)


@pytest.mark.parametrize("asked", [DEPLOYED, FITTED], ids=["deployed", "fitted"])
def test_a_lone_request_takes_what_was_predicted_for_one_slot(asked: Question) -> None:
    chosen = choose(asked).chosen
    assert chosen
    found = line(chosen, asked, Memo())
    prompt = asked.workload.traffic.input_tokens.p50
    first = found.base + found.per_sequence + found.per_prompt_token * prompt + found.overhead
    assert found.base > 0
    assert first < 2 * chosen.prediction.ttft
