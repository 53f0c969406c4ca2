from math import prod

import pytest
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as GgmlType

from inferfleet.catalog import loader
from inferfleet_runtime.engines.llama_cpp import LLAMA_CPP, MADE
from inferfleet_runtime.weights.quantizing.recipes import RECIPES
from inferfleet_runtime.weights.quantizing.tensor_types import Facts, Shape, target_type

CATALOG = loader.load()
LLAMA_8B = Facts(layers=32, value_layers=tuple(range(32)), grouped=True)
"""Llama-3.1-8B: 32 heads share the keys and values of 8."""


def llama_8b():
    yield from (("token_embd.weight", (128256, 4096)), ("output.weight", (128256, 4096)))
    matrices = {
        "attn_q": (4096, 4096),
        "attn_k": (1024, 4096),
        "attn_v": (1024, 4096),
        "attn_output": (4096, 4096),
        "ffn_gate": (14336, 4096),
        "ffn_up": (14336, 4096),
        "ffn_down": (4096, 14336),
        "attn_norm": (4096,),
        "ffn_norm": (4096,),
    }
    for layer in range(32):
        yield from ((f"blk.{layer}.{name}.weight", shape) for name, shape in matrices.items())


@pytest.mark.parametrize("name", [name for name in RECIPES if CATALOG.quantizations[name].mixture])
def test_a_mixture_has_the_size_that_llama_cpp_publishes(name):
    total = size = 0
    for tensor, shape in llama_8b():
        weights, bytes_ = GGML_QUANT_SIZES[target_type(Shape(tensor, shape, GgmlType.F16), RECIPES[name], LLAMA_8B)]
        total += prod(shape)
        size += prod(shape) // weights * bytes_
    assert size / total == pytest.approx(CATALOG.quantizations[name].bytes_per_weight, rel=3e-4)


def test_pods_make_every_recipe_that_needs_only_the_weights():
    alone = [name for name, recipe in RECIPES.items() if not recipe.needs_importance]
    assert list(MADE) == alone
    assert LLAMA_CPP.quantizes_to == set(alone)


def test_what_is_made_is_in_the_catalog_and_is_served():
    assert RECIPES.keys() <= CATALOG.quantizations.keys()
    assert RECIPES.keys() <= LLAMA_CPP.serves


def test_a_file_says_by_its_type_what_it_was_made_as():
    for name, recipe in RECIPES.items():
        assert recipe.file_type.name == f"MOSTLY_{name}"


SMALL = Facts(layers=16, value_layers=tuple(range(16)))


def chosen(recipe, name, shape=(256, 256), facts=SMALL):
    return target_type(Shape(name, shape, GgmlType.BF16), RECIPES[recipe], facts).name


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("blk.0.attn_norm.weight", (64,), "F32"),
        ("blk.0.attn_q.bias", (64,), "F32"),
        ("blk.0.attn_q.weight", (64, 64), "Q4_0"),
        ("blk.0.attn_q.weight", (64, 48), "BF16"),
        ("blk.0.ffn_up_exps.weight", (8, 64, 64), "Q4_0"),
        ("blk.0.ffn_gate_inp.weight", (8, 64), "BF16"),
        ("blk.0.ssm_conv1d.weight", (64, 64), "BF16"),
        ("conv.weight", (4, 4, 64), "BF16"),
        ("output.weight", (64, 64), "Q8_0"),
        ("token_embd.weight", (64, 64), "Q4_0"),
    ],
)
def test_each_tensor_has_its_type(name, shape, expected):
    assert chosen("Q4_0", name, shape) == expected


def test_an_embedding_that_is_the_head_has_the_heads_type():
    tied = Facts(layers=16, value_layers=tuple(range(16)), tied=True)
    assert chosen("Q4_0", "token_embd.weight", facts=tied) == "Q8_0"
    assert chosen("Q4_K_M", "token_embd.weight", facts=tied) == "Q6_K"
    assert chosen("Q4_K_M", "token_embd.weight") == "Q4_K"


def test_the_first_and_last_layers_and_every_third_have_more_bits():
    more = [layer for layer in range(16) if chosen("Q4_K_M", f"blk.{layer}.ffn_down.weight") == "Q6_K"]
    assert more == [0, 1, 4, 7, 10, 13, 14, 15]


def test_values_count_among_the_layers_that_have_some():
    mixed = Facts(layers=16, value_layers=(3, 7, 11, 15))
    assert chosen("Q4_K_S", "blk.3.attn_v.weight", facts=mixed) == "Q5_K"
    assert chosen("Q3_K_M", "blk.11.attn_v.weight", facts=mixed) == "Q4_K"
    assert chosen("Q3_K_M", "blk.7.attn_v.weight", facts=mixed) == "Q5_K"


def test_eight_experts_make_attention_a_small_part_that_may_have_more_bits():
    experts = Facts(layers=16, value_layers=tuple(range(16)), grouped=True, experts=8)
    assert chosen("Q4_K_M", "blk.5.attn_v.weight", facts=experts) == "Q8_0"
    assert chosen("Q4_K_M", "blk.5.attn_k.weight", facts=experts) == "Q8_0"
    assert chosen("Q4_K_M", "blk.5.attn_output.weight", facts=experts) == "Q5_K"
    assert chosen("Q4_K_M", "blk.5.attn_q.weight", facts=experts) == "Q4_K"
    assert chosen("IQ2_XS", "blk.5.attn_k.weight", facts=experts) == "Q4_K"


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("Q6_K", "Q8_0"),
        ("Q5_K_S", "Q5_1"),
        ("Q4_K_S", "Q5_0"),
        ("Q3_K_S", "Q4_0"),
        ("Q2_K", "Q4_0"),
        ("IQ4_XS", "IQ4_NL"),
        ("IQ3_S", "IQ4_NL"),
        ("IQ1_S", "IQ4_NL"),
        ("TQ1_0", "Q4_0"),
    ],
)
def test_rows_that_256_does_not_divide_have_smaller_blocks(recipe, expected):
    assert chosen(recipe, "blk.5.ffn_up.weight", (64, 160)) == expected
    assert chosen(recipe, "output.weight", (64, 160)) == "Q8_0"
    assert chosen(recipe, "blk.5.ffn_up.weight", (64, 100)) == "BF16"
