"""Formulas of the performance model, by hand and by what must hold of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferfleet.catalog.loader import load
from inferfleet.performance.columns import Columns, columns, numbers_of
from inferfleet.performance.memory import memory_bytes
from inferfleet.performance.shape import accepted_tokens, shape_of
from inferfleet.performance.terms import (
    RESERVED_BYTES,
    capacity,
    decode_terms,
    prefill_terms,
    touched,
    tpot_terms,
    ttft_terms,
)
from inferfleet.performance.types import Load, Parallelism, Setup, Speculation

CATALOG = load()


def setup(model: str = "llama-3.1-70b", quantization: str = "FP8", **more: object) -> Setup:
    known = {"accelerator": CATALOG.accelerators["nvidia-h100-80gb"], "engine": "vllm", **more}
    return Setup(CATALOG.models[model], CATALOG.quantizations[quantization], **known)  # type: ignore[arg-type]


def one(asked: Setup, load: Load) -> Columns:
    return columns(numbers_of([shape_of(asked)]), [load])


def test_a_dense_step_reads_all_weights_once() -> None:
    model = CATALOG.models["llama-3.1-70b"]
    c = one(setup(parallelism=Parallelism(4)), Load(1024, 1024, 8))
    blocks = model.block_parameters - model.vocabulary * model.hidden
    assert decode_terms(c, np.array([8.0]))["dense"][0] == pytest.approx(blocks / 4 / 3350e9)


def test_a_step_multiplies_every_active_weight_twice_for_every_request() -> None:
    model = CATALOG.models["llama-3.1-70b"]
    c = one(setup(), Load(1024, 1024, 8))
    assert decode_terms(c, np.array([8.0]))["arithmetic"][0] == pytest.approx(2 * model.block_parameters * 8 / 1978e12)


def test_experts_that_one_token_touches_are_those_it_is_routed_to() -> None:
    c = one(setup("deepseek-v3", parallelism=Parallelism(8)), Load(100, 100, 1))
    assert touched(c, np.array([1.0]))[0] == pytest.approx(8 / 256)
    assert touched(c, np.array([10_000.0]))[0] == pytest.approx(1.0)


def test_a_latent_cache_is_on_every_tensor_rank() -> None:
    load = Load(1000, 1000, 1)
    two, eight = (one(setup("deepseek-v3", parallelism=Parallelism(n)), load) for n in (2, 8))
    running = np.array([1.0])
    assert decode_terms(two, running)["cache"][0] == pytest.approx(decode_terms(eight, running)["cache"][0])


def test_grouped_heads_are_split_until_each_rank_has_one() -> None:
    load, running = Load(1000, 1000, 1), np.array([1.0])
    one_rank, eight = (one(setup(parallelism=Parallelism(n)), load) for n in (1, 8))
    ratio = decode_terms(one_rank, running)["cache"][0] / decode_terms(eight, running)["cache"][0]
    assert ratio == pytest.approx(8)


def test_a_cache_with_half_the_bytes_is_read_in_half_the_time() -> None:
    load, running = Load(1000, 1000, 1), np.array([1.0])
    full, half = (decode_terms(one(setup(kv_bytes_per_element=b), load), running)["cache"][0] for b in (2.0, 1.0))
    assert half == pytest.approx(full / 2)


def test_capacity_is_free_memory_over_the_cache_of_a_sequence() -> None:
    asked = setup(parallelism=Parallelism(2), kv_bytes_per_element=1.0)
    model = CATALOG.models["llama-3.1-70b"]
    c = one(asked, Load(8192, 1024, 64))
    weights = model.block_parameters + model.vocabulary * model.hidden  # the output matrix has 16 bits
    free = 0.93 * 85.47e9 - weights / 2 - RESERVED_BYTES
    assert capacity(c)[0] == pytest.approx(free / (model.kv_bytes_per_token(1.0) / 2 * (8192 + 768)), rel=1e-3)


def test_a_prefix_found_in_the_cache_is_attended_to_but_not_computed() -> None:
    cold, warm = (prefill_terms(one(setup(), Load(8192, 128, 1, hit))) for hit in (0.0, 0.75))
    assert warm["arithmetic"][0] == pytest.approx(cold["arithmetic"][0] / 4)
    assert warm["attention"][0] == pytest.approx(cold["attention"][0] * (0.25 * (1 - 0.125)) / 0.5)


def test_a_smaller_chunk_adds_steps_to_the_first_token() -> None:
    tpot = np.array([0.01])
    whole, chunked = (
        ttft_terms(one(setup(prefill_chunk=n), Load(8192, 128, 1)), np.array([1.0]), tpot)["chunks"][0]
        for n in (8192, 2048)
    )
    assert whole == 0
    assert chunked == pytest.approx(3 * 0.01)


def test_guessed_tokens_are_those_of_a_geometric_series() -> None:
    assert accepted_tokens(3, 0.5) == pytest.approx(1 + 0.5 + 0.25 + 0.125)
    assert accepted_tokens(3, 1.0) == 4
    assert accepted_tokens(3, 0.0) == 1


def test_guessing_pays_where_memory_binds_and_not_where_arithmetic_does() -> None:
    guess = Speculation("eagle", 4, 0.7)

    def gain(requests: int) -> float:
        load, running = Load(128, 1024, requests), np.array([float(requests)])
        plain, ahead = (
            tpot_terms(one(setup(accelerator=CATALOG.accelerators["nvidia-h200-141gb"], speculation=s), load), running)
            for s in (None, guess)
        )
        bound = ("dense", "arithmetic")
        return float(max(plain[n][0] for n in bound) / max(ahead[n][0] for n in bound))

    assert gain(1) == pytest.approx(accepted_tokens(4, 0.7))
    assert gain(4096) < 1


@given(st.integers(1, 512), st.integers(64, 16_000), st.integers(16, 4096), st.sampled_from([1, 2, 4, 8]))
def test_no_term_is_negative_and_more_bandwidth_is_never_slower(n: int, prompt: int, output: int, ranks: int) -> None:
    slow = CATALOG.accelerators["nvidia-h100-80gb"]
    fast = slow.model_copy(update={"memory_bandwidth": slow.memory_bandwidth * 2})
    load, running = Load(prompt, output, n), np.array([float(n)])
    for model in ("llama-3.1-70b", "deepseek-v3", "gpt-oss-120b", "qwen3.5-397b-a17b"):
        a, b = (
            tpot_terms(one(setup(model, accelerator=x, parallelism=Parallelism(ranks)), load), running)
            for x in (slow, fast)
        )
        assert all(term[0] >= 0 for term in a.values())
        assert all(b[name][0] <= a[name][0] * (1 + 1e-12) for name in a)


@given(st.integers(1, 256), st.integers(1, 256))
def test_a_step_of_more_requests_is_never_shorter(a: int, b: int) -> None:
    fewer, more = sorted((a, b))
    c = one(setup("deepseek-v3", parallelism=Parallelism(8)), Load(1024, 1024, 1))
    short, long = (sum(t[0] for t in decode_terms(c, np.array([float(n)])).values()) for n in (fewer, more))
    assert short <= long * (1 + 1e-12)


def test_memory_is_weights_and_a_cache_for_every_slot() -> None:
    asked = setup(parallelism=Parallelism(4))
    model = CATALOG.models["llama-3.1-70b"]
    expected = model.parameters + 16 * model.kv_bytes(4096) + 4 * RESERVED_BYTES
    assert memory_bytes(asked, 16, 4096) == pytest.approx(expected)


def test_data_parallel_ranks_each_hold_what_is_no_expert() -> None:
    alone, ranks = (
        memory_bytes(setup("deepseek-v3", parallelism=p), 1, 1) for p in (Parallelism(8), Parallelism(1, data=8))
    )
    assert ranks > alone
    assert ranks < 2 * alone


def test_a_format_that_the_hardware_cannot_multiply_is_told_in_words() -> None:
    where = CATALOG.accelerators["cpu-x86-amx"]
    with pytest.raises(ValueError, match="nothing is known of BF16 on cpu-x86-amx: state `operations`"):
        shape_of(setup(quantization="BF16", accelerator=where))
