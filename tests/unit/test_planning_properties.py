"""What holds of every choice: more never makes it worse, order decides nothing, refusals have reasons."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from make import parsed_class
from questions import F16, OPEN, Q4, Q8, UNPLACED, gpu_pool, make_pool, provider, question

from inferfleet.api.artifacts import Accuracy
from inferfleet.names import Reason
from inferfleet.planning.choose import choose
from inferfleet.planning.types import Answer, Pool, Question

BOUND = {Reason.SLO_VIOLATED, Reason.MEMORY_DOES_NOT_FIT, Reason.POOL_EXHAUSTED, Reason.COST_LIMIT_EXCEEDED}
"""Reasons with a number that failed."""
EVIDENCE = Accuracy.model_validate({"benchmark": "mmlu", "baseline": "0.50", "score": "0.49"})

pools = st.builds(
    make_pool,
    st.sampled_from(["a", "b", "c"]),
    cores=st.sampled_from([1, 2, 4, 8]),
    memory=st.sampled_from([2**30, 2 * 2**30, 8 * 2**30]),
    price=st.sampled_from(["0.01", "0.05", "0.2"]),
    free=st.integers(0, 6),
)
several = st.lists(pools, min_size=1, max_size=3, unique_by=lambda p: p.name)
milliseconds = st.integers(5, 400)


def asked(found: list[Pool], tpot: int = 100, **changes: Any) -> Question:
    spec = {"slo": {"tpot": f"{tpot}ms"}, "serving": {"maxBatchSize": 16}} | changes.pop("spec", {})
    return question(found, (F16, Q8, Q4), workload=parsed_class(**spec), **{"min_replicas": 2} | changes)


def cost(answer: Answer) -> float:
    return float(answer.chosen.cost) if answer.chosen else float("inf")


@settings(deadline=None, max_examples=60)
@given(several, milliseconds, st.sampled_from(["0.1", "0.5", "0.9"]))
def test_cheaper_hardware_never_makes_the_choice_dearer(found: list[Pool], tpot: int, share: str) -> None:
    cheaper = [replace(p, price=(p.price or Decimal(0)) * Decimal(share)) for p in found[:1]] + found[1:]
    assert cost(choose(asked(cheaper, tpot))) <= cost(choose(asked(found, tpot)))


@settings(deadline=None, max_examples=60)
@given(several, milliseconds, st.integers(0, 400))
def test_a_looser_target_never_makes_the_choice_worse(found: list[Pool], tpot: int, more: int) -> None:
    assert cost(choose(asked(found, tpot + more))) <= cost(choose(asked(found, tpot)))


@settings(deadline=None, max_examples=60)
@given(several, milliseconds, st.integers(1, 5))
def test_more_room_never_makes_the_choice_worse(found: list[Pool], tpot: int, more: int) -> None:
    roomier = [replace(p, free=p.free + more) for p in found]
    assert cost(choose(asked(roomier, tpot))) <= cost(choose(asked(found, tpot)))


@settings(deadline=None, max_examples=60)
@given(several, st.sampled_from(["0.5", "1.9", "2.1", "50"]), st.sampled_from(["1", "3"]))
def test_a_larger_accuracy_budget_never_makes_the_choice_worse(found: list[Pool], loss: str, times: str) -> None:
    variants = (F16, replace(Q8, accuracy=(EVIDENCE,)), replace(Q4, accuracy=(EVIDENCE,)))

    def within(percent: Decimal) -> Answer:
        limits = {"limits": {"accuracyLossPercent": str(percent)}}
        return choose(replace(asked(found, spec=limits), variants=variants))

    assert cost(within(Decimal(loss) * Decimal(times))) <= cost(within(Decimal(loss)))


@settings(deadline=None, max_examples=60)
@given(several, milliseconds)
def test_every_refusal_names_its_reason_and_the_constraint_that_binds(found: list[Pool], tpot: int) -> None:
    answer = choose(asked(found, tpot))
    for rejection in answer.rejected:
        assert rejection.reason
        assert rejection.message
        assert rejection.binding or rejection.reason not in BOUND
    if answer.chosen is None:
        assert answer.reason == Reason.NO_CANDIDATE
        assert all(r.reason in answer.message for r in answer.rejected[:1])


@settings(deadline=None, max_examples=30)
@given(several, milliseconds)
def test_no_figure_of_a_candidate_is_negative_or_made_of_the_wrong_tokens(found: list[Pool], tpot: int) -> None:
    for e in choose(asked(found, tpot)).possible:
        assert e.costs
        assert min(e.cost, e.costs.input, e.costs.output) >= 0
        assert e.costs.output <= e.cost
        assert e.tokens_per_second > 0
        assert 0 < e.prediction.ttft <= e.prediction.end_to_end


@settings(deadline=None, max_examples=20)
@given(st.permutations([0, 1, 2]), st.permutations([0, 1, 2, 3]))
def test_the_order_of_pools_and_variants_decides_nothing(of_variants: list[int], of_pools: list[int]) -> None:
    pools = [make_pool(), provider(), gpu_pool(), gpu_pool("l4", "nvidia-l4")]
    variants = (F16, Q8, Q4)
    spec = {"workload": parsed_class(**OPEN), "plan_unplaced": True, "unplaced": UNPLACED}
    plain = choose(question(pools, variants, **spec))
    mixed = choose(question([pools[i] for i in of_pools], tuple(variants[i] for i in of_variants), **spec))
    assert mixed.chosen == plain.chosen
    assert mixed.message == plain.message
    assert {r.candidate.identity: r.reason for r in mixed.rejected} == {
        r.candidate.identity: r.reason for r in plain.rejected
    }
