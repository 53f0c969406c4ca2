"""Planning with what this release cannot deploy yet: accelerators, parallelism, and why some of it does not fit."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from questions import CATALOG, UNPLACED, gpu_pool, gpu_question, make_pool, question

from inferfleet.names import Reason
from inferfleet.performance.load import coefficients
from inferfleet.performance.types import Parallelism
from inferfleet.planning.candidates.engines import kind_of
from inferfleet.planning.candidates.enumerate import candidates
from inferfleet.planning.candidates.topology import unfit
from inferfleet.planning.choose import choose
from inferfleet.planning.evaluate.estimate import memory_of, shaped
from inferfleet.planning.evaluate.evaluate import numbered, profile_names
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.types import Candidate, Measured, Pin, Question, Rejection, Variant

BF16 = Variant("bf16", "BF16", "hf")


def on(pool: Any, spread: Parallelism, engine: str = "vllm") -> Candidate:
    return Candidate(pool, BF16, engine, spread)


def rejections(asked: Any, reason: str) -> list[Rejection]:
    return [r for r in choose(asked).rejected if r.reason == reason]


def test_what_cannot_be_deployed_is_rejected_for_acting_and_judged_for_planning() -> None:
    acting = choose(replace(gpu_question(), plan_unplaced=False))
    assert acting.chosen is None
    assert {r.reason for r in acting.rejected} == {Reason.ENGINE_UNSUPPORTED}
    planned = choose(gpu_question())
    assert planned.chosen
    assert planned.chosen.candidate.engine in ("vllm", "sglang", "tensorrt-llm", "lmdeploy")


def test_for_acting_there_is_one_candidate_of_a_pool_a_variant_and_an_engine() -> None:
    asked = replace(gpu_question(), plan_unplaced=False)
    counted = Counter((c.pool.name, c.variant.name, c.engine) for c in candidates(asked))
    assert set(counted.values()) == {1}


def test_what_is_deployed_is_judged_alike_whether_or_not_the_rest_is_planned() -> None:
    pools = [make_pool(), make_pool("other", cores=8)]
    planning = question(pools, plan_unplaced=True, unplaced=UNPLACED)
    assert choose(planning) == choose(question(pools))


def test_a_replica_of_one_accelerator_is_known_by_what_it_always_was() -> None:
    assert on(gpu_pool(), Parallelism()).identity == ("h100", "bf16", "vllm")
    assert on(gpu_pool(), Parallelism(tensor=2, pipeline=4)).identity == ("h100", "bf16", "vllm.tp2.pp4")


@pytest.mark.parametrize(
    ("model", "spread", "words"),
    [
        ("llama-3.1-8b", Parallelism(tensor=3), "32 attention heads cannot be split evenly over 3"),
        ("llama-3.1-8b", Parallelism(tensor=16), "would have 16 accelerators, and a node of pool h100 has 8"),
        ("llama-3.1-8b", Parallelism(tensor=2, expert=2), "1 experts cannot be split evenly over 2"),
        ("qwen2.5-0.5b", Parallelism(tensor=7), "units of the feed-forward part cannot be split evenly over 7"),
        ("llama-3.2-1b", Parallelism(pipeline=8, tensor=1), ""),
        ("qwen3-30b-a3b", Parallelism(data=8, expert=8), ""),
    ],
)
def test_a_parallelism_that_does_not_fit_says_which_number_does_not(
    model: str, spread: Parallelism, words: str
) -> None:
    problem = unfit(on(gpu_pool(), spread), UNPLACED["vllm", "nvidia-h100-80gb"], CATALOG.models[model])
    assert words in problem
    assert bool(words) == bool(problem)


def test_a_pinned_parallelism_that_does_not_fit_is_rejected_with_its_number() -> None:
    (found,) = rejections(gpu_question(pin=Pin("h100", "bf16", "vllm", 3)), Reason.TOPOLOGY_UNSUPPORTED)
    assert found.message == "32 attention heads cannot be split evenly over 3"
    assert found.binding == "topology"


def test_accelerators_come_in_the_counts_that_the_catalog_lists() -> None:
    pool = gpu_pool("tpu", "google-tpu-v5p", accelerators_per_node=4)
    asked = gpu_question([pool], variants=(BF16,))
    assert {c.parallelism.accelerators for c in candidates(asked)} == {4}
    pinned = replace(asked, pin=Pin("tpu", "bf16", "vllm", 2))
    (found,) = rejections(pinned, Reason.TOPOLOGY_UNSUPPORTED)
    assert "2 google-tpu-v5p, which come in 4" in found.message


def test_an_engine_without_a_kind_of_parallelism_gets_no_candidates_with_it() -> None:
    spreads = [c.parallelism for c in candidates(gpu_question()) if c.engine == "lmdeploy"]
    assert spreads
    assert all(s.pipeline == 1 for s in spreads)


def test_a_pin_on_a_parallelism_chooses_it() -> None:
    answer = choose(gpu_question(pin=Pin("h100", "bf16", "vllm", 2)))
    assert answer.chosen
    assert answer.chosen.identity == ("h100", "bf16", "vllm.tp2")


def test_a_model_that_is_too_large_for_one_accelerator_is_spread_over_several() -> None:
    answer = choose(gpu_question(model="llama-3.1-70b", variants=(BF16,)))
    assert answer.chosen
    assert answer.chosen.candidate.accelerators >= 2
    small = [r for r in answer.rejected if r.reason == Reason.MEMORY_DOES_NOT_FIT]
    assert all(r.candidate.accelerators == 1 for r in small)
    assert "a replica has 85.5 GB" in small[0].message


def test_a_spread_replica_costs_what_all_its_accelerators_cost() -> None:
    answer = choose(gpu_question(pin=Pin("h100", "bf16", "vllm", 4)))
    assert answer.chosen
    assert answer.chosen.hourly == pytest.approx(4 * float(gpu_pool().price or 0))


def test_replicas_do_not_span_nodes() -> None:
    pool = gpu_pool(accelerators_per_node=6, nodes=4, free=24)
    assert on(pool, Parallelism(tensor=4)).free == 4
    assert on(pool, Parallelism(tensor=2)).free == 12


def test_a_full_pool_says_how_many_replicas_of_how_many_accelerators_would_fit() -> None:
    pool = gpu_pool(free=3, nodes=1, accelerators_per_node=4)
    (found,) = rejections(gpu_question([pool], pin=Pin("h100", "bf16", "vllm", 4)), Reason.POOL_EXHAUSTED)
    assert found.message == "1 replicas of 4 accelerators are needed and 0 more fit on 1 node of the pool"


def test_static_shapes_pad_prompts_to_the_next_power_of_two() -> None:
    traffic = {"inputTokens": {"p50": 900, "p95": 1500}, "outputTokens": {"p50": 64, "p95": 128}}
    pool = gpu_pool("trn", "aws-trainium2", accelerators_per_node=16)
    asked = gpu_question([pool, gpu_pool()], spec={"traffic": traffic})
    assert shaped(on(pool, Parallelism()), asked).input_tokens.p50 == 1024
    assert shaped(on(gpu_pool(), Parallelism()), asked).input_tokens.p50 == 900
    assert memory_of(on(pool, Parallelism()), asked, 64) > memory_of(on(gpu_pool(), Parallelism()), asked, 64)


def test_compilation_is_part_of_the_start_of_a_pod() -> None:
    compiled = choose(gpu_question([gpu_pool("trn", "aws-trainium2", accelerators_per_node=16)]))
    eager = choose(gpu_question(pin=Pin("h100", "bf16", "vllm")))
    assert compiled.chosen
    assert eager.chosen
    assert compiled.chosen.startup_seconds > eager.chosen.startup_seconds > 0


def test_an_accelerator_that_no_engine_has_a_table_for_is_not_planned_with() -> None:
    for engine, accelerator in UNPLACED:
        assert engine in CATALOG.accelerators[accelerator].engines
    assert ("sglang", "aws-trainium2") not in UNPLACED


@pytest.mark.parametrize(
    ("accelerator", "kind"),
    [
        ("nvidia-h100-80gb", "cuda"),
        ("amd-mi300x", "rocm"),
        ("aws-inferentia2", "neuron"),
        ("google-tpu-v6e", "tpu"),
        ("intel-gaudi3", "gaudi"),
        ("cpu-x86-avx2", "cpu"),
        ("groq-lp30", None),
    ],
)
def test_every_accelerator_is_of_the_kind_that_images_are_made_for(accelerator: str, kind: str | None) -> None:
    assert kind_of(CATALOG.accelerators[accelerator]) == kind


def beyond(asked: Question) -> Memo:
    """Remembers that no prediction about a question may be believed."""
    memo, found = Memo(), candidates(asked)
    for number in numbered(found, asked, memo).values():
        known = memo.known.get(number)
        if isinstance(known, tuple):
            memo.put(number, tuple(replace(b, prediction=replace(b.prediction, outside="too far")) for b in known))
    return memo


def one(asked: Question, identity: tuple[str, str, str]) -> Candidate:
    (found,) = [c for c in candidates(asked) if c.identity == identity]
    return found


def test_what_is_outside_of_all_measurements_is_not_planned_with_beside_what_was_measured() -> None:
    asked = gpu_question()
    profile = profile_names(one(asked, ("h100", "bf16", "vllm")), asked, [16])[0]
    measured = replace(asked, ledger={profile: Measured(1234.0, "Declared")})
    answer = choose(measured, beyond(measured))
    assert answer.chosen
    assert answer.chosen.identity == ("h100", "bf16", "vllm")
    assert (answer.chosen.tokens_per_second, answer.chosen.prediction.slots) == (1234.0, 16)
    found = [r for r in answer.rejected if r.reason == Reason.OUTSIDE_ENVELOPE]
    assert (
        found[0].message == "too far; it can be planned with once somebody measures it (CapacityProfile, spec.declared)"
    )
    assert found[0].binding == "evidence"


def test_where_nothing_was_measured_a_guess_is_better_than_no_answer_and_says_so() -> None:
    asked = gpu_question(pin=Pin("h100", "bf16", "vllm", 1))
    answer = choose(asked, beyond(asked))
    assert answer.chosen
    assert answer.message.endswith("tokens/s a replica (a guess: too far)")
    assert answer.chosen.capacity_source == "Estimated"


def test_a_measurement_is_about_the_parallelism_that_it_was_made_with() -> None:
    asked, pool = gpu_question(model="qwen3-30b-a3b"), gpu_pool()
    tensors = (Parallelism(tensor=2), Parallelism(tensor=4))
    spreads = [*tensors, Parallelism(tensor=2, pipeline=2), Parallelism(data=4, expert=4)]
    assert len({profile_names(on(pool, s), asked, [8])[0] for s in spreads}) == 4


def test_predictions_are_shared_by_what_differs_in_price_and_target_only() -> None:
    memo = Memo()
    choose(gpu_question([gpu_pool(), gpu_pool("same", price="1")]), memo)
    predicted = [key for key in memo.known if isinstance(key, tuple) and len(key) == 2]
    alone = Memo()
    choose(gpu_question([gpu_pool()]), alone)
    assert len(predicted) == len([key for key in alone.known if isinstance(key, tuple) and len(key) == 2])
    choose(gpu_question([gpu_pool()], spec={"slo": {"tpot": "77ms"}}), memo)
    assert len([key for key in memo.known if isinstance(key, tuple) and len(key) == 2]) == len(predicted)


def test_hardware_that_was_measured_is_planned_by_the_fitted_model_and_other_hardware_by_a_guess_with_its_reason() -> (
    None
):
    fitted = coefficients()
    measured = choose(gpu_question([gpu_pool(), gpu_pool("l4", "nvidia-l4")], coefficients=fitted))
    assert measured.chosen
    assert measured.chosen.candidate.pool.name == "h100"
    bounds = measured.chosen.prediction.bounds
    assert bounds
    assert bounds.tpot.low < measured.chosen.prediction.tpot < bounds.tpot.high
    assert measured.chosen.joules_per_token
    assert {r.reason for r in measured.rejected if r.candidate.pool.name == "l4"} >= {Reason.OUTSIDE_ENVELOPE}
    guessed = choose(gpu_question([gpu_pool("l4", "nvidia-l4")], spec={}, coefficients=fitted))
    assert guessed.chosen
    assert "(a guess: " in guessed.message
