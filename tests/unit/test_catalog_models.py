"""Model architectures: their weights and KV cache against what the vendors publish."""

import pytest
from pydantic import ValidationError

from inferfleet.catalog import loader
from inferfleet.catalog.model_entries import ModelArchitecture

MODELS = loader.load().models
TRANSFORMERS = [pytest.param(model, id=name) for name, model in MODELS.items() if not model.media]
MIXTURES = [pytest.param(model, id=name) for name, model in MODELS.items() if model.experts]
TOLERANCE = 0.02
ACTIVE_TOLERANCE = 0.03
ROUNDED = {"qwen3-next-80b-a3b": 0.09}
"""Active parameters that the vendor gives in whole billions only: 3 billion, of 3.25 billion."""
FAMILIES = {
    "bge",
    "bitnet",
    "codestral",
    "deepseek",
    "e5",
    "falcon",
    "flux.1",
    "gemma",
    "glm",
    "gpt",
    "granite",
    "kimi",
    "llama",
    "minimax",
    "mistral",
    "mixtral",
    "nomic",
    "olmo",
    "phi",
    "qwen2.5",
    "qwen3",
    "qwen3.5",
    "sdxl",
    "smollm2",
    "smollm3",
    "tinyllama",
    "wan",
    "whisper",
}
DENSE = {
    "layers": 2,
    "hidden": 64,
    "feed_forward": 128,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 16,
    "vocabulary": 1000,
}


def test_the_current_open_families_are_there() -> None:
    assert {name.split("-")[0] for name in MODELS} == FAMILIES


@pytest.mark.parametrize("name", MODELS)
def test_every_number_has_a_source_with_a_date(name: str) -> None:
    assert MODELS[name].sources
    assert MODELS[name].unsourced() == []


@pytest.mark.parametrize("model", TRANSFORMERS)
def test_computed_weights_agree_with_the_published_ones(model: ModelArchitecture) -> None:
    assert model.parameters == pytest.approx(model.published_parameters, rel=TOLERANCE)


@pytest.mark.parametrize("model", MIXTURES)
def test_computed_active_weights_agree_with_the_published_ones(model: ModelArchitecture) -> None:
    """Vendors count the embedding and the output matrix in or out: one of the three counts must agree."""
    bare = model.block_parameters - model.vocabulary * model.hidden
    counts = (bare, model.block_parameters, model.active_parameters)
    published = model.published_active_parameters
    assert published is not None
    nearest = min(counts, key=lambda count: abs(count - published))
    assert nearest == pytest.approx(published, rel=ROUNDED.get(model.name, ACTIVE_TOLERANCE))


@pytest.mark.parametrize("model", TRANSFORMERS)
def test_every_transformer_says_its_kind_of_attention_and_its_context(model: ModelArchitecture) -> None:
    assert model.attention == model.attention_kind
    assert model.context_tokens is not None


@pytest.mark.parametrize(
    ("name", "bytes_per_token"),
    [
        ("llama-3.1-8b", 128 * 1024),
        ("llama-3.1-70b", 320 * 1024),
        ("deepseek-v3", 576 * 61 * 2),
        ("kimi-k2", 576 * 61 * 2),
        ("mixtral-8x7b", 128 * 1024),
        ("qwen2.5-7b", 56 * 1024),
        ("qwen3-next-80b-a3b", 24 * 1024),
        ("gemma-3-27b", 496 * 1024),
    ],
)
def test_kv_cache_of_a_token_in_bf16(name: str, bytes_per_token: int) -> None:
    assert MODELS[name].kv_bytes_per_token() == bytes_per_token


def test_an_8_bit_kv_cache_is_half_as_large() -> None:
    assert MODELS["llama-3.1-8b"].kv_bytes_per_token(1.0) == 64 * 1024


def test_layers_with_a_window_stop_growing_at_the_window() -> None:
    model = MODELS["gpt-oss-20b"]
    layer = 2 * 8 * 64 * 2
    assert model.full_attention_layers == 12
    assert model.kv_bytes(100) == 24 * 100 * layer
    assert model.kv_bytes(100_000) == (12 * 100_000 + 12 * 128) * layer


def test_a_window_in_every_layer_bounds_the_cache() -> None:
    model = MODELS["e5-mistral-7b"]
    assert model.kv_bytes(32_768) == model.kv_bytes(4096) == 4096 * 128 * 1024


def test_linear_attention_holds_a_state_of_fixed_size() -> None:
    model = MODELS["qwen3-next-80b-a3b"]
    state = 36 * (32 * 128 * 128 + (2 * 16 * 128 + 32 * 128) * 3) * 4
    assert model.kv_bytes(0) == state
    assert model.kv_bytes(1000) == 1000 * 24 * 1024 + state


def test_the_numbers_of_the_first_release_are_unchanged() -> None:
    found = {
        n: (MODELS[n].parameters, MODELS[n].block_parameters) for n in ("llama-3.1-8b", "llama-3.2-1b", "qwen3-0.6b")
    }
    assert found == {
        "llama-3.1-8b": (8_029_995_008, 7_504_658_432),
        "llama-3.2-1b": (1_235_746_816, 1_235_746_816),
        "qwen3-0.6b": (595_984_384, 595_984_384),
    }


def test_inline_numbers_without_experts_are_a_dense_model() -> None:
    absent = {"experts": None, "active_experts": None, "shared_experts": None, "expert_feed_forward": None}
    model = ModelArchitecture(name="inline", **DENSE, **absent)
    blocks = 2 * (64 * 16 * (2 * 4 + 2 * 2) + 3 * 64 * 128) + 1000 * 64
    assert (model.block_parameters, model.parameters) == (blocks, blocks + 1000 * 64)


def test_a_token_passes_only_its_experts() -> None:
    model = ModelArchitecture(
        name="inline", **DENSE, experts=8, active_experts=2, shared_experts=1, expert_feed_forward=32, dense_layers=1
    )
    expert, router, dense = 3 * 64 * 32, 64 * 8, 3 * 64 * 128
    attention = 2 * 64 * 16 * (2 * 4 + 2 * 2)
    assert model.block_parameters == attention + dense + 3 * expert + router + 64_000
    assert model.parameters - model.active_parameters == 6 * expert


def test_models_of_images_and_video_know_only_their_weights() -> None:
    flux, wan = MODELS["flux.1-dev"], MODELS["wan-2.2-t2v-a14b"]
    assert (flux.parameters, flux.block_parameters) == (16_970_000_000, 12_000_000_000)
    assert (wan.parameters, wan.block_parameters) == (32_680_000_000, 14_000_000_000)
    assert flux.attention_kind is None
    assert flux.kv_bytes_per_token() == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 0, "head_dim": 0}, "heads, headDim must be given for modality Text"),
        ({"experts": 8}, "needs both experts and activeExperts"),
        ({"experts": 2, "active_experts": 4}, "activeExperts must not be above experts"),
        ({"full_attention_every": 4}, "fullAttentionEvery needs slidingWindow or linearAttention"),
        ({"attention": "MLA"}, "attention says MLA, but the other numbers make it GQA"),
        ({"modality": "Image"}, "publishedParameters is needed"),
        ({"layer": 3}, "Extra inputs are not permitted"),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelArchitecture.model_validate({"name": "x", **DENSE, **changes})


@pytest.mark.parametrize(
    ("kv_heads", "kind"),
    [(1, "MQA"), (2, "GQA"), (4, "MHA")],
)
def test_kv_heads_make_the_kind_of_attention(kv_heads: int, kind: str) -> None:
    assert ModelArchitecture.model_validate({"name": "x", **DENSE, "kv_heads": kv_heads}).attention_kind == kind
