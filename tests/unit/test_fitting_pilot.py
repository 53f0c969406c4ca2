"""Recommending for an unseen language model: the score on cases by hand, the belief, and the decision."""

from dataclasses import replace

import numpy as np
import pytest

from e2e.bench.planner import pilot
from inferfleet.fitting import pilot_data
from inferfleet.fitting.pilot import (
    Cell,
    Language,
    Profile,
    Recommendation,
    Score,
    Target,
    capacities,
    cheapest,
    judge,
    pods_needed,
    score,
)
from inferfleet.fitting.pilot_decide import Margin, choose_margin, draw, recommend, recommend_measured
from inferfleet.fitting.pilot_physics import against, fit, inputs, latencies, measured, prior
from inferfleet.fitting.pilot_posterior import learn

TARGET = Target()
A100 = Profile("1 x A100", "A100", 1, 40e9, 1555e9, 312e12, 4.0)
T4 = Profile("4 x T4", "T4", 4, 16e9, 300e9, 65e12, 2.0)
H100 = Profile("1 x H100", "H100", 1, 80e9, 3350e9, 989e12, 12.0)
PROFILES = (A100, T4, H100)
LOADS = (1, 8, 16, 32, 64, 128)


def language(name="m", size=7e9, *, flash=True):
    return Language(name, size, 32, 4096, flash, False)


def ladder(profile, nttft, itl, of=None):
    """Cells of one profile, at rising loads."""
    return [Cell(of or language(), profile, u, n, i) for u, n, i in zip(LOADS, nttft, itl, strict=True)]


GOOD_TO_32 = ladder(A100, (1, 2, 3, 4, 5, 6), (20, 25, 30, 40, 60, 90))
GOOD_TO_8 = ladder(T4, (1, 9, 120, 200, 300, 400), (20,) * 6)


def test_capacity_is_the_largest_load_tried_before_either_latency_first_breaks_its_limit():
    assert capacities(GOOD_TO_32 + GOOD_TO_8, TARGET) == {"1 x A100": 32, "4 x T4": 8}


def test_a_load_that_holds_again_after_one_that_failed_does_not_count():
    cells = ladder(A100, (1, 2, 300, 4, 5, 6), (20,) * 6)
    assert capacities(cells, TARGET) == {"1 x A100": 8}


def test_a_limit_that_is_met_exactly_is_met():
    assert capacities(ladder(A100, (100,) * 6, (50,) * 6), TARGET) == {"1 x A100": 128}


def test_a_profile_that_breaks_a_limit_with_one_user_serves_nobody():
    assert capacities(ladder(A100, (1,) * 6, (51,) * 6), TARGET) == {"1 x A100": 0}
    assert pods_needed(200, 0) is None


def test_the_cheapest_counts_whole_pods():
    served = {"1 x A100": 32, "4 x T4": 8}
    assert cheapest(served, {"1 x A100": 4.0, "4 x T4": 2.0}, 200) == Recommendation("1 x A100", 7)
    assert cheapest(served, {"1 x A100": 4.0, "4 x T4": 1.0}, 200) == Recommendation("4 x T4", 25)
    assert cheapest({"1 x A100": 0}, {"1 x A100": 4.0}, 200) is None


@pytest.mark.parametrize(
    ("given", "overspend"),
    [
        (Recommendation("1 x A100", 7), 0.0),
        (Recommendation("1 x A100", 14), 1.0),
        (Recommendation("1 x A100", 6), None),  # 6 x 32 users are fewer than 200
        (Recommendation("4 x T4", 25), 50 / 28 - 1),
        (Recommendation("4 x T4", 24), None),
        (Recommendation("8 x B200", 9), None),  # does not fit, or was never measured
        (None, None),
    ],
)
def test_a_recommendation_is_judged_by_what_was_measured(given, overspend):
    verdict = judge(given, GOOD_TO_32 + GOOD_TO_8, TARGET)
    assert verdict is not None
    assert verdict.best == Recommendation("1 x A100", 7)
    assert verdict.overspend == (None if overspend is None else pytest.approx(overspend))


def test_a_model_that_no_profile_serves_within_limits_is_not_judged():
    assert judge(Recommendation("1 x A100", 9), ladder(A100, (1,) * 6, (51,) * 6), TARGET) is None


def test_the_score_is_the_harmonic_mean_of_success_and_thrift():
    right, dear = (judge(Recommendation("1 x A100", n), GOOD_TO_32, TARGET) for n in (7, 14))
    wrong = judge(None, GOOD_TO_32, TARGET)
    assert score([right, right]).value == 1.0
    assert score([right, wrong]) == Score(0.5, 0.0)
    assert score([right, wrong]).value == pytest.approx(2 * 0.5 / 1.5)
    assert score([right, dear]).value == pytest.approx(2 * 0.5 / 1.5)
    assert score([dear, dear]).value == 0.0  # twice the cost: no thrift left
    assert score([wrong, wrong]).value == 0.0


def test_a_wrong_recommendation_lowers_the_score():
    right = judge(Recommendation("1 x A100", 7), GOOD_TO_32, TARGET)
    short = judge(Recommendation("1 x A100", 6), GOOD_TO_32, TARGET)
    lavish = judge(Recommendation("1 x A100", 8), GOOD_TO_32, TARGET)
    best = score([right] * 10).value
    assert score([right] * 9 + [short]).value < best
    assert score([right] * 9 + [lavish]).value < best


def test_two_published_rates_make_the_published_score():
    assert Score(0.80, 0.19859954617845506).value == pytest.approx(0.800699614549604, abs=1e-12)
    assert Score(0.50, 0.9).value == pytest.approx(1 / 6)  # Morphling's
    assert Score(0.20, 29.57).value == 0.0


# --- belief and decision, on measurements that the physics itself makes


def made(name, size, *, flash=True, drift=0.0):
    """Cells as the formulas with their prior constants give them, off by `drift` e-folds."""
    model = language(name, size, flash=flash)
    blank = [Cell(model, profile, users, 1.0, 1.0) for profile in PROFILES for users in LOADS]
    logs = latencies(prior()[0], inputs(blank)) + drift
    return [replace(c, nttft=float(np.exp(a)), itl=float(np.exp(b))) for c, (a, b) in zip(blank, logs, strict=True)]


@pytest.fixture(scope="module")
def training():
    wobble = np.random.default_rng(3).normal(0, 0.05, 4)
    sizes = (3e9, 7e9, 11e9, 15e9)
    return [c for i, s in enumerate(sizes) for c in made(f"m{i}", s, flash=i % 2 == 0, drift=wobble[i])]


@pytest.fixture(scope="module")
def learnt(training):
    return learn(training, made("unseen", 8e9), TARGET)


def test_more_users_wait_longer_and_so_do_those_of_a_larger_model():
    cells = made("m", 7e9)
    larger = made("m", 14e9)
    for profile in PROFILES:
        waits = [c.nttft for c in cells if c.profile == profile]
        assert waits == sorted(waits)
    assert all(b.nttft > a.nttft for a, b in zip(cells, larger, strict=True))


def test_constants_that_made_the_cells_are_found_again(training):
    found = latencies(fit(training, TARGET), inputs(training))
    missed = against(TARGET, found) - against(TARGET, measured(training))
    assert np.abs(missed).mean() < 0.06


def test_far_from_the_limit_only_the_side_matters():
    near, far, farther = against(TARGET, np.log([[101.0, 51.0], [1e4, 1e3], [1e6, 1e5]]))
    assert (near > 0).all()
    assert np.allclose(far, farther, atol=0.01)


def test_the_belief_of_an_unseen_model_does_not_look_at_its_measurements(training, learnt):
    elsewhere = learn(training, [replace(c, nttft=9e3, itl=9e3) for c in made("unseen", 8e9)], TARGET)
    assert np.array_equal(elsewhere.unseen.mean, learnt.unseen.mean)
    assert np.array_equal(elsewhere.unseen.covariance, learnt.unseen.covariance)


def test_the_belief_is_near_what_is_true_and_says_how_near(learnt):
    missed = np.abs(learnt.unseen.mean - learnt.unseen.truth)
    assert missed.mean() < 0.1
    # Trees round what the physics knows exactly, so far from the limits a little is added.
    assert (missed < 4 * np.sqrt(np.diag(learnt.unseen.covariance)) + 0.05).all()


def test_a_measured_profile_is_known_and_the_others_are_surer(learnt):
    after = learnt.unseen.given("1 x A100")
    known = np.tile([c.profile == A100 for c in after.cells], 2)
    assert np.array_equal(after.mean[known], after.truth[known])
    assert not after.covariance[known].any()
    before = np.trace(learnt.unseen.covariance[np.ix_(~known, ~known)])
    assert np.trace(after.covariance[np.ix_(~known, ~known)]) < before


def test_the_same_measurements_give_the_same_recommendation(training, learnt):
    again = learn(training, made("unseen", 8e9), TARGET)
    assert choose_margin(again.others, TARGET) == choose_margin(learnt.others, TARGET)
    one, other = (recommend(draw(b.unseen, 1.0), TARGET, 1.0) for b in (learnt, again))
    assert one == other


def test_a_recommendation_serves_the_model_whose_physics_is_known(learnt):
    truth = made("unseen", 8e9)
    verdict = judge(recommend(draw(learnt.unseen, 1.0), TARGET, 0.5), truth, TARGET)
    assert verdict is not None
    assert verdict.overspend is not None


def test_whoever_measures_the_profile_it_recommends_does_not_fail(learnt):
    profile, given = recommend_measured(learnt.unseen, TARGET, Margin())
    assert given is not None
    verdict = judge(given, made("unseen", 8e9), TARGET)
    assert given.profile != profile or (verdict is not None and verdict.overspend is not None)


def test_a_cheaper_price_never_makes_the_recommendation_dearer(learnt):
    drawn = draw(learnt.unseen, 1.0)
    given = recommend(drawn, TARGET, 1.0)
    assert given is not None
    halved = replace(drawn, prices={name: price / 2 for name, price in drawn.prices.items()})
    assert recommend(halved, TARGET, 1.0) == given
    free = replace(drawn, prices={**drawn.prices, given.profile: drawn.prices[given.profile] / 10})
    chosen = recommend(free, TARGET, 1.0)
    assert chosen is not None
    assert chosen.profile == given.profile


def test_the_published_files_are_read_in_their_own_units(tmp_path):
    write(tmp_path)
    (cell,) = pilot_data.cells(tmp_path)
    assert cell.language == Language("llama-7b", 7e9, 32, 4096, True, False)
    assert (cell.profile.name, cell.profile.count, cell.profile.price) == ("2 x H100", 2, 24.58)
    assert cell.profile.flops == pytest.approx(989.5e12)  # dense, of 1979 with sparsity
    assert (cell.users, cell.nttft, cell.itl) == (64, 12.5, 30.0)
    assert pilot_data.published_scores(tmp_path) == {"LLM-Pilot": (0.8, 0.2, 0.8)}
    assert pilot_data.published_predictions(tmp_path) is None


def test_published_predictions_are_read_beside_what_was_measured(tmp_path):
    write(tmp_path)
    (tmp_path / "expected_predictions_LLM-Pilot.csv").write_text(
        ",model,gpu,num_users,median_nttft,median_itl,prediction_median_nttft,prediction_median_itl\n"
        "0,llama-7b,2 x H100,64,12.5,30.0,14.5,33.0\n"
    )
    ((truth, predicted),) = pilot_data.published_predictions(tmp_path)
    assert (truth.nttft, truth.itl, predicted.nttft, predicted.itl) == (12.5, 30.0, 14.5, 33.0)


@pytest.mark.parametrize(("predicted", "expected"), [(33.0, 1.0), (55.0, 0.0)])
def test_published_predictions_are_scored_by_the_pods_that_they_ask_for(tmp_path, predicted, expected):
    write(tmp_path)
    (tmp_path / "expected_predictions_LLM-Pilot.csv").write_text(
        ",model,gpu,num_users,median_nttft,median_itl,prediction_median_nttft,prediction_median_itl\n"
        f"0,llama-7b,2 x H100,64,12.5,30.0,14.5,{predicted}\n"
    )
    value, words = pilot.reproduced(tmp_path, TARGET)
    assert value == expected
    assert "published predictions of 1 models" in words


def test_without_the_predictions_the_page_says_that_only_the_last_step_was_checked(tmp_path):
    write(tmp_path)
    value, words = pilot.reproduced(tmp_path, TARGET)
    assert value == pytest.approx(0.8)
    assert "only the last step" in words


def write(folder):
    (folder / "llm_pilot_cells.csv").write_text(
        "cell,model,gpu,n_gpus,users,nttft_p50_ms_per_intok,itl_p50_ms\n0,llama-7b,H100,2,64,12.5,30.0\n"
    )
    (folder / "prices.csv").write_text("GPU,price\n2 x H100,24.58\n")
    (folder / "gpu_features.csv").write_text(
        ",gpu,gpu_tflops_cuda_mixed,gpu_tflops_tc_fp16,gpu_memory_capacity_gb,gpu_memory_bandwidth,gpu_n_gpus\n"
        "208,2 x H100,-1.0,1979.0,80,3350,2\n"
    )
    (folder / "llm_features.csv").write_text(
        "model,model_is_flash_attention,model_n_parameters,model_is_encoder_decoder,model_n_layers\n"
        "llama-7b,TRUE,7,FALSE,32\n"
    )
    (folder / "expected_recommendation_scores.csv").write_text(
        ",success_rate,overspend,so_score\nLLM-Pilot,80.0,20.0,0.8\n"
    )
