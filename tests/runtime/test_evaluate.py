"""Models are measured by the real engine's library, on a text that the baseline itself said: it is good at that."""

import json
import re

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as GgmlType

from e2e.models import tiny
from inferfleet.api.artifacts import Accuracy
from inferfleet.planning.evidence import loss_percent
from inferfleet_runtime.__main__ import run
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.evaluate.llama import llama
from inferfleet_runtime.llama_layout import XLLAMACPP
from inferfleet_runtime.weights.quantizing.importance import Importance
from inferfleet_runtime.weights.quantizing.job import Job, quantize
from inferfleet_runtime.weights.quantizing.recipes import RECIPES

ONE = ["--threads", "1"]
"""The engine's threads wait by spinning: one is fast beside other tests."""


@pytest.fixture(scope="module")
def engine():
    with llama() as library:
        yield library


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """Without the constant that keeps `tiny`'s heads from odd tokens: it drowns what is measured here in noise."""
    file = tiny.make(tmp_path_factory.mktemp("evaluate") / "f16.gguf", "blocks")
    (norm,) = (t for t in gguf.GGUFReader(file, "r+").tensors if t.name == "output_norm.weight")
    norm.data[0] = 0.0
    norm.data.flush()
    return file


@pytest.fixture(scope="module")
def text(baseline, engine):
    """The words that the baseline thinks likeliest after some beginnings."""
    words = tiny.vocabulary()
    odd = np.where(words.speakable(), 0, -np.inf)
    said = []
    with engine.open(baseline, 128, 1) as model:
        for first in np.flatnonzero(odd == 0)[100:125]:
            model.forget()
            tokens = [int(first)]
            while len(tokens) < 100:
                tokens.append(int((model.read(tokens[-1:])[0] + odd).argmax()))
            said += tokens
    file = baseline.with_name("said.txt")
    file.write_text("".join(words.tokens[token] for token in said).replace("\u0120", " "), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def good(baseline):
    quantize(Job(baseline, baseline.with_name("q8.gguf"), "Q8_0"), lambda: 0.0)
    return baseline.with_name("q8.gguf")


@pytest.fixture(scope="module")
def damaged(baseline):
    """The baseline, but one layer adds nothing any more."""
    file = baseline.with_name("damaged.gguf")
    file.write_bytes(baseline.read_bytes())
    for tensor in gguf.GGUFReader(file, "r+").tensors:
        if tensor.name in ("blk.1.ffn_down.weight", "blk.1.attn_output.weight"):
            tensor.data[:] = 0
            tensor.data.flush()
    return file


@pytest.fixture(scope="module")
def evidence(baseline, good, damaged, text):
    out = baseline.with_name("evidence.json")
    models = [part for path in (good, damaged) for part in ("--model", str(path))]
    argv = ["evaluate", "--baseline", str(baseline), *models, "--text", str(text), "--out", str(out), *ONE]
    argv += ["--context", "64", "--max-windows", "15", "--draft", str(good), "--rounds", "1", "--ahead", "3"]
    assert run(argv) == 0
    return json.loads(out.read_text(encoding="utf-8"))


def test_the_baseline_loses_nothing_against_itself(evidence):
    first = evidence["models"][0]
    assert (first["quantization"], first["topOneAgreement"], first["divergenceNats"]) == ("F16", 1.0, 0.0)
    assert first["nextTokenAccuracy"] > 0.2
    assert all(loss_percent(Accuracy.model_validate(one)) == 0 for one in first["accuracy"])


def test_a_damaged_model_shows_a_loss_and_a_good_one_next_to_none(evidence):
    _, good, damaged = evidence["models"]
    worst = [max(loss_percent(Accuracy.model_validate(one)) for one in model["accuracy"]) for model in (good, damaged)]
    assert worst[0] < 2
    assert worst[1] > 20
    assert good["topOneAgreement"] > 0.95 > damaged["topOneAgreement"]
    assert 0 < good["divergenceNats"] < 0.01 < damaged["divergenceNats"]


def test_the_evidence_says_what_it_was_measured_on(evidence):
    conditions = evidence["conditions"]
    assert conditions["scoredTokens"] == conditions["windows"] * 31
    assert conditions["engine"] == f"xllamacpp {XLLAMACPP}"
    source = evidence["models"][1]["accuracy"][0]["source"]
    assert conditions["textSha256"] in source
    assert "64 tokens" in source


def test_speed_is_measured(evidence):
    for model in evidence["models"]:
        assert model["prefillTokensPerSecond"] > 0
        assert model["decodeTokensPerSecond"] > 0


def test_a_draft_that_is_nearly_the_model_is_nearly_always_accepted(evidence):
    by_ngram, by_draft = evidence["speculation"]
    assert by_draft["method"] == "Draft"
    assert by_draft["acceptance"] > 0.8
    assert by_draft["tokensPerStep"] > 2.5
    assert by_ngram["proposed"] > 0
    assert by_ngram["outputTokens"] == by_draft["outputTokens"] == 16 * 96


def test_the_table_is_the_commands_answer(baseline, text, capsys):
    argv = ["evaluate", "--baseline", str(baseline), "--text", str(text), "--max-windows", "1", "--rounds", "0"]
    assert run([*argv, "--context", "64", *ONE]) == 0
    assert re.search(r"\|\s+F16 \|", capsys.readouterr().out)


def test_a_text_that_is_missing_or_too_short_is_one_clear_line(baseline, tmp_path, capsys):
    argv = ["evaluate", "--baseline", str(baseline), *ONE, "--text"]
    assert run([*argv, str(tmp_path / "none.txt")]) == 1
    assert "none.txt: cannot be read" in capsys.readouterr().err
    (tmp_path / "short.txt").write_text("Too short.")
    assert run([*argv, str(tmp_path / "short.txt")]) == 1
    assert "give more text" in capsys.readouterr().err


def test_a_model_of_another_vocabulary_is_refused(baseline, text, tmp_path, capsys):
    other = tmp_path / "other.gguf"
    other.write_bytes(baseline.read_bytes().replace("\u0120the".encode(), "\u0120teh".encode()))
    argv = ["evaluate", "--baseline", str(baseline), "--model", str(other), "--text", str(text), *ONE]
    assert run([*argv, "--context", "64", "--max-windows", "1"]) == 1
    assert "other.gguf: has another tokenizer than the baseline" in capsys.readouterr().err


def test_a_file_that_llama_cpp_cannot_load_says_why(baseline, tmp_path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(baseline.read_bytes()[:200_000])
    wanted = pytest.raises(CommandError, match=r"cut\.gguf: llama\.cpp cannot load it: .*corrupted or incomplete")
    # of its own: what the library logs goes to the one that was opened last
    with llama() as fresh, wanted, fresh.open(cut, 64, 1):
        pass


def test_another_version_of_the_engine_is_refused():
    with pytest.raises(CommandError, match=r"2031\.1\.1 is installed"), llama("2031.1.1"):
        pass


def test_the_layouts_are_those_that_the_library_fills_in(engine):
    context = engine.library.llama_context_default_params()
    assert (context.n_ctx, context.n_batch, context.n_ubatch, context.n_seq_max) == (512, 2048, 512, 1)
    assert (context.rope_scaling_type, context.pooling_type, context.flash_attn_type) == (-1, -1, -1)
    assert (context.yarn_ext_factor, context.defrag_thold, context.yarn_orig_ctx) == (-1.0, -1.0, 0)
    assert (context.type_k, context.type_v) == (int(GgmlType.F16), int(GgmlType.F16))
    assert (context.embeddings, context.offload_kqv, context.no_perf, context.op_offload) == (False, True, True, True)
    assert (context.swa_full, context.kv_unified, context.samplers, context.n_samplers) == (True, False, None, 0)
    model = engine.library.llama_model_default_params()
    assert (model.n_gpu_layers, model.split_mode, model.load_mode, model.lazy_mode, model.main_gpu) == (-1, 1, -1, 1, 0)
    assert (model.vocab_only, model.use_extra_bufts, model.no_alloc) == (False, True, False)


def test_reading_at_once_and_one_by_one_gives_the_same_guesses(baseline, engine):
    with engine.open(baseline, 64, 1) as model:
        tokens = model.tokenize(b"Once upon a time there was a word and another word.")
        together = model.read(tokens, len(tokens))
        model.forget()
        single = np.concatenate([model.read([token]) for token in tokens])
        model.forget(3)
        again = model.read(tokens[3:])
    assert np.abs(together - single).max() < 0.5
    assert (together.argmax(1) == single.argmax(1)).all()
    assert np.abs(again - together[-1]).max() < 0.5


@pytest.fixture(scope="module")
def measured(baseline, text):
    out = baseline.with_name("imatrix.gguf")
    argv = ["importance", "--model", str(baseline), "--text", str(text), "--out", str(out)]
    assert run([*argv, "--context", "64", "--max-windows", "4", *ONE]) == 0
    return out


def test_importance_is_the_mean_square_of_what_a_matrix_is_multiplied_with(measured):
    found = Importance.read(measured).by_tensor
    assert len(found) == 2 * 7
    queries = found["blk.0.attn_q.weight"]
    assert queries.shape == (1, 256)
    # what enters the attention has just been normalized to a mean square of one
    assert queries.mean() == pytest.approx(1, rel=0.01)
    for name in ("k", "v"):
        assert np.array_equal(found[f"blk.0.attn_{name}.weight"], queries)
    assert not np.array_equal(found["blk.1.attn_q.weight"], queries)


@pytest.fixture(scope="module")
def divergences(baseline, text, measured, engine):
    """By type, the mean divergence of a file of it from the baseline."""
    from inferfleet_runtime.evaluate.quality import Reading, compare

    types = [name for name, recipe in RECIPES.items() if not recipe.needs_importance] + ["IQ2_XXS"]
    files = {name: baseline.with_name(f"{name}.gguf") for name in types}
    for name, file in files.items():
        quantize(Job(baseline, file, name, 1, measured if name == "IQ2_XXS" else None), lambda: 0.0)
    found = compare(engine, baseline, list(files.values()), Reading(text.read_bytes(), 64, 1, 2))
    assert {name: found[file].quantization for name, file in files.items()} == {name: name for name in types}
    return {name: found[file].scores.divergence / found[file].scores.tokens for name, file in files.items()}


def test_every_type_loads_and_fewer_bits_guess_worse(divergences):
    assert all(np.isfinite(value) and value > 0 for value in divergences.values())
    for better, worse in [
        ("Q8_0", "Q6_K"),
        ("Q6_K", "Q5_K_M"),
        ("Q5_K_M", "Q4_K_M"),
        ("Q4_K_M", "Q3_K_M"),
        ("Q5_1", "Q4_1"),
        ("Q4_K_S", "IQ3_S"),
        ("Q3_K_L", "Q2_K"),
        ("IQ4_XS", "IQ2_XXS"),
        ("Q2_K", "TQ1_0"),
    ]:
        assert divergences[better] < divergences[worse], (better, worse)


@pytest.mark.parametrize("type_", ["Q4_K_M", "IQ4_XS"])
def test_a_pod_serves_what_it_quantized(start, baseline, type_):
    pod = start(source={"uri": baseline.as_uri()}, quantize={"type": type_}).ready()
    with pod.client() as client:
        answer = client.completions.create(model="tiny", prompt="Once upon", max_tokens=8, temperature=0)
    assert answer.usage.completion_tokens == 8
    assert answer.choices[0].text.strip()
    pod.terminate()
    assert pod.exit_code() == 0
