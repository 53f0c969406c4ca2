"""Prices by kind of token, providers beside pools, intervals, and results remembered by content."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from make import parsed_class
from questions import F16, OPEN, Q4, Q8, gpu_pool, gpu_question, make_pool, provider, question

from inferfleet.names import Reason
from inferfleet.performance.types import Interval
from inferfleet.planning.choose import choose
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.evaluate.price import by_kind, prefill_share
from inferfleet.planning.rules.targets import slo_violation
from inferfleet.planning.types import Bounds, Measured, Pool, Prediction, Question


def planning(pools: list[Pool], **changes: Any) -> Question:
    return question(pools, (Q4,), plan_unplaced=True, **changes)


def test_a_request_costs_the_same_by_kind_of_token_and_by_the_combined_price() -> None:
    answer = choose(question(variants=(Q4,)))
    assert answer.chosen
    assert answer.chosen.costs
    traffic = parsed_class().traffic
    split = answer.chosen.costs.input * traffic.input_tokens.p50 + answer.chosen.costs.output * traffic.output.p50
    assert float(split) == pytest.approx(float(answer.chosen.cost) * traffic.output.p50, rel=0.06)
    assert answer.chosen.costs.input > 0


def test_a_replica_second_is_split_by_hand_as_the_closed_loop_spends_it() -> None:
    """Ten requests a second of 20 generated tokens; 0.3 s of prefill alone would take three seconds of one."""
    asked = question(
        workload=parsed_class(traffic={"inputTokens": {"p50": 8, "p95": 8}, "outputTokens": {"p50": 20, "p95": 20}})
    )
    alone = Prediction(1, ttft=0.04, tpot=0.01, end_to_end=0.2, tokens_per_second=80, memory=0)
    busy = Prediction(8, ttft=0.1, tpot=0.02, end_to_end=0.5, tokens_per_second=200, memory=0)
    assert prefill_share(alone, busy, asked) == pytest.approx(10 * 0.03)
    (candidate,) = [e.candidate for e in choose(replace(asked, variants=(Q4,))).possible]
    costs = by_kind(candidate, 200, 0.25, asked)
    usd = 0.05 * 4 / (200 * 0.8 * 3600) * 1e6
    assert float(costs.output) == pytest.approx(usd * 0.75, rel=0.05)
    assert float(costs.input) == pytest.approx(usd * 0.25 * 20 / 8, rel=0.05)


def test_longer_prompts_make_generated_tokens_dearer_by_the_combined_price_and_not_by_their_own() -> None:
    def of(tokens: int) -> Any:
        traffic = {"inputTokens": {"p50": tokens, "p95": tokens}, "outputTokens": {"p50": 64, "p95": 64}}
        chosen = choose(question(variants=(Q4,), workload=parsed_class(traffic=traffic))).chosen
        assert chosen
        return chosen

    short, long = of(32), of(1024)
    assert long.cost > short.cost * 2
    assert long.costs.output == pytest.approx(short.costs.output, rel=Decimal("0.6"))


def test_a_provider_is_priced_by_what_a_request_costs() -> None:
    answer = choose(planning([provider()], workload=parsed_class(**OPEN)))
    assert answer.chosen
    assert answer.chosen.identity == ("away", "m-fast", "external")
    assert answer.chosen.cost == Decimal("0.28")  # 0.20 and 48 prompt tokens for 64 generated at 0.10
    assert answer.chosen.costs
    assert (answer.chosen.costs.input, answer.chosen.costs.output) == (Decimal("0.10"), Decimal("0.20"))
    # 60,000 tokens a minute are 535 requests of 112 tokens, fewer than 600
    assert answer.chosen.tokens_per_second == pytest.approx(60000 / 112 / 60 * 64)


def test_a_provider_competes_with_pools() -> None:
    cheap = choose(planning([provider(), make_pool(price="0.001")], workload=parsed_class(**OPEN)))
    dear = choose(planning([provider(), make_pool(price="900")], workload=parsed_class(**OPEN)))
    assert cheap.chosen
    assert dear.chosen
    assert cheap.chosen.candidate.pool.name == "cpu"
    assert dear.chosen.candidate.pool.name == "away"


@pytest.mark.parametrize(
    ("offer", "spec", "reason", "words"),
    [
        ({}, {}, Reason.EXTERNAL_NOT_ALLOWED, "allowExternal"),
        ({"architecture": "qwen3-8b"}, OPEN, Reason.MODEL_NOT_OFFERED, "offers qwen3-8b, not llama-3.2-1b"),
        ({"latency": None}, OPEN | {"slo": {"ttft": "1s"}}, Reason.SLO_VIOLATED, "nobody says how fast provider away"),
        ({}, OPEN | {"slo": {"ttft": "100ms"}}, Reason.SLO_VIOLATED, "ttft of 200 ms expected, 100 ms allowed"),
        ({}, OPEN | {"slo": {"tpot": "5ms"}}, Reason.SLO_VIOLATED, "tpot of 10 ms expected, 5 ms allowed"),
        ({}, OPEN | {"quantization": {"allow": ["BF16"]}}, Reason.QUANTIZATION_NOT_ALLOWED, "serves FP8"),
        ({}, OPEN | {"quantization": {"requireEvidence": True}}, Reason.NO_EVIDENCE, "m-fast in FP8"),
        ({}, OPEN | {"objective": "Energy"}, Reason.NO_POWER, "what energy a token takes"),
        ({}, {"limits": {"allowExternal": True, "costPer1MTokens": "0.2"}}, Reason.COST_LIMIT_EXCEEDED, "0.28 USD"),
    ],
)
def test_a_provider_that_may_not_serve_says_why(offer: Any, spec: Any, reason: str, words: str) -> None:
    answer = choose(planning([provider(**offer)], workload=parsed_class(**spec)))
    assert answer.chosen is None
    assert [r.reason for r in answer.rejected] == [reason]
    assert words in answer.rejected[0].message


def test_a_guaranteed_demand_beyond_the_rate_limits_is_refused_with_both_numbers() -> None:
    answer = choose(planning([provider()], workload=parsed_class(**OPEN), guaranteed=1000.0))
    (found,) = answer.rejected
    assert (found.reason, found.binding) == (Reason.POOL_EXHAUSTED, "rateLimit")
    assert found.message == "1000 tokens/s are guaranteed, and the provider's rate limits allow 571"


def test_without_limits_and_latency_a_provider_serves_a_class_without_targets() -> None:
    answer = choose(planning([provider(latency=None, limits=None)], workload=parsed_class(**OPEN), guaranteed=1e6))
    assert answer.chosen
    assert answer.message == "the only one (nobody says how fast); 0.28 USD per 1M tokens"


BOUNDS = Bounds(Interval(1, 2, 4), Interval(0.01, 0.02, 0.04), Interval(2, 3, 6), Interval(50, 100, 150))
PREDICTED = Prediction(4, 2, 0.02, 3, 100, 0, BOUNDS)


@pytest.mark.parametrize(("margin", "violated"), [(0.0, False), (0.4, False), (0.6, True), (1.0, True)])
def test_a_target_is_compared_with_the_latency_and_its_margin_of_error(margin: float, violated: bool) -> None:
    asked = question(workload=parsed_class(slo={"tpot": "30ms"}))
    assert (slo_violation(PREDICTED, asked, margin) is not None) == violated


def test_a_target_that_only_the_error_breaks_says_so() -> None:
    asked = question(workload=parsed_class(slo={"tpot": "30ms"}))
    expected = ("tpot", "tpot of 20 ms expected, up to 40 ms with the error allowed for, 30 ms allowed")
    missed = slo_violation(PREDICTED, asked, 1.0)
    assert missed is not None
    assert (missed.binding, missed.words) == expected
    assert missed.excess == pytest.approx(40 / 30)


def test_estimates_are_judged_by_the_end_of_their_interval_only_where_nothing_can_be_tried() -> None:
    slo = {"slo": {"tpot": "25ms"}}
    careful, bold = choose(gpu_question(spec=slo)), choose(gpu_question(spec=slo, robust_margin=0.0))
    assert careful.chosen
    assert bold.chosen
    assert float(bold.chosen.cost) <= float(careful.chosen.cost)
    deployed = question(variants=(Q4,), workload=parsed_class(**slo))
    assert choose(deployed) == choose(replace(deployed, robust_margin=0.0))


def test_a_memo_changes_nothing_but_the_work() -> None:
    memo = Memo()
    asked = gpu_question([gpu_pool(), gpu_pool("l40s", "nvidia-l40s")])
    fresh = choose(asked)
    assert choose(asked, memo) == fresh
    before = len(memo.known)
    assert choose(asked, memo) == fresh
    assert len(memo.known) == before > 0


@pytest.mark.parametrize(
    "change",
    [
        lambda q: replace(q, workload=parsed_class(slo={"tpot": "20ms"})),
        lambda q: replace(q, pools=(make_pool(price="1"),)),
        lambda q: replace(q, pools=(make_pool(free=0),)),
        lambda q: replace(q, pools=(make_pool(cores=2),)),
        lambda q: replace(q, adapted=True),
        lambda q: replace(q, variants=(Q8, F16)),
        lambda q: replace(q, trusted_headers=True),
        lambda q: replace(q, ledger={choose(q).chosen.profile: Measured(7.0, "Observed")}),
        lambda q: replace(q, incumbents=frozenset({("cpu", "q8", "llama-cpp")})),
    ],
)
def test_whatever_changes_the_answer_is_part_of_what_is_remembered(change: Any) -> None:
    memo, asked = Memo(), question()
    choose(asked, memo)
    assert choose(change(asked), memo) == choose(change(asked))


def test_a_full_memo_forgets_and_answers_alike() -> None:
    asked = question()
    assert choose(asked, Memo(most=2)) == choose(asked)


def test_every_goal_says_in_one_sentence_why_a_candidate_was_chosen() -> None:
    slo = {"slo": {"ttft": "2s", "tpot": "150ms"}}
    answer = choose(question(workload=parsed_class(**slo)))
    assert answer.chosen
    p = answer.chosen.prediction
    assert answer.message.startswith("cheapest of 3 that meet TTFT 2 s and TPOT 150 ms (TTFT ")
    assert f"; {answer.chosen.cost} USD per 1M tokens; {p.slots} slots, " in answer.message
    alone = choose(question(variants=(Q4,), workload=parsed_class(objective="Latency")))
    assert alone.message.startswith("the only one (TTFT ")
    fastest = choose(question(workload=parsed_class(objective="Latency", slo={"endToEnd": "9s"})))
    assert fastest.message.startswith("fastest of 3 that meet end to end 9 s (")
    frugal = choose(question([make_pool(watts=9.0)], workload=parsed_class(objective="Energy")))
    assert frugal.message.startswith("most frugal of 3 (")
    assert " J per token, " in frugal.message
