"""Choosing among variants and pools: what fits, what it costs, and the reasons for the rest."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make import parsed_class
from questions import CATALOG, ENGINE, F16, LLAMA_1B, Q4, make_pool, question, reasons

from inferfleet.names import Reason
from inferfleet.planning.candidates.enumerate import candidates
from inferfleet.planning.choose import choose
from inferfleet.planning.evaluate.evaluate import profile_names
from inferfleet.planning.performance import MEMORY_SHARE, memory_bytes, predict
from inferfleet.planning.types import Evaluated, Measured, Pool


def test_the_cheapest_variant_is_chosen_and_the_others_say_how_much_dearer_they_are() -> None:
    answer = choose(question())
    assert answer.chosen
    assert answer.chosen.candidate.variant == Q4
    assert answer.reason == Reason.CHEAPEST_WITHIN_SLO
    assert reasons(answer) == {("cpu", "q8"): Reason.COST_ABOVE_BEST, ("cpu", "f16"): Reason.COST_ABOVE_BEST}
    assert "times the chosen" in answer.rejected[0].message


def test_a_cheaper_pool_wins_at_equal_speed() -> None:
    answer = choose(question([make_pool("dear", price="0.09"), make_pool("cheap", price="0.03")]))
    assert answer.chosen
    assert answer.chosen.candidate.pool.name == "cheap"


SMALL, LARGE = {"cores": 2}, {"cores": 16}
HUNGRY, FRUGAL = {"watts": 100.0}, {"watts": 10.0}


@pytest.mark.parametrize(
    ("objective", "cheap", "best", "reason", "rejected", "words"),
    [
        ("Latency", SMALL, LARGE, Reason.FASTEST_WITHIN_SLO, Reason.LATENCY_ABOVE_BEST, " ms a request expected, "),
        ("Throughput", SMALL, LARGE, Reason.MOST_THROUGHPUT_WITHIN_SLO, Reason.THROUGHPUT_BELOW_BEST, " tokens/s "),
        ("Energy", HUNGRY, FRUGAL, Reason.LEAST_ENERGY_WITHIN_SLO, Reason.ENERGY_ABOVE_BEST, " J per token, "),
    ],
)
def test_the_pool_that_serves_the_objective_best_is_chosen_at_any_price(
    objective: str, cheap: dict[str, Any], best: dict[str, Any], reason: Reason, rejected: Reason, words: str
) -> None:
    pools = [make_pool("cheap", price="0.01", **cheap), make_pool("best", price="9", **best)]
    answer = choose(question(pools, workload=parsed_class(objective=objective)))
    assert answer.chosen
    assert answer.chosen.candidate.pool.name == "best"
    assert answer.reason == reason
    assert set(reasons(answer).values()) == {rejected}
    assert words in answer.rejected[0].message


@pytest.mark.parametrize(
    ("pool", "workload", "reason", "words"),
    [
        ({"memory": 2**30}, {}, Reason.MEMORY_DOES_NOT_FIT, "a replica has 1.07 GB"),
        ({"price": None}, {}, Reason.NO_PRICE, "has no spec.price"),
        ({"accelerator": "abacus"}, {}, Reason.ACCELERATOR_UNKNOWN, "no accelerator named abacus"),
        ({"accelerator": "nvidia-l4"}, {}, Reason.ENGINE_UNSUPPORTED, "does not run vllm on nvidia-l4"),
        ({"free": 0}, {}, Reason.POOL_EXHAUSTED, "1 replicas are needed and 0 more fit on 1 node "),
        ({}, {"slo": {"ttft": "1ms"}}, Reason.SLO_VIOLATED, "1 ms allowed"),
        ({}, {"limits": {"costPer1MTokens": "0.0001"}}, Reason.COST_LIMIT_EXCEEDED, "0.0001 allowed"),
        ({}, {"quantization": {"allow": ["BF16"]}}, Reason.QUANTIZATION_NOT_ALLOWED, "allows BF16, not F16"),
    ],
)
def test_every_candidate_that_cannot_serve_says_why(pool: Any, workload: Any, reason: str, words: str) -> None:
    answer = choose(question([make_pool(**pool)], (F16,), workload=parsed_class(**workload)))
    assert answer.chosen is None
    assert reasons(answer) == {("cpu", "f16"): reason}
    assert words in answer.rejected[0].message
    assert words in answer.message


def test_the_binding_constraint_of_a_violated_target_is_named() -> None:
    answer = choose(question(workload=parsed_class(slo={"tpot": "1ms"})))
    assert {r.binding for r in answer.rejected} == {"tpot"}


def test_without_any_pool_the_message_says_what_to_do() -> None:
    answer = choose(question([]))
    assert answer.reason == Reason.NO_CANDIDATE
    assert "create one" in answer.message


def test_a_tight_tpot_gives_fewer_slots() -> None:
    loose = choose(question(workload=parsed_class(serving={"maxBatchSize": 64})))
    tight = choose(question(workload=parsed_class(serving={"maxBatchSize": 64}, slo={"tpot": "25ms"})))
    assert loose.chosen
    assert tight.chosen
    assert tight.chosen.prediction.slots < loose.chosen.prediction.slots
    assert tight.chosen.prediction.tpot <= 0.025


def test_slots_never_exceed_the_class_or_the_memory() -> None:
    answer = choose(
        question([make_pool(memory=int(1.4 * 2**30))], (Q4,), workload=parsed_class(serving={"maxBatchSize": 64}))
    )
    assert answer.chosen
    assert answer.chosen.prediction.memory <= 1.4 * 2**30 * MEMORY_SHARE
    assert 1 <= answer.chosen.prediction.slots < 64


def test_an_incumbent_is_kept_for_a_small_saving_and_moved_for_a_large_one() -> None:
    here = frozenset({("here", "q4", "llama-cpp")})
    small = choose(
        question([make_pool("here", price="0.050"), make_pool("there", price="0.045")], (Q4,), incumbents=here)
    )
    large = choose(
        question([make_pool("here", price="0.050"), make_pool("there", price="0.020")], (Q4,), incumbents=here)
    )
    assert small.chosen
    assert small.chosen.candidate.pool.name == "here"
    assert small.reason == Reason.INCUMBENT_KEPT
    assert large.chosen
    assert large.chosen.candidate.pool.name == "there"


def test_paused_moves_keep_the_incumbent_whatever_it_costs() -> None:
    pools = [make_pool("here", price="5"), make_pool("there", price="0.01")]
    answer = choose(
        question(pools, (Q4,), incumbents=frozenset({("here", "q4", "llama-cpp")}), move_saving=float("inf"))
    )
    assert answer.chosen
    assert answer.chosen.candidate.pool.name == "here"


@pytest.mark.parametrize("saving", [0.15, float("inf")])
def test_between_two_free_pools_nothing_moves(saving: float) -> None:
    pools = [make_pool("a", price="0"), make_pool("b", price="0")]
    answer = choose(question(pools, (Q4,), incumbents=frozenset({("b", "q4", "llama-cpp")}), move_saving=saving))
    assert answer.chosen
    assert answer.chosen.candidate.pool.name == "b"


def test_latency_as_objective_takes_the_batch_size_with_the_shortest_request() -> None:
    answer = choose(question(variants=(Q4,), workload=parsed_class(objective="Latency", serving={"maxBatchSize": 64})))
    assert answer.chosen
    assert answer.chosen.prediction.slots == 1


def test_a_limit_rules_out_batch_sizes_before_it_rules_out_a_candidate() -> None:
    """The batch with the shortest request is the dearest; a larger one is within the limit."""
    serving = {"maxBatchSize": 64}

    def chosen(limit: str | None) -> Evaluated | None:
        limits = {"limits": {"costPer1MTokens": limit}} if limit else {}
        return choose(
            question(variants=(Q4,), workload=parsed_class(objective="Latency", serving=serving, **limits))
        ).chosen

    free = chosen(None)
    assert free
    assert free.prediction.slots == 1
    limited = chosen(str(free.cost - Decimal("0.01")))
    assert limited
    assert limited.cost < free.cost
    assert limited.prediction.slots == 2
    assert chosen("0.0001") is None


def test_a_saving_of_nothing_and_a_pause_are_called_what_they_are() -> None:
    here = frozenset({("b", "q4", "llama-cpp")})
    free = choose(question([make_pool("a", price="0"), make_pool("b", price="0")], (Q4,), incumbents=here))
    assert free.message == "q4 on a would save 0%; a move must save 15%"
    pools = [make_pool("a", price="0.01"), make_pool("b", price="1")]
    paused = choose(question(pools, (Q4,), incumbents=here, move_saving=float("inf")))
    assert paused.message == "q4 on a would save 99%; moves are paused"


def test_a_successor_needs_room_for_all_that_it_takes_over_by_speed_and_not_by_count() -> None:
    here = ("here", "q4", "llama-cpp")
    # what is guaranteed stays together
    running: Any = {"incumbents": frozenset({here}), "running": {here: 8}, "guaranteed": 1.0}
    crowded = choose(question([make_pool("here"), make_pool("there", price="0.001", free=7)], (Q4,), **running))
    assert crowded.chosen
    assert crowded.chosen.identity == here
    assert reasons(crowded) == {("there", "q4"): Reason.POOL_EXHAUSTED}
    assert "8 replicas are needed and 7 more fit" in crowded.rejected[0].message
    enough = choose(question([make_pool("here"), make_pool("there", price="0.001", free=8)], (Q4,), **running))
    assert enough.chosen
    assert enough.chosen.candidate.pool.name == "there"
    faster = choose(
        question([make_pool("here"), make_pool("there", cores=16, price="0.001", free=3)], (Q4,), **running)
    )
    assert faster.chosen
    assert faster.chosen.candidate.pool.name == "there"


def test_an_incumbent_is_not_thrown_out_of_a_full_pool() -> None:
    answer = choose(question([make_pool(free=0)], (Q4,), incumbents=frozenset({("cpu", "q4", "llama-cpp")})))
    assert answer.chosen


def test_a_measured_capacity_replaces_the_estimate_and_sets_the_price() -> None:
    estimated = choose(question(variants=(Q4,)))
    assert estimated.chosen
    ledger = {estimated.chosen.profile: Measured(estimated.chosen.tokens_per_second / 2, "Observed")}
    measured = choose(question(variants=(Q4,), ledger=ledger))
    assert measured.chosen
    assert measured.chosen.capacity_source == "Observed"
    assert float(measured.chosen.cost) == pytest.approx(2 * float(estimated.chosen.cost), rel=0.1)


def test_a_disappointing_measurement_does_not_send_the_placement_wandering() -> None:
    first = choose(question())
    assert first.chosen
    ledger = {first.chosen.profile: Measured(first.chosen.tokens_per_second / 10, "Benchmarked")}
    second = choose(question(ledger=ledger, incumbents=frozenset({first.chosen.identity})))
    assert second.chosen
    assert second.chosen.identity == first.chosen.identity


def test_the_profile_is_keyed_by_what_decides_the_speed() -> None:
    asked = question([make_pool(cores=4), make_pool("other", cores=4), make_pool("big", cores=8)], (Q4,))
    small, other, big = (
        profile_names(c, asked, [4])[0] for c in sorted(candidates(asked), key=lambda c: (c.pool.cores, c.pool.name))
    )
    assert small == other
    assert big != small
    assert profile_names(candidates(asked)[0], asked, [8]) != [small]


def test_the_prediction_is_near_what_the_preset_was_measured_from() -> None:
    """1.1 billion parameters, two cores: 44.3 tokens/s for one request in Q4_0, prefill of 256 tokens at 113/s."""
    shape = LLAMA_1B.model_copy(update={"vocabulary": 32000, "tied_embeddings": False})
    workload = parsed_class(traffic={"inputTokens": {"p50": 256, "p95": 256}, "outputTokens": {"p50": 24, "p95": 24}})
    where = (CATALOG.accelerators["cpu-x86-avx2"], 2.0)
    found = predict(shape, CATALOG.quantizations["Q4_0"], ENGINE, where, (workload.traffic, 1))
    assert 1 / found.tpot == pytest.approx(44.3, rel=0.25)
    assert 256 / (found.ttft - found.tpot) == pytest.approx(113, rel=0.1)


def test_memory_counts_the_context_as_the_engine_allocates_it() -> None:
    quantization = CATALOG.quantizations["Q4_0"]
    step = ENGINE.context_step_tokens
    assert memory_bytes(LLAMA_1B, quantization, ENGINE, 4, 1) == memory_bytes(LLAMA_1B, quantization, ENGINE, 4, step)
    per_token = LLAMA_1B.kv_bytes_per_token(ENGINE.kv_bytes_per_element)
    more = memory_bytes(LLAMA_1B, quantization, ENGINE, 4, step + 1) - memory_bytes(
        LLAMA_1B, quantization, ENGINE, 4, 1
    )
    assert more == 4 * step * per_token


@given(st.integers(1, 64), st.integers(1, 64))
def test_more_slots_never_need_less_memory(a: int, b: int) -> None:
    low, high = sorted((a, b))
    need = [memory_bytes(LLAMA_1B, CATALOG.quantizations["Q4_0"], ENGINE, slots, 512) for slots in (low, high)]
    assert need[0] <= need[1]


@settings(deadline=None)
@given(st.permutations([make_pool("a", price="0.05"), make_pool("b", price="0.04"), make_pool("c", price="0.06")]))
def test_the_answer_does_not_depend_on_the_order_of_pools(pools: list[Pool]) -> None:
    assert choose(question(pools)) == choose(question(sorted(pools, key=lambda p: p.name)))
