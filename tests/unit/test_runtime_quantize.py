import json

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as GgmlType

from e2e.models import tiny
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.quantizing.job import Job
from inferfleet_runtime.weights.quantizing.job import quantize as run
from inferfleet_runtime.weights.quantizing.recipes import RECIPES

ERROR_BOUND = {"Q8_0": 1 / 127 / 2 + 2**-11, "Q4_0": 1 / 8 + 2**-11}
"""Largest error over the largest weight of a block: half a step of Q8_0; a whole one of Q4_0, whose
grid reaches from -8 to 7; and the rounding of the scale to half precision."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("model") / "f16.gguf")


def quantize(source, target, type_, threads=1, importance=None):
    return run(Job(source, target, type_, threads, importance), lambda: 0.0)


def tensors(path):
    return {t.name: t for t in gguf.GGUFReader(path).tensors}


def weights(tensor):
    return gguf.quants.dequantize(tensor.data, tensor.tensor_type)


@pytest.mark.parametrize("type_", ["Q8_0", "Q4_0"])
def test_weights_stay_within_the_error_of_their_format(tmp_path, source, type_):
    quantize(source, tmp_path / "q.gguf", type_)
    before, after = tensors(source), tensors(tmp_path / "q.gguf")
    assert before.keys() == after.keys()
    for name, tensor in after.items():
        then, now = weights(before[name]), weights(tensor)
        assert then.shape == now.shape
        if tensor.tensor_type is GgmlType.F32:
            assert np.array_equal(then, now)
            continue
        blocks = np.abs(then.reshape(-1, 32)).max(axis=1, keepdims=True)
        error = np.abs(then - now).reshape(-1, 32) / np.maximum(blocks, 1e-9)
        assert error.max() <= ERROR_BOUND[tensor.tensor_type.name], name


def test_matrices_are_4_bit_the_head_8_bit_and_norms_full(tmp_path, source):
    quantize(source, tmp_path / "q.gguf", "Q4_0")
    after = tensors(tmp_path / "q.gguf")
    assert after["blk.0.ffn_up.weight"].tensor_type is GgmlType.Q4_0
    assert after["token_embd.weight"].tensor_type is GgmlType.Q4_0
    assert after["output.weight"].tensor_type is GgmlType.Q8_0
    assert after["output_norm.weight"].tensor_type is GgmlType.F32
    assert (tmp_path / "q.gguf").stat().st_size < source.stat().st_size / 3


@pytest.mark.parametrize("type_", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_blocks_are_those_of_the_gguf_package_bit_for_bit(tmp_path, source, type_):
    quantize(source, tmp_path / "q.gguf", type_)
    before, name = tensors(source), "blk.0.ffn_up.weight"
    expected = gguf.quants.quantize(weights(before[name]), GgmlType[type_])
    assert np.array_equal(tensors(tmp_path / "q.gguf")[name].data, expected)


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("model") / "f16.gguf", "blocks")


LOST = {"Q6": 0.03, "Q5": 0.07, "Q4": 0.12, "IQ4": 0.12, "Q3": 0.25, "IQ3": 0.25, "Q2": 0.4, "TQ": 0.9}
"""Largest share of the weights' root mean square that the error's may be, by bits; normally distributed weights."""


@pytest.mark.parametrize("type_", [name for name, recipe in RECIPES.items() if not recipe.needs_importance])
def test_every_type_keeps_the_weights_within_its_bits(tmp_path, wide, type_):
    quantize(wide, tmp_path / "q.gguf", type_, threads=2)
    then, now = tensors(wide), tensors(tmp_path / "q.gguf")
    assert then.keys() == now.keys()
    bound = next((most for begin, most in LOST.items() if type_.startswith(begin)), 0.01)
    for name, tensor in now.items():
        error = weights(tensor) - weights(then[name])
        assert np.sqrt((error**2).mean() / (weights(then[name]) ** 2).mean()) <= bound, name
    assert now["blk.0.ffn_up.weight"].tensor_type is RECIPES[type_].base


def test_several_threads_write_what_one_writes(tmp_path, wide):
    quantize(wide, tmp_path / "one.gguf", "Q4_K_M", threads=1)
    quantize(wide, tmp_path / "three.gguf", "Q4_K_M", threads=3)
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "three.gguf").read_bytes()


def importance_of(path, model, columns=None, missing=()):
    """A file in which every second column of each matrix matters a hundred times as much as the others."""
    writer = gguf.GGUFWriter(path, "")
    for name, tensor in tensors(model).items():
        if name.startswith("blk.") and len(tensor.shape) > 1 and name not in missing:
            length = columns or int(tensor.shape[0])
            sums = np.where(np.arange(length) % 2, 1.0, 100.0).astype(np.float32) * 7
            writer.add_tensor(f"{name}.in_sum2", sums.reshape(1, -1))
            writer.add_tensor(f"{name}.counts", np.full((1, 1), 7, np.float32))
    tiny.finish(writer)
    return path


def test_a_type_below_three_bits_asks_for_an_importance_matrix(tmp_path, wide):
    with pytest.raises(CommandError, match=r"IQ2_XXS needs an importance matrix.*or choose one of Q8_0, .*Q2_K"):
        quantize(wide, tmp_path / "q.gguf", "IQ2_XXS")
    assert list(tmp_path.iterdir()) == []


def test_what_matters_more_loses_less(tmp_path, wide):
    quantize(wide, tmp_path / "q.gguf", "IQ2_XXS", 2, importance_of(tmp_path / "imatrix.gguf", wide))
    name = "blk.0.ffn_up.weight"
    assert tensors(tmp_path / "q.gguf")[name].tensor_type is GgmlType.IQ2_XXS
    error = (weights(tensors(tmp_path / "q.gguf")[name]) - weights(tensors(wide)[name])) ** 2
    assert error[:, ::2].mean() < error[:, 1::2].mean() / 2


def test_another_importance_quantizes_again(tmp_path, wide):
    target, one = tmp_path / "q.gguf", importance_of(tmp_path / "one.gguf", wide)
    other = importance_of(tmp_path / "other.gguf", wide, missing=["blk.1.ffn_up.weight"])
    assert quantize(wide, target, "Q4_K_S", 1, one)
    assert not quantize(wide, target, "Q4_K_S", 1, one)
    assert quantize(wide, target, "Q4_K_S", 1, other)
    assert quantize(wide, target, "Q4_K_S")


def test_an_importance_of_another_model_is_refused(tmp_path, wide):
    other = importance_of(tmp_path / "imatrix.gguf", wide, columns=128)
    with pytest.raises(CommandError, match=r"128 columns for blk\.\d\.\w+\.weight, the model 256"):
        quantize(wide, tmp_path / "q.gguf", "IQ2_XXS", 1, other)
    assert not list(tmp_path.glob("q.*"))


def test_an_importance_that_lacks_a_matrix_is_refused(tmp_path, wide):
    lacking = importance_of(tmp_path / "imatrix.gguf", wide, missing=["blk.1.ffn_up.weight"])
    with pytest.raises(CommandError, match=r"says nothing of blk\.1\.ffn_up\.weight, which IQ2_XXS cannot do without"):
        quantize(wide, tmp_path / "q.gguf", "IQ2_XXS", 1, lacking)
    assert not list(tmp_path.glob("q.*"))


def test_a_model_is_no_importance_matrix(tmp_path, wide):
    with pytest.raises(CommandError, match="holds no importance matrix"):
        quantize(wide, tmp_path / "q.gguf", "IQ2_XXS", 1, wide)


def test_experts_are_quantized_one_by_one(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "experts.gguf", "llama")
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((3, 5, 256)).astype(np.float16)
    writer.add_tensor("blk.0.ffn_up_exps.weight", rows)
    tiny.finish(writer)
    quantize(tmp_path / "experts.gguf", tmp_path / "q.gguf", "Q6_K", threads=2)
    (tensor,) = tensors(tmp_path / "q.gguf").values()
    assert tensor.tensor_type is GgmlType.Q6_K
    assert weights(tensor).shape == rows.shape
    assert np.abs(weights(tensor) - rows).max() < 0.1


def test_an_unknown_type_lists_those_that_there_are(tmp_path, source):
    with pytest.raises(CommandError, match="Q4 cannot be made; Q8_0, Q6_K, "):
        quantize(source, tmp_path / "q.gguf", "Q4")


def test_a_source_is_never_overwritten(tmp_path, source):
    link = tmp_path / "same.gguf"
    link.symlink_to(source)
    with pytest.raises(CommandError, match="would overwrite its own source"):
        quantize(source, link, "Q8_0")


def test_metadata_is_kept_but_for_the_file_type(tmp_path, source):
    quantize(source, tmp_path / "q.gguf", "Q8_0")
    before, after = (
        {f.name: f.contents() for f in gguf.GGUFReader(path).fields.values() if not f.name.startswith("GGUF.")}
        for path in (source, tmp_path / "q.gguf")
    )
    assert before.pop("general.file_type") == gguf.LlamaFileType.MOSTLY_F16
    assert after.pop("general.file_type") == gguf.LlamaFileType.MOSTLY_Q8_0
    assert after.pop("general.quantization_version") == gguf.GGML_QUANT_VERSION
    assert before == after
    assert "<|im_start|>" in after["tokenizer.chat_template"]


def test_the_same_source_is_quantized_once(tmp_path, source):
    target = tmp_path / "q.gguf"
    assert quantize(source, target, "Q8_0")
    made = target.stat().st_mtime_ns
    assert not quantize(source, target, "Q8_0")
    assert target.stat().st_mtime_ns == made


def test_a_changed_source_is_quantized_again(tmp_path):
    source, target = tiny.make(tmp_path / "f16.gguf", seed=1), tmp_path / "q.gguf"
    quantize(source, target, "Q8_0")
    first = target.read_bytes()
    tiny.make(source, seed=2)
    assert quantize(source, target, "Q8_0")
    assert target.read_bytes() != first


def test_another_version_of_the_tool_quantizes_again(tmp_path, source):
    target = tmp_path / "q.gguf"
    quantize(source, target, "Q8_0")
    note = tmp_path / "q.gguf.source.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"tool": 0}))
    assert quantize(source, target, "Q8_0")


def test_a_crash_before_the_end_leaves_no_result(tmp_path, source):
    target = tmp_path / "q.gguf"
    (tmp_path / "q.gguf.part").write_bytes(b"half")
    assert quantize(source, target, "Q8_0")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["q.gguf", "q.gguf.source.json"]


def test_a_quantized_source_is_refused(tmp_path, source):
    quantize(source, tmp_path / "q8.gguf", "Q8_0")
    with pytest.raises(CommandError, match="is Q8_0: only files in F16, BF16 or F32"):
        quantize(tmp_path / "q8.gguf", tmp_path / "q4.gguf", "Q4_0")


@pytest.mark.parametrize(
    ("weight", "words"), [(np.float32(1e30), "too large for Q8_0"), (np.float16(np.nan), "not finite")]
)
def test_weights_that_no_scale_can_hold_are_refused(tmp_path, weight, words):
    writer = gguf.GGUFWriter(tmp_path / "odd.gguf", "llama")
    writer.add_tensor("blk.0.ffn_up.weight", np.full((2, 32), weight))
    tiny.finish(writer)
    with pytest.raises(CommandError, match=words):
        quantize(tmp_path / "odd.gguf", tmp_path / "q.gguf", "Q8_0")
    assert not list(tmp_path.glob("q.*"))


@pytest.mark.parametrize("kept", [5, 30, 3000, 60_000, -1000])
def test_a_file_that_is_cut_short_is_one_clear_line(tmp_path, source, kept):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(source.read_bytes()[:kept])
    with pytest.raises(CommandError, match=r"cut\.gguf: cannot be quantized, the file is damaged") as raised:
        quantize(cut, tmp_path / "q.gguf", "Q8_0")
    assert "\n" not in str(raised.value)
    assert [file.name for file in tmp_path.iterdir()] == ["cut.gguf"]


@pytest.mark.parametrize("garbage", [b"\xff" * 64, b"\x03\0\0\0" + b"\xff" * 64])
def test_garbage_behind_the_magic_is_one_clear_line(tmp_path, garbage):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + garbage)
    with pytest.raises(CommandError, match="damaged"):
        quantize(tmp_path / "bad.gguf", tmp_path / "q.gguf", "Q8_0")


def test_a_source_of_another_alignment_gives_a_readable_file(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "wide.gguf", "llama")
    writer.add_custom_alignment(256)
    rows = np.arange(64, dtype=np.float16).reshape(2, 32)
    for name in ("blk.0.ffn_up.weight", "blk.1.ffn_up.weight"):
        writer.add_tensor(name, rows)
    tiny.finish(writer)
    quantize(tmp_path / "wide.gguf", tmp_path / "q.gguf", "Q8_0")
    for tensor in tensors(tmp_path / "q.gguf").values():
        assert np.abs(weights(tensor) - rows).max() <= 63 * ERROR_BOUND["Q8_0"]


def test_a_damaged_note_quantizes_again(tmp_path, source):
    target = tmp_path / "q.gguf"
    quantize(source, target, "Q8_0")
    (tmp_path / "q.gguf.source.json").write_text('{"sha')
    assert quantize(source, target, "Q8_0")
    assert not quantize(source, target, "Q8_0")


def test_a_missing_source_says_what_to_run(tmp_path):
    with pytest.raises(CommandError, match="inferfleet-runtime fetch"):
        quantize(tmp_path / "none.gguf", tmp_path / "q.gguf", "Q8_0")


def test_the_same_preset_and_seed_give_the_same_model(tmp_path, source):
    assert tiny.make(tmp_path / "again.gguf").read_bytes() == source.read_bytes()


def test_the_stated_architecture_is_that_of_the_file(source):
    fields = gguf.GGUFReader(source).fields
    stated = tiny.ARCHITECTURES["tiny"]
    assert fields["llama.block_count"].contents() == stated["layers"]
    assert fields["llama.attention.head_count_kv"].contents() == stated["kv_heads"]
    assert len(fields["tokenizer.ggml.tokens"].contents()) == stated["vocabulary"]
    assert tensors(source)["blk.0.attn_k.weight"].shape.tolist() == [
        stated["hidden"],
        stated["kv_heads"] * stated["head_dim"],
    ]
