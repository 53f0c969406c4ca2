"""The reasons that the full API adds: namespaces, pins, providers, evidence, energy, modality, sources."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from make import parsed_class
from questions import F16, LLAMA_1B, Q4, Q8, make_pool, question, reasons

from inferfleet.api.artifacts import Accuracy
from inferfleet.api.external import External
from inferfleet.catalog.loader import ModelArchitecture
from inferfleet.names import Reason
from inferfleet.planning.choose import choose
from inferfleet.planning.evidence import loss_percent
from inferfleet.planning.types import Pin

PROVIDER = External.model_validate(
    {
        "endpoint": "https://api.example.com/v1",
        "credentialsKey": "example",
        "models": [
            {
                "name": "m",
                "architecture": "llama-3.2-1b",
                "price": {"inputPer1MTokens": "0.1", "outputPer1MTokens": "0.2"},
            }
        ],
    }
)


@pytest.mark.parametrize(
    ("pool", "workload", "reason", "words"),
    [
        ({"allowed": False}, {}, Reason.NAMESPACE_NOT_ALLOWED, "does not allow this namespace"),
        ({"external": PROVIDER}, {}, Reason.EXTERNAL_NOT_ALLOWED, "limits.allowExternal is not true"),
        ({"external": PROVIDER}, {"limits": {"allowExternal": True}}, Reason.EXTERNAL_NOT_SERVED, "no gateway yet"),
        ({"memory": 0}, {}, Reason.REPLICA_NOT_DECLARED, "set spec.nodes.replica"),
        ({}, {"modality": "Embedding"}, Reason.MODALITY_UNSUPPORTED, "asks for Embedding, and the model is for Text"),
        ({}, {"objective": "Energy"}, Reason.NO_POWER, "has no spec.power"),
        ({}, {"limits": {"joulesPerToken": "9"}}, Reason.NO_POWER, "has no spec.power"),
        ({"watts": 500}, {"limits": {"joulesPerToken": "0.1"}}, Reason.ENERGY_LIMIT_EXCEEDED, "0.1 allowed"),
        ({}, {"slo": {"deadline": "10ms"}}, Reason.SLO_VIOLATED, "deadline of"),
    ],
)
def test_a_pool_or_class_that_rules_a_candidate_out_says_why(pool: Any, workload: Any, reason: str, words: str) -> None:
    answer = choose(question([make_pool(**pool)], (F16,), workload=parsed_class(**workload)))
    assert reasons(answer) == {("cpu", "f16"): reason}
    assert words in answer.rejected[0].message


@pytest.mark.parametrize("most", [447, 448, None])
def test_requests_longer_than_the_models_context_are_not_served(most: int | None) -> None:
    answer = choose(question(architecture=replace_context(most), variants=(F16,)))
    if most == 447:
        assert reasons(answer) == {("cpu", "f16"): Reason.CONTEXT_TOO_LONG}
        assert "448 tokens (192 of prompt and 256 of completion at p95)" in answer.rejected[0].message
        assert "made for 447 (contextTokens)" in answer.rejected[0].message
    else:
        assert answer.chosen


def replace_context(most: int | None) -> ModelArchitecture:
    return LLAMA_1B.model_copy(update={"context_tokens": most})


def test_an_unknown_quantization_names_what_is_near_it() -> None:
    answer = choose(question(variants=(replace(Q4, quantization="Q4-0"),)))
    assert answer.rejected[0].reason == Reason.QUANTIZATION_UNKNOWN
    assert "Q4_0" in answer.rejected[0].message


def test_a_source_that_no_pod_can_fetch_is_said_before_a_pod_fails() -> None:
    answer = choose(question(variants=(replace(Q4, scheme="ftp"),)))
    assert answer.rejected[0].reason == Reason.SOURCE_UNSUPPORTED
    assert "file, gs, hf, https, oci, s3, not from ftp" in answer.rejected[0].message


def test_a_pin_rules_out_everything_else() -> None:
    pools = [make_pool("cheap", price="0.01"), make_pool("dear", price="9")]
    answer = choose(question(pools, pin=Pin("dear", "q8")))
    assert answer.chosen
    assert answer.chosen.identity == ("dear", "q8", "llama-cpp")
    assert set(reasons(answer).values()) == {Reason.NOT_PINNED}
    assert "pins q8 on dear" in answer.rejected[0].message


def test_a_pin_on_an_engine_or_a_parallelism_that_is_not_there_is_no_placement() -> None:
    other_engine = choose(question(pin=Pin("cpu", "q8", engine="vllm")))
    assert other_engine.chosen is None
    parallel = choose(question(pin=Pin("cpu", "q8", tensor_parallel=2)))
    assert reasons(parallel)[("cpu", "q8")] == Reason.PARALLELISM_UNSUPPORTED


def test_what_nobody_pinned_is_said_last() -> None:
    pools = [make_pool("a"), make_pool("b"), make_pool("dear", price=None)]
    answer = choose(question(pools, (Q4, Q8), pin=Pin("dear", "q8")))
    assert [r.reason for r in answer.rejected] == [Reason.NO_PRICE, *[Reason.NOT_PINNED] * 5]
    assert "can serve: q8 on dear: NoPrice" in answer.message


def test_a_pin_on_a_variant_that_is_not_there_is_told_what_is() -> None:
    answer = choose(question(pin=Pin("cpu", "q5")))
    assert answer.message == (
        "spec.workloads[].placement pins q5 on cpu: the Model has no variant q5; it has f16, q4, q8"
    )


def test_pools_that_cannot_be_used_are_part_of_the_answer() -> None:
    unreadable = {name: f"HardwarePool {name}: spec.nodes.replica: no" for name in ("d", "c", "b", "a")}
    answer = choose(question([make_pool(price=None)], (Q4,), unreadable=unreadable))
    assert "; PoolInvalid, HardwarePool a: spec.nodes.replica: no; PoolInvalid, HardwarePool b" in answer.message
    assert answer.message.endswith("HardwarePool c: spec.nodes.replica: no; and 1 more pools")


def evidence(score: str) -> Accuracy:
    return Accuracy.model_validate({"benchmark": "mmlu", "baseline": "0.50", "score": score})


def test_where_evidence_is_required_only_measured_or_full_precision_variants_serve() -> None:
    workload = parsed_class(quantization={"requireEvidence": True})
    proven = replace(Q8, accuracy=(evidence("0.1"),))
    answer = choose(question(variants=(F16, proven, Q4), workload=workload))
    assert answer.chosen
    assert answer.chosen.candidate.variant == proven
    assert reasons(answer) == {("cpu", "f16"): Reason.COST_ABOVE_BEST, ("cpu", "q4"): Reason.NO_EVIDENCE}


def test_the_worst_benchmark_decides_whether_a_variant_is_accurate_enough() -> None:
    workload = parsed_class(limits={"accuracyLossPercent": "1.0"})
    good, bad = replace(Q8, accuracy=(evidence("0.498"),)), replace(Q4, accuracy=(evidence("0.499"), evidence("0.49")))
    answer = choose(question(variants=(good, bad), workload=workload))
    assert answer.chosen
    assert answer.chosen.candidate.variant == good
    assert reasons(answer) == {("cpu", "q4"): Reason.ACCURACY_LOSS_EXCEEDED}
    assert "2 % lost on mmlu (0.49 after 0.50), 1.0 % allowed" in answer.rejected[0].message


@pytest.mark.parametrize(("baseline", "score", "loss"), [("0", "0.1", 0), ("0.5", "0.6", 0), ("0.8", "0.6", 25)])
def test_a_loss_is_a_share_of_the_baseline_and_never_a_gain(baseline: str, score: str, loss: int) -> None:
    given = Accuracy.model_validate({"benchmark": "b", "baseline": baseline, "score": score})
    assert loss_percent(given) == Decimal(loss)


def test_batching_off_serves_one_request_at_a_time() -> None:
    answer = choose(question(workload=parsed_class(serving={"batching": "Off", "maxBatchSize": 64})))
    assert answer.chosen
    assert answer.chosen.prediction.slots == 1
