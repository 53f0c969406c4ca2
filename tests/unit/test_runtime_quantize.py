import json

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as GgmlType

from e2e.models import tiny
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.quantize import Shape, quantize, target_type

ERROR_BOUND = {"Q8_0": 1 / 127 / 2 + 2**-11, "Q4_0": 1 / 8 + 2**-11}
"""Largest error over the largest weight of a block: half a step of Q8_0; a whole one of Q4_0, whose
grid reaches from -8 to 7; and the rounding of the scale to half precision."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("model") / "f16.gguf")


def tensors(path):
    return {t.name: t for t in gguf.GGUFReader(path).tensors}


def weights(tensor):
    return gguf.quants.dequantize(tensor.data, tensor.tensor_type)


@pytest.mark.parametrize("type_", ["Q8_0", "Q4_0"])
def test_weights_stay_within_the_error_of_their_format(tmp_path, source, type_):
    quantize(source, tmp_path / "q.gguf", type_, lambda: 0.0)
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
    quantize(source, tmp_path / "q.gguf", "Q4_0", lambda: 0.0)
    after = tensors(tmp_path / "q.gguf")
    assert after["blk.0.ffn_up.weight"].tensor_type is GgmlType.Q4_0
    assert after["token_embd.weight"].tensor_type is GgmlType.Q4_0
    assert after["output.weight"].tensor_type is GgmlType.Q8_0
    assert after["output_norm.weight"].tensor_type is GgmlType.F32
    assert (tmp_path / "q.gguf").stat().st_size < source.stat().st_size / 3


def test_metadata_is_kept_but_for_the_file_type(tmp_path, source):
    quantize(source, tmp_path / "q.gguf", "Q8_0", lambda: 0.0)
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
    assert quantize(source, target, "Q8_0", lambda: 0.0)
    made = target.stat().st_mtime_ns
    assert not quantize(source, target, "Q8_0", lambda: 0.0)
    assert target.stat().st_mtime_ns == made


def test_a_changed_source_is_quantized_again(tmp_path):
    source, target = tiny.make(tmp_path / "f16.gguf", seed=1), tmp_path / "q.gguf"
    quantize(source, target, "Q8_0", lambda: 0.0)
    first = target.read_bytes()
    tiny.make(source, seed=2)
    assert quantize(source, target, "Q8_0", lambda: 0.0)
    assert target.read_bytes() != first


def test_another_version_of_the_tool_quantizes_again(tmp_path, source):
    target = tmp_path / "q.gguf"
    quantize(source, target, "Q8_0", lambda: 0.0)
    note = tmp_path / "q.gguf.source.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"tool": 0}))
    assert quantize(source, target, "Q8_0", lambda: 0.0)


def test_a_crash_before_the_end_leaves_no_result(tmp_path, source):
    target = tmp_path / "q.gguf"
    (tmp_path / "q.gguf.part").write_bytes(b"half")
    assert quantize(source, target, "Q8_0", lambda: 0.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["q.gguf", "q.gguf.source.json"]


def test_a_quantized_source_is_refused(tmp_path, source):
    quantize(source, tmp_path / "q8.gguf", "Q8_0", lambda: 0.0)
    with pytest.raises(CommandError, match="is Q8_0: only files in F16, BF16 or F32"):
        quantize(tmp_path / "q8.gguf", tmp_path / "q4.gguf", "Q4_0", lambda: 0.0)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "nan.gguf", "llama")
    writer.add_tensor("blk.0.ffn_up.weight", np.full((2, 32), np.nan, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(CommandError, match="not finite"):
        quantize(tmp_path / "nan.gguf", tmp_path / "q.gguf", "Q8_0", lambda: 0.0)
    assert not (tmp_path / "q.gguf").exists()


@pytest.mark.parametrize("kept", [5, 30, 3000, 60_000, -1000])
def test_a_file_that_is_cut_short_is_one_clear_line(tmp_path, source, kept):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(source.read_bytes()[:kept])
    with pytest.raises(CommandError, match=r"cut\.gguf: cannot be quantized, the file is damaged") as raised:
        quantize(cut, tmp_path / "q.gguf", "Q8_0", lambda: 0.0)
    assert "\n" not in str(raised.value)
    assert [file.name for file in tmp_path.iterdir()] == ["cut.gguf"]


@pytest.mark.parametrize("garbage", [b"\xff" * 64, b"\x03\0\0\0" + b"\xff" * 64])
def test_garbage_behind_the_magic_is_one_clear_line(tmp_path, garbage):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + garbage)
    with pytest.raises(CommandError, match="damaged"):
        quantize(tmp_path / "bad.gguf", tmp_path / "q.gguf", "Q8_0", lambda: 0.0)


def test_a_source_of_another_alignment_gives_a_readable_file(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "wide.gguf", "llama")
    writer.add_custom_alignment(256)
    rows = np.arange(64, dtype=np.float16).reshape(2, 32)
    for name in ("blk.0.ffn_up.weight", "blk.1.ffn_up.weight"):
        writer.add_tensor(name, rows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    quantize(tmp_path / "wide.gguf", tmp_path / "q.gguf", "Q8_0", lambda: 0.0)
    for tensor in tensors(tmp_path / "q.gguf").values():
        assert np.abs(weights(tensor) - rows).max() <= 63 * ERROR_BOUND["Q8_0"]


def test_a_damaged_note_quantizes_again(tmp_path, source):
    target = tmp_path / "q.gguf"
    quantize(source, target, "Q8_0", lambda: 0.0)
    (tmp_path / "q.gguf.source.json").write_text('{"sha')
    assert quantize(source, target, "Q8_0", lambda: 0.0)
    assert not quantize(source, target, "Q8_0", lambda: 0.0)


def test_a_missing_source_says_what_to_run(tmp_path):
    with pytest.raises(CommandError, match="inferfleet-runtime fetch"):
        quantize(tmp_path / "none.gguf", tmp_path / "q.gguf", "Q8_0", lambda: 0.0)


@pytest.mark.parametrize(
    ("name", "shape", "tied", "expected"),
    [
        ("blk.0.attn_norm.weight", (64,), False, GgmlType.F32),
        ("blk.0.attn_q.weight", (64, 64), False, GgmlType.Q4_0),
        ("blk.0.attn_q.weight", (64, 48), False, GgmlType.BF16),
        ("blk.0.ffn_up_exps.weight", (8, 64, 64), False, GgmlType.Q4_0),
        ("blk.0.ffn_gate_inp.weight", (8, 64), False, GgmlType.BF16),
        ("conv.weight", (4, 4, 64), False, GgmlType.BF16),
        ("output.weight", (64, 64), False, GgmlType.Q8_0),
        ("token_embd.weight", (64, 64), False, GgmlType.Q4_0),
        ("token_embd.weight", (64, 64), True, GgmlType.Q8_0),
    ],
)
def test_each_tensor_has_its_type(name, shape, tied, expected):
    assert target_type(Shape(name, shape, GgmlType.BF16), GgmlType.Q4_0, tied) is expected


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
