"""The fit finds coefficients that made its data, and held-out predictions are those of a fit without the rows."""

from dataclasses import replace

import numpy as np
import pytest

from inferfleet.catalog.loader import load
from inferfleet.fitting.baselines import held_out_naive
from inferfleet.fitting.caution import cautioned, chosen
from inferfleet.fitting.crossing import CALIBRATION, Errors, coverage, errors, limits, prepared
from inferfleet.fitting.fit import Data, data, fit, predicted, shapes_of, unique
from inferfleet.fitting.held_out import processes, without
from inferfleet.fitting.power import Drawn, fit_power
from inferfleet.fitting.solve import Problem, solve
from inferfleet.fitting.splits import fold, held_out
from inferfleet.performance.model import similarity
from inferfleet.performance.power import Power, share
from inferfleet.performance.recall import recall, recalled
from inferfleet.performance.silicon import Row
from inferfleet.performance.targets import terms_of
from inferfleet.performance.types import Load, Parallelism, Setup

CATALOG = load()
SYSTEMS = ("nvidia-h100-80gb", "nvidia-h200-141gb", "nvidia-b200-180gb")
MODELS = ("llama-3.1-8b", "llama-3.1-70b", "qwen3-32b")


def rows() -> list[Row]:
    """Deployments that nobody measured: times are made up by `made`."""
    found = []
    for model in MODELS:
        for system in SYSTEMS:
            for ranks in (2, 4, 8):
                setup = Setup(
                    CATALOG.models[model],
                    CATALOG.quantizations["FP8"],
                    CATALOG.accelerators[system],
                    "vllm",
                    Parallelism(ranks),
                    1.0,
                )
                found += [
                    Row(f"{model} {system} {ranks} {n}", setup, Load(1024, 512, n), model, system, "FP8", "1", "",
                        0.1, 0.1, (model, system, str(ranks)))
                    for n in (4, 16, 64)
                ]  # fmt: skip
    return found


def made(given: list[Row], spread: float = 0.0) -> list[Row]:
    """TPOT is 1.5 times the sum of all ideal terms, TTFT twenty times that; `spread` differs by configuration."""
    shapes = shapes_of(given)
    d = data(given, shapes, np.ones(len(given)))
    ideal = np.asarray(sum(terms_of("tpot", d.table).values()))
    odd = np.array([np.exp(spread * np.sin(hash_of(row))) for row in given])
    return [replace(row, tpot=float(t), ttft=float(20 * t)) for row, t in zip(given, 1.5 * ideal * odd, strict=True)]


def hash_of(row: Row) -> float:
    return float(int(fold(*row.config))) + row.setup.parallelism.tensor


@pytest.fixture(scope="module")
def fitted_data() -> Data:
    return unique(made(rows(), 0.1))[0]


def test_known_coefficients_are_found_again() -> None:
    chance = np.random.default_rng(1)
    ideal, kinds = (
        chance.uniform(0.1, 1, (400, 3)),
        np.column_stack([np.ones(400), chance.integers(0, 2, 400).astype(float)]),
    )
    truth = np.array([[0.2, -0.3, 0.5], [0.0, 0.4, 0.0]])
    measured = np.log((ideal * np.exp(kinds @ truth)).sum(1))
    measured[:4] += 3  # outliers must not move it
    problem = Problem(ideal, kinds, measured, np.ones(400), np.zeros((2, 3)), np.full((2, 3), 1e-3))
    assert solve(problem) == pytest.approx(truth, abs=0.05)


def test_a_stiff_difference_between_kinds_stays_at_its_centre() -> None:
    chance = np.random.default_rng(2)
    ideal, kinds = chance.uniform(0.1, 1, (50, 2)), np.column_stack([np.ones(50), np.arange(50.0) % 2])
    stiff = np.array([[1e-3, 1e-3], [1e4, 1e4]])
    problem = Problem(ideal, kinds, np.log(ideal.sum(1)) + 0.3 * kinds[:, 1], np.ones(50), np.zeros((2, 2)), stiff)
    assert np.abs(solve(problem)[1]).max() < 1e-3


def test_the_physics_is_recovered_from_times_that_it_made() -> None:
    d = unique(made(rows()))[0]
    found = predicted(fit(d), d.table)
    assert np.abs(found.tpot / d.tpot - 1).max() < 0.05
    assert np.median(np.abs(found.tpot_physics / d.tpot - 1)) < 0.05


def test_two_fits_of_the_same_rows_are_the_same(fitted_data: Data) -> None:
    first, second = fit(fitted_data), fit(fitted_data)
    assert first.tpot.coefficients.tobytes() == second.tpot.coefficients.tobytes()
    assert first.ttft.weights.tobytes() == second.ttft.weights.tobytes()


def test_one_measurement_under_two_labels_is_one_row_with_a_count() -> None:
    given = made(rows())
    twice = [*given, *(replace(row, id=f"{row.id} again", model_path="other/name") for row in given[:5])]
    d, places = unique(twice)
    assert len(d.rows) == len(given)
    assert places[-5:] == places[:5]
    assert sorted(d.counts.tolist())[-5:] == [2.0] * 5


def test_the_correction_learns_what_physics_leaves(fitted_data: Data) -> None:
    found = predicted(fit(fitted_data), fitted_data.table)
    wrong = [np.abs(np.log(x / fitted_data.tpot)).mean() for x in (found.tpot, found.tpot_physics)]
    assert wrong[0] < wrong[1] / 2


def test_what_rows_recall_is_their_similarity_times_the_weights(fitted_data: Data) -> None:
    found = fit(fitted_data)
    t, seen = fitted_data.table, found.tpot_seen
    near = similarity(found.tpot.kernels, (seen.features, t.groups), (seen.features, t.groups))
    recalled_rows = recalled(recall(found.tpot, seen.features, t.groups), seen.features, t.groups)
    assert recalled_rows == pytest.approx(near @ found.tpot.weights, abs=1e-9)


def test_held_out_rows_do_not_know_their_own_measurement(fitted_data: Data) -> None:
    """Changing only the held-out rows' times changes nothing of their predictions but the shares of the first fit."""
    held = [i for i, row in enumerate(fitted_data.rows) if row.model_path == MODELS[0]]
    p = processes(fitted_data, fit(fitted_data))
    lied = replace(p, tpot=replace(p.tpot, measured=p.tpot.measured.copy()))
    lied.tpot.measured[held] *= 7
    assert without(lied, held)[0] == pytest.approx(without(p, held)[0], rel=1e-9)


def test_rows_without_times_are_refused() -> None:
    with pytest.raises(ValueError, match="silicon_ttft_ms or silicon_tpot_ms"):
        unique([replace(row, tpot=None) for row in rows()])


def test_folds_are_the_same_on_every_machine() -> None:
    assert [fold("a", "b"), fold("vllm", "llama"), fold("")] == ["8", "5", "0"]


def test_groups_of_a_split_are_disjoint_and_cover_all_rows() -> None:
    given = rows()
    for split in ("leave_cell", "leave_config", "leave_model", "leave_model_system", "leave_architecture"):
        places = [place for group in held_out(split, given).values() for place in group]
        assert sorted(places) == list(range(len(given)))


def test_intervals_cover_what_is_held_out() -> None:
    prepared_fit = prepared(made(rows(), 0.1))
    found = {split: errors(prepared_fit, split) for split in CALIBRATION}
    bounds_tpot, _ = limits(found, prepared_fit.rows)
    assert all(low <= 0 <= high for low, high, *_ in bounds_tpot.values())
    inside = coverage(found, prepared_fit.rows)
    assert all(0 <= percent <= 100 for pair in inside.values() for percent in pair)


def test_a_correction_that_only_misleads_far_away_is_not_trusted_there() -> None:
    chance = np.random.default_rng(5)
    physics, noise = chance.normal(0, 0.1, 300), chance.normal(0, 1, 300)
    far = Errors(tuple(range(300)), physics - noise, physics, physics, physics, ("NewModel",) * 300, np.zeros(300))
    tpot, ttft = chosen(dict.fromkeys(CALIBRATION, far))
    assert tpot["NewModel"][0] < 0.5
    assert ttft["NewModel"][1] <= 0
    assert "Run" not in tpot


def test_cautious_errors_are_those_of_the_other_networks_choice() -> None:
    prepared_fit = prepared(made(rows(), 0.1))
    found = {split: errors(prepared_fit, split) for split in CALIBRATION}
    after = cautioned(found, prepared_fit.rows)
    near = np.array(found["leave_cell"].regimes) == "Run"
    assert after["leave_cell"].tpot[near] == pytest.approx(found["leave_cell"].tpot[near])


def test_naive_predictors_predict_every_held_out_row(fitted_data: Data) -> None:
    groups = [[i for i, row in enumerate(fitted_data.rows) if row.system == system] for system in SYSTEMS]
    found = held_out_naive(fitted_data, groups)
    assert set(found) == {"roofline", "ridge", "ridge + process"}
    assert all(np.all(times > 0) for targets in found.values() for times in targets.values())


def test_the_power_that_made_the_data_is_found() -> None:
    chance = np.random.default_rng(3)
    arithmetic, memory = chance.uniform(0, 0.5, 200), chance.uniform(0, 0.6, 200)
    truth = Power(0.2, 0.8, 0.9, 0.7)
    found = fit_power(Drawn(arithmetic, memory, share(arithmetic, memory, truth)))
    assert share(arithmetic, memory, found) == pytest.approx(share(arithmetic, memory, truth), abs=0.01)
