import math

import numpy as np
import pytest

from e2e.bench import quality
from inferfleet.api.artifacts import Accuracy
from inferfleet.planning.evidence import loss_percent
from inferfleet_runtime.__main__ import run
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.evaluate.evidence import (
    File,
    Measured,
    Origin,
    accuracy,
    entry,
    speculation_entry,
    speculation_table,
    table,
)
from inferfleet_runtime.evaluate.quality import Quality
from inferfleet_runtime.evaluate.score import Scores, log_softmax, score
from inferfleet_runtime.evaluate.speculation import Acceptance, Prompts, acceptance, by_ngram, look_up, prompts
from inferfleet_runtime.evaluate.speed import Speed
from inferfleet_runtime.evaluate.windows import windows

ORIGIN = Origin("2026-05-02", "a test")


def logits(rows):
    """Of probabilities, shifted: only differences may matter."""
    return (np.log(np.array(rows)) + 7.0).astype(np.float32)


def test_scores_are_those_computed_by_hand():
    expected = logits([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    found = logits([[0.25, 0.5, 0.25], [0.2, 0.6, 0.2]])
    scores = score(expected, found, np.array([0, 1]), 5)
    assert (scores.tokens, scores.bytes) == (2, 5)
    assert scores.baseline_loss == pytest.approx(-math.log(0.5) - math.log(0.8), rel=1e-6)
    assert scores.loss == pytest.approx(-math.log(0.25) - math.log(0.6), rel=1e-6)
    assert scores.perplexity == pytest.approx((0.25 * 0.6) ** -0.5, rel=1e-6)
    assert (scores.baseline_right, scores.right, scores.flipped, scores.agreed) == (2, 1, 1, 1)
    by_hand = 0.5 * math.log(2) + 0.25 * math.log(0.5) + 0.8 * math.log(0.8 / 0.6) + 0.2 * math.log(0.5)
    assert scores.divergence == pytest.approx(by_hand, rel=1e-5)


def test_a_model_diverges_nowhere_from_itself():
    same = logits([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    scores = score(same, same, np.array([1, 1]), 2)
    assert scores.divergence == 0
    assert scores.agreed == scores.tokens == 2
    assert scores.accuracy_error == 0


def test_large_logits_do_not_overflow():
    found = log_softmax(np.array([[1e4, 0.0], [-1e4, -1e4]], np.float32))
    assert found[0].tolist() == [0.0, -1e4]
    assert found[1] == pytest.approx(math.log(0.5))


def test_scores_of_two_texts_add_up():
    total = Scores(2, 5, 1.0, 2.0, 2, 1, 1, 1, 0.5) + Scores(1, 1, 0.5, 0.5, 0, 1, 1, 0, 0.25)
    assert total == Scores(3, 6, 1.5, 2.5, 2, 2, 2, 1, 0.75)


def test_the_error_of_an_accuracy_counts_only_what_the_two_disagree_about():
    # 60 tokens lost, 40 gained of 1000: variance of one token's difference is 0.1 - 0.02^2
    scores = Scores(tokens=1000, baseline_right=500, right=480, flipped=100)
    assert scores.accuracy_error == pytest.approx(math.sqrt((0.1 - 0.02**2) / 1000))


def test_the_second_half_of_each_window_is_scored():
    first, second = windows(range(21), 8, None, None)
    assert first.tokens == tuple(range(8))
    assert first.read == tuple(range(7))
    assert first.scored == (5, 6, 7)
    assert second.scored == (13, 14, 15)


def test_a_beginning_token_takes_the_place_of_the_first():
    (window,) = windows(range(10, 20), 8, 0, 1)
    assert window.tokens == (0, 11, 12, 13, 14, 15, 16, 17)


def test_a_text_that_fills_no_window_says_what_to_do():
    with pytest.raises(CommandError, match="has 7 tokens, one window 8: give more text, or a smaller --context"):
        windows(range(7), 8, None, None)


SOME = Scores(
    tokens=1000, bytes=3000, baseline_loss=2000, loss=2100, baseline_right=500, right=480, flipped=100, agreed=900
)


def test_evidence_is_what_the_api_takes_and_loses_what_was_lost():
    first, second = (Accuracy.model_validate(one) for one in accuracy(SOME, ORIGIN))
    assert (first.benchmark, str(first.baseline), str(first.score)) == (
        "next-token-accuracy",
        "0.500000",
        "0.480000",
    )
    assert loss_percent(first) == 4
    assert second.benchmark == "next-token-likelihood"
    assert float(loss_percent(second)) == pytest.approx(100 * (1 - math.exp(-0.1)), rel=1e-4)
    assert {first.samples, second.samples} == {1000}


def test_evidence_keeps_its_digits_where_a_model_is_unsure():
    unsure = Scores(tokens=1000, bytes=1000, baseline_loss=11_000, loss=11_010, baseline_right=1, right=1)
    likelihood = Accuracy.model_validate(accuracy(unsure, ORIGIN)[1])
    assert float(loss_percent(likelihood)) == pytest.approx(100 * (1 - math.exp(-0.01)), rel=1e-2)


def test_a_model_is_one_line_of_the_table():
    shown = entry(
        Measured(File("m.gguf", "0" * 64, 5_500_000), Quality("Q4_K_M", 4, SOME), Speed(300.04, 40.06)), ORIGIN
    )
    assert shown["perplexityPerToken"] == pytest.approx(math.exp(2.1), abs=1e-5)
    assert shown["perplexityPerByte"] == pytest.approx(math.exp(0.7), abs=1e-5)
    worst = max(loss_percent(Accuracy.model_validate(one)) for one in shown["accuracy"])
    assert float(worst) == pytest.approx(shown["lossPercent"], rel=1e-3)
    head, ruler, row = table([shown]).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["Q4_K_M", "5.5", "8.166", "2.0137", "48.00", "9.52", "90.00", "0.00000", "300", "40"]
    assert len(head) == len(ruler) == len(row)


def test_what_was_not_measured_is_a_dash():
    shown = entry(Measured(File("m.gguf", "0" * 64, 1), Quality("F16", 4, SOME), None), ORIGIN)
    assert table([shown]).splitlines()[-1].split("|")[-3:-1] == [" - ".rjust(15), " - ".rjust(14)]


def proposals(*said):
    """Proposes these, one list a step, cut to what is wanted; records what it was asked."""
    asked = []

    def propose(history, room):
        asked.append((list(history), room))
        return said[len(asked) - 1][:room]

    return propose, asked


def test_a_step_gives_what_it_accepts_and_one_token_of_its_own():
    propose, asked = proposals([1, 2, 9], [5, 6], [])
    found = acceptance([0], [1, 2, 3, 4, 5, 6], 3, propose)
    # accepts 1 2 and says 3; proposes 5 where 4 is said; then nothing
    assert [history for history, _ in asked] == [[0], [0, 1, 2, 3], [0, 1, 2, 3, 4]]
    assert found == Acceptance(tokens=6, steps=4, proposed=5, accepted=2)
    assert found.rate == 0.4
    assert found.tokens_per_step == 1.5


def test_no_more_is_proposed_than_the_answer_has_room_for():
    propose, asked = proposals([1, 2, 3, 4])
    found = acceptance([0], [1, 2, 3], 4, propose)
    assert [room for _, room in asked] == [2]
    assert found == Acceptance(tokens=3, steps=1, proposed=2, accepted=2)


def test_an_n_gram_is_followed_by_what_followed_it_last():
    history = [1, 2, 3, 4, 1, 2, 3, 5, 6, 1, 2, 3]
    assert list(look_up(history, 3, 2)) == [5, 6]
    assert list(look_up(history, 3, 9)) == [5, 6, 1, 2, 3]
    assert list(look_up([1, 2, 3, 4, 5], 3, 2)) == []
    assert list(look_up([1, 1, 1, 1], 3, 2)) == [1]
    assert list(look_up([1, 2], 3, 2)) == []


def test_a_text_that_repeats_itself_is_guessed_by_its_n_grams():
    wanted = Prompts((tuple(range(10)),), 10, 1)
    # nothing stands before the answer's first three tokens that it repeats; the last is the step's own
    assert by_ngram(wanted, [tuple(range(10))], 4, 3) == Acceptance(tokens=10, steps=5, proposed=5, accepted=5)
    fresh = by_ngram(wanted, [tuple(range(20, 30))], 4, 3)
    assert (fresh.proposed, fresh.rate, fresh.steps) == (0, 0.0, 10)


def test_prompts_are_spread_over_the_text():
    assert prompts(range(100), 3, 2) == ((0, 1, 2), (50, 51, 52))
    with pytest.raises(CommandError, match="5 tokens, 2 prompts of 3 need 6"):
        prompts(range(5), 3, 2)


def test_ways_of_speculating_are_lines_of_a_table():
    shown = speculation_entry("Draft", 4, Acceptance(tokens=100, steps=40, proposed=150, accepted=60))
    assert shown["acceptance"] == 0.4
    assert "| Draft |" in speculation_table([shown]).replace("  ", " ")
    assert " 40.0 |" in speculation_table([shown])


def test_half_of_what_quantize_needs_is_a_wrong_argument(capsys):
    assert run(["quantize", "--source", "a.gguf"]) == 2
    assert "--source, --target and --type together" in capsys.readouterr().err


def test_quantize_without_files_is_that_of_a_pod(tmp_path, capsys):
    assert run(["quantize", "--root", str(tmp_path)]) == 2
    assert "runtime.json: cannot be read" in capsys.readouterr().err


def test_figures_of_the_benchmark_are_flat():
    baseline = entry(Measured(File("m.gguf", "0" * 64, 20), Quality("F16", 4, SOME), None), ORIGIN)
    way = speculation_entry("NGram", 4, Acceptance(tokens=100, steps=40, proposed=150, accepted=60))
    found = {"conditions": {"scoredTokens": 1000}, "models": [baseline], "speculation": [way]}
    flat = quality.figures(found)
    assert flat["scored_tokens"] == 1000
    assert flat["f16_top_one_agreement"] == 0.9
    assert (flat["ngram_4_acceptance"], flat["ngram_4_tokens_per_step"]) == (0.4, 2.5)
    assert all(isinstance(value, int | float) for value in flat.values())


def test_what_importance_is_measured_on_is_not_scored(tmp_path):
    lines = b"".join(b"line %d\n" % number for number in range(1000))
    calibration, scored = (path.read_bytes() for path in quality.split(lines, tmp_path))
    assert calibration + scored == lines
    assert calibration.endswith(b"\n")
    assert 0.15 < len(calibration) / len(lines) < 0.25
