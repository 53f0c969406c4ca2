"""Embeddings generate nothing: what is planned, measured and scaled for them counts prompt tokens."""

from dataclasses import replace
from typing import Any

import make
import pytest
from harness import NOW, built, planned
from make import parsed_class
from questions import CATALOG, F16, LLAMA_1B, make_pool, question, reasons

from inferfleet.catalog.loader import ModelArchitecture
from inferfleet.fleet.scaler import Scaler
from inferfleet.fleet.targets import targets
from inferfleet.fleet.types import Plan
from inferfleet.names import Reason
from inferfleet.planning.choose import choose
from inferfleet.planning.performance import memory_bytes, predict
from inferfleet.planning.types import Measured, Question
from inferfleet.planning.unit import Unit, counted, unit_of
from inferfleet.scaling.demand import Lengths, Traffic, measure, observe
from inferfleet.scaling.ledger import capacity
from inferfleet.scaling.signal import PodSample, Window, parse
from inferfleet_runtime.contract import Metric
from inferfleet_runtime.engines import ENGINES

EMBEDDER = CATALOG.models["qwen3-embedding-0.6b"]
TRAFFIC = {"inputTokens": {"p50": 120, "p95": 500}}
KEY = ("default", "demo")


def embedding(**changes: Any) -> dict[str, Any]:
    return {"modality": "Embedding", "traffic": TRAFFIC, **changes}


def asked(workload: dict[str, Any] | None = None, **changes: Any) -> Question:
    given = {"architecture": EMBEDDER, "architecture_key": EMBEDDER.name, "variants": (F16,)}
    return question(workload=parsed_class(**embedding(**(workload or {}))), **(given | changes))


def test_a_class_counts_the_tokens_that_its_requests_are_made_of() -> None:
    vectors, chat = parsed_class(**embedding()), parsed_class()
    assert (unit_of(vectors), counted(vectors).p50) == (Unit.PROMPT, 120)
    assert (unit_of(chat), counted(chat).p50) == (Unit.GENERATED, 64)


def test_capacity_is_prompt_tokens_per_second_and_a_request_takes_everybodys_prefill() -> None:
    where = (CATALOG.accelerators["cpu-x86-avx2"], 4.0)
    traffic = parsed_class(**embedding()).traffic
    one, four = (
        predict(EMBEDDER, CATALOG.quantizations["F16"], ENGINES["llama-cpp"], where, (traffic, n)) for n in (1, 4)
    )
    # bound by arithmetic: 2 operations for each weight and token on four cores of 68e9 (hardware.yaml)
    weights = EMBEDDER.block_parameters + EMBEDDER.vocabulary * EMBEDDER.hidden
    assert one.tokens_per_second == pytest.approx(4 * 68e9 / (2 * weights))
    assert one.end_to_end == one.ttft == pytest.approx(120 / one.tokens_per_second)
    assert one.tpot == 0
    assert four.tokens_per_second == one.tokens_per_second
    assert four.end_to_end == pytest.approx(4 * one.end_to_end)


@pytest.mark.parametrize(
    ("changes", "context", "measured"),
    [
        ({}, 8192, 561),
        ({}, 512, 149),
        ({"feed_forward": 4096}, 4096, 453),
        ({"vocabulary": 32768}, 2048, 678),
        ({"feed_forward": 2048, "vocabulary": 30522, "encoder": True}, 512, 202),
        ({"feed_forward": 2048, "vocabulary": 30522, "encoder": True}, 8192, 1379),
    ],
)
def test_memory_is_near_what_an_engine_took_beyond_weights_and_kv_cache(
    changes: dict[str, Any], context: int, measured: float
) -> None:
    """MiB of both processes at their peak, with models of random weights in F16 and one text that fills the context."""
    shape: dict[str, Any] = {
        "hidden": 512,
        "feed_forward": 1536,
        "heads": 8,
        "kv_heads": 4,
        "head_dim": 64,
        "vocabulary": 2048,
    }
    model = ModelArchitecture(name="x", modality="Embedding", layers=2, **(shape | changes))
    engine, f16 = ENGINES["llama-cpp"], CATALOG.quantizations["F16"]
    planned_for = memory_bytes(model, f16, engine, 1, context) - model.parameters * 2 - model.kv_bytes(context, 2)
    assert measured <= planned_for / 2**20 <= 1.25 * measured


def test_an_encoder_computes_no_logits() -> None:
    engine, f16 = ENGINES["llama-cpp"], CATALOG.quantizations["F16"]
    bert = CATALOG.models["bge-large-en-v1.5"]
    other = bert.model_copy(update={"encoder": False})
    more = memory_bytes(other, f16, engine, 1, 512) - memory_bytes(bert, f16, engine, 1, 512)
    assert more == 4 * 512 * bert.vocabulary


def test_short_texts_share_a_pass_over_the_weights_until_arithmetic_binds() -> None:
    where = (CATALOG.accelerators["cpu-x86-avx2"], 4.0)
    traffic = parsed_class(**embedding(traffic={"inputTokens": {"p50": 1, "p95": 8}})).traffic
    speeds = [
        predict(EMBEDDER, CATALOG.quantizations["F16"], ENGINES["llama-cpp"], where, (traffic, n)).tokens_per_second
        for n in (1, 2, 64)
    ]
    assert speeds[1] == pytest.approx(2 * speeds[0])
    assert speeds[2] < 64 * speeds[0]


def test_no_more_slots_are_taken_than_make_it_faster() -> None:
    chosen = choose(asked()).chosen
    assert chosen
    assert chosen.prediction.slots == 1


def test_the_choice_speaks_of_a_request_and_not_of_tokens_that_nobody_generates() -> None:
    answer = choose(asked())
    assert "a request expected" in answer.message
    assert "TPOT" not in answer.message


def test_a_text_as_long_as_the_context_fits_since_nothing_follows_it() -> None:
    traffic = {"inputTokens": {"p50": 384, "p95": 512}}
    short = EMBEDDER.model_copy(update={"context_tokens": 512})
    assert choose(asked({"traffic": traffic}, architecture=short)).chosen
    assert parsed_class(**embedding(traffic=traffic)).traffic.context_tokens == 512


def test_a_measured_capacity_of_prompt_tokens_is_used() -> None:
    first = choose(asked()).chosen
    assert first
    known = {first.profile: Measured(77.0, "Benchmarked")}
    second = choose(asked(ledger=known)).chosen
    assert second
    assert (second.tokens_per_second, second.capacity_source) == (77.0, "Benchmarked")


@pytest.mark.parametrize(
    "serving", [{"speculation": "NGram"}, {"kvCache": {"overflow": "SlideWithSinks"}}], ids=["speculation", "sliding"]
)
def test_what_is_about_generating_cannot_be_obeyed(serving: dict[str, Any]) -> None:
    answer = choose(asked({"serving": serving}))
    assert set(reasons(answer).values()) == {Reason.SERVING_UNSUPPORTED}
    assert "llama-cpp has nothing to generate for modality Embedding" in answer.rejected[0].message


def test_engines_that_cannot_embed_say_so() -> None:
    answer = choose(asked(pools=[make_pool(engines=("openvino-genai",))]))
    assert set(reasons(answer).values()) == {Reason.MODALITY_UNSUPPORTED}
    assert "openvino-genai serves Text, not Embedding" in answer.rejected[0].message


def test_a_model_that_the_catalog_knows_to_generate_is_not_taken_for_one_that_embeds() -> None:
    answer = choose(asked(architecture=LLAMA_1B))
    assert set(reasons(answer).values()) == {Reason.MODALITY_UNSUPPORTED}


def model(**workload: Any) -> make.Obj:
    return make.model(workloads=make.workloads(**workload))


def vectors(**changes: Any) -> Plan:
    """The plan of a Model that is given by its numbers, whose class asks for embeddings."""
    return planned(make.node(), make.pool(), make.workload_class(**embedding()), model(**changes))[1]


def test_numbers_alone_may_generate_or_embed_as_the_class_says_and_are_measured_apart() -> None:
    (embeds,) = vectors().workloads
    (generates,) = planned(make.node(), make.pool(), make.workload_class(), model())[1].workloads
    assert embeds.valid
    assert generates.valid
    assert embeds.valid.question.architecture.modality == "Embedding"
    assert embeds.valid.question.architecture_key != generates.valid.question.architecture_key
    assert generates.valid.question.architecture_key.startswith("custom-")


def test_numbers_of_an_encoder_are_planned_as_one_and_generate_nothing() -> None:
    def asked_of(**numbers: bool) -> Question:
        model = make.model(architecture=make.ARCHITECTURE | numbers)
        (workload,) = planned(make.node(), make.pool(), make.workload_class(**embedding()), model)[1].workloads
        assert workload.valid
        return workload.valid.question

    matrix, encoder = asked_of(), asked_of(encoder=True)
    assert (matrix.architecture.encoder, encoder.architecture.encoder) == (False, True)
    assert matrix.architecture_key != encoder.architecture_key
    assert asked_of(encoder=False).architecture_key == matrix.architecture_key
    encodes = make.model(architecture=make.ARCHITECTURE | {"encoder": True})
    (text,) = planned(make.node(), make.pool(), make.workload_class(), encodes)[1].workloads
    assert (text.planned, {r.reason for r in text.rejected}) == (False, {Reason.MODALITY_UNSUPPORTED})


def test_declared_demand_is_of_texts_and_becomes_replicas() -> None:
    (few,), (many,) = (targets(vectors(demand={"requestsPerSecond": n})).values() for n in (1, 400))
    assert few.planned_demand == 120
    assert few.unit is Unit.PROMPT
    assert few.replicas < many.replicas


def sample(at: float, **counters: float) -> PodSample:
    zero = PodSample(at, 0, 0, 0, 0, 0, 0, slots=1, capacity=1000, prompted=0, arrived=0)
    return replace(zero, **counters)


def window(**a_second: float) -> Window:
    """Thirty seconds of counters that grow steadily."""
    return tuple(sample(float(t), **{name: rate * t for name, rate in a_second.items()}) for t in range(0, 31, 2))


def test_demand_is_the_prompt_tokens_that_come_refused_ones_included() -> None:
    seen = window(arrivals=3, finished=1, arrived=900, prompted=200)
    found = measure(observe(Traffic(), [seen], 10), [seen], 10, Lengths(arrived=120), Unit.PROMPT)
    assert found.tokens_per_second == pytest.approx(900)
    assert (found.served, found.arrivals) == (pytest.approx(200), pytest.approx(3))


def test_a_backlog_of_texts_is_counted_at_the_mean_of_those_that_were_done() -> None:
    seen = tuple(replace(s, waiting=5) for s in window(arrivals=1, finished=1, arrived=200, prompted=200))
    found = measure(observe(Traffic(), [seen], 10), [seen], 10, Lengths(arrived=120), Unit.PROMPT)
    assert found.tokens_per_second == pytest.approx(200 + 5 * 200 / 10)


def test_capacity_is_corrected_by_prompt_tokens_under_saturation() -> None:
    busy = tuple(replace(s, running=1, waiting=2) for s in window(arrivals=3, finished=3, arrived=900, prompted=800))
    assert capacity(None, [busy], 30.0, Unit.PROMPT) == Measured(
        pytest.approx(1000 + 0.04 * (800 - 1000)), "Observed", pytest.approx(1.32)
    )


def pod(placement: str) -> make.Obj:
    labels = {"inferfleet.io/model": "demo", "inferfleet.io/class": "chat", "inferfleet.io/placement": placement}
    metadata = {"name": "pod-1", "namespace": "default", "uid": "uid-1", "labels": labels}
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": NOW.isoformat()}
    return {
        "metadata": metadata | {"creationTimestamp": NOW.isoformat()},
        "status": {"podIP": "10.0.0.1", "conditions": [ready]},
    }


def exposition(requests: int, tokens: int) -> bytes:
    """Of a pod that embeds 1,000 tokens a second and generates none."""
    values = {
        Metric.ARRIVAL_REQUESTS: requests,
        Metric.GENERATION_TOKENS: 0,
        f"{Metric.REQUEST_GENERATION_TOKENS}_sum": 0,
        f"{Metric.REQUEST_GENERATION_TOKENS}_count": requests,
        Metric.REQUESTS_RUNNING: 1,
        Metric.REQUESTS_WAITING: 0,
        Metric.SLOTS: 1,
        Metric.PROMPT_TOKENS: tokens,
        Metric.ARRIVAL_PROMPT_TOKENS: tokens,
        Metric.CAPACITY: 1000,
    }
    return "".join(f"{name} {value}\n" for name, value in values.items()).encode()


def test_replicas_follow_the_prompt_tokens_though_none_is_generated() -> None:
    plan, scaler = vectors(), Scaler(signal_max_age=15)
    scaler.plan(KEY, plan, {})
    (target,) = targets(plan).values()
    pods = [pod(target.placement.rsplit("-", 1)[1])]
    for step in range(12):
        now = 1000.0 + 2 * step
        scaler.asked(scaler.urls(pods), now)
        scaler.heard("uid-1", parse(exposition(10 * step, 3000 * step), now))
        assert [key for key, _ in scaler.decide(pods, now)] == [KEY]
    decision = scaler.decisions(KEY)["chat"]
    assert decision.replicas == 2  # 1,500 tokens/s over 1,000 at 80 %
    assert "1500 tokens/s demanded" in decision.message.replace(",", "")
    served = scaler.served(KEY)
    assert served
    assert served["chat"] == pytest.approx(1500)


def test_a_speculator_of_the_model_is_not_brought_where_nothing_is_generated() -> None:
    draft = {"method": "Draft", "source": {"uri": "https://models.example.com/draft.gguf"}}
    shared = make.model(speculators=[draft])
    (config,) = [
        o["data"]["runtime.json"]
        for o in built(make.node(), make.pool(), make.workload_class(**embedding()), shared)
        if o["kind"] == "ConfigMap"
    ]
    assert "speculation" not in config


def test_every_embedding_model_of_the_catalog_can_be_planned() -> None:
    presets = [m for m in CATALOG.models.values() if m.modality == "Embedding"]
    assert presets
    traffic = {"inputTokens": {"p50": 384, "p95": 512}}
    for architecture in presets:
        answer = choose(asked({"traffic": traffic}, architecture=architecture, pools=[make_pool(memory=64 * 2**30)]))
        assert answer.chosen, (architecture.name, answer.message)
