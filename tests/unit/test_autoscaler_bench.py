"""The autoscaler benchmark's own parts: the bound must bound, schedules must be confirmed, losing cells must show."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e.bench.autoscaler import cells, jobs, ours, report
from e2e.bench.autoscaler.baselines.arms import Static, arms
from e2e.bench.autoscaler.cells import Cell
from e2e.bench.autoscaler.optimum.bound import (
    BIN,
    Load,
    bound,
    cheapest,
    limits,
    load,
    misses,
    prices,
    speed,
    supply,
)
from e2e.bench.autoscaler.optimum.schedule import Schedule, completed, floor, optimum
from e2e.bench.autoscaler.pictures import picture
from e2e.bench.autoscaler.traffic import scripted, traces
from e2e.bench.autoscaler.traffic.recorded import fresh
from inferfleet.sim.types import Limit, Seen, Trace


def small(rate: float = 6.0, seconds: float = 1200.0, **values: object) -> traces.Scenario:
    """Constant traffic on the anchor."""
    trace = scripted.drawn(scripted.steps((rate, seconds)), seconds, 1)
    return replace(traces.Scenario("constant", trace, seconds, start=4), **values)


def test_the_price_of_decode_alone_is_a_full_batch_at_the_target() -> None:
    engine = replace(traces.ANCHOR, chunk=4096)
    _, output = prices(engine, traces.SLO, 1.0, 1000.0)
    batch = (traces.SLO.itl - engine.base) / engine.per_sequence
    assert output == pytest.approx(traces.SLO.itl / batch, rel=0.02)


def test_a_prompt_token_costs_no_less_than_its_share_of_a_full_step_nor_more_than_alone() -> None:
    engine = traces.ANCHOR
    prompt, _ = prices(engine, traces.SLO, 1000.0, 200.0)
    assert 1 / engine.prefill_rate < prompt <= (engine.base + engine.chunk / engine.prefill_rate) / engine.chunk + 1e-9


def test_all_work_is_in_some_bin_and_every_request_is_counted_once() -> None:
    scenario = small()
    found = load(scenario)
    a, b = prices(traces.ANCHOR, traces.SLO, float(scenario.trace.input.mean()), float(scenario.trace.output.mean()))
    assert found.seconds.sum() == pytest.approx(float((a * scenario.trace.input + b * scenario.trace.output).sum()))
    assert found.requests.sum() == pytest.approx(len(scenario.trace))


def test_blocks_that_were_seen_before_cost_nothing() -> None:
    trace = Trace(np.array([0.0, 1.0]), np.array([1500, 1500]), np.array([1, 1]), ((1, 2), (1, 3)))
    assert list(fresh(trace)) == [1500, 988]


def test_what_does_not_fit_is_missed_the_dearest_first() -> None:
    demand = Load(np.array([[60.0, 30.0]]), np.array([[2.0, 10.0]]), 12)
    scenario = replace(small(), seconds=BIN)
    found = misses(demand, supply(scenario, 3, dollars=False), 0.0)
    assert list(found[0]) == pytest.approx([12.0, 2.0, 1.0, 0.0])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.floats(0.0, 9.0), min_size=4, max_size=4), min_size=1, max_size=4),
    st.floats(0.0, 5.0),
    st.integers(0, 3),
)
def test_the_dynamic_program_finds_what_trying_everything_finds(
    rows: list[list[float]], boot: float, start: int
) -> None:
    cost = np.array(rows)
    counts, value = cheapest(cost, boot, start, 0)

    def total(path: tuple[int, ...]) -> float:
        ups = sum(max(0, b - a) for a, b in zip((start, *path), path, strict=False))
        return float(sum(cost[t, n] for t, n in enumerate(path)) + boot * ups)

    best = min(total(path) for path in product(range(4), repeat=len(rows)))
    assert value == pytest.approx(best)
    assert total(tuple(counts)) == pytest.approx(best)


def test_no_schedule_that_meets_the_goal_in_a_simulation_is_below_the_bound() -> None:
    scenario = small()
    least = bound(scenario, load(scenario), 0.99).hours
    for replicas in (2, 3, 4):
        found = cells.play(scenario, Static(replicas, "near"), 10.0, start=replicas)
        if found.attainment(scenario.slo) >= 0.99:
            assert found.replica_hours >= least
    assert least > 0


def test_more_traffic_never_needs_less() -> None:
    found = [bound(one, load(one), 0.99).hours for one in (small(4.0), small(8.0), small(12.0))]
    assert found == sorted(found)


def test_the_optimum_is_a_simulated_schedule_that_meets_the_goal_between_the_bound_and_a_static_fleet() -> None:
    rate = scripted.steps((3.0, 1200.0), (12.0, 1200.0), (3.0, 1200.0))
    scenario = traces.Scenario("step", scripted.drawn(rate, 3600.0, 2), 3600.0, start=3)
    static = next(
        n
        for n in range(1, 20)
        if cells.play(scenario, Static(n, "near"), 10.0, start=n).attainment(scenario.slo) >= 0.98
    )
    found = optimum(scenario, 0.98, static, lambda world, controller: cells.play(world, controller, 10.0))
    assert found.result is not None
    assert found.result.attainment(scenario.slo) >= 0.98
    assert found.least <= found.result.replica_hours <= static


def test_a_schedule_creates_replicas_a_boot_time_before_they_are_needed() -> None:
    scenario = small()
    counts = np.array([1] * 20 + [3] * 20)
    schedule = Schedule(counts, scenario)
    wanted = [schedule.decide(Seen(BIN * i, (), (), 0))["near"] for i in range(40)]
    ahead = int(traces.POOL.boot / BIN)
    assert wanted == [1] * (20 - ahead) + [3] * (20 + ahead)


def test_a_limit_moves_work_to_the_next_pool_at_its_speed_and_price() -> None:
    scenario = small(pools=(traces.POOL, traces.FAR), events=(Limit(600.0, "near", 1),))
    assert limits(scenario, traces.POOL, 40)[19] == 64
    assert limits(scenario, traces.POOL, 40)[20] == 1
    found = supply(scenario, 3, dollars=True)
    assert found.cost[0, 2] == pytest.approx(8.0)
    assert found.cost[30, 2] == pytest.approx(10.5)
    assert found.work[30, 2] == pytest.approx(1.0 + speed(scenario, traces.FAR))


def test_the_table_of_misses_falls_with_replicas_and_knows_nothing_good_of_fewer() -> None:
    table = np.array([[np.nan, 9.0, 4.0, 5.0, np.nan]])
    assert list(completed(table)[0]) == [1e6, 9.0, 4.0, 4.0, 4.0]


def test_the_floor_bears_the_work_of_its_neighbours() -> None:
    scenario = small()
    demand = load(scenario)
    assert np.all(floor(scenario, demand) * BIN >= demand.seconds.sum(axis=1) - 1e-9)


def test_offline_requests_are_judged_by_their_deadline_alone() -> None:
    offline = Trace(np.array([5.0, 5.0]), np.array([3000, 3000]), np.array([900, 900]))
    chat = Trace(np.array([1.0]), np.array([100]), np.array([10]))
    scenario = small(trace=scripted.together(chat, offline), seconds=300.0, start=1, deadline=60.0)
    found = cells.play(scenario, Static(1, "near"), 10.0)
    assert cells.attainment(found, scenario) == 1.0
    late = replace(scenario, deadline=5.0)
    assert cells.cell(found, late, "x", 0.0, 0).on_time == 0.0
    assert cells.cell(found, late, "x", 0.0, 0).attainment == 1.0


def test_ours_is_told_the_deadline_and_the_lengths_of_requests_that_do_not_wait() -> None:
    scenario = traces.mixed(0).until(900.0)
    told = ours.ours(scenario).served[0].target
    assert told.deadline == 3600.0
    assert told.prompt_tokens < 800


def made(arm: str, attainment: float, hours: float, seed: int = 0) -> Cell:
    """A cell."""
    return Cell("t", arm, 0.0, seed, attainment, hours, 4 * hours, 1.0, 2.0, 0.9, 1.0, 0, 1.0)


def outcome(*found: Cell) -> report.Outcome:
    """Of a long trace whose smallest static fleet takes 10 h and whose optimum 4 h."""
    frame = jobs.Frame(0.999, 0.99, (made("static", 0.995, 10.0),))
    best = jobs.Best(3.0, 12.0, made("optimum", 0.99, 4.0))
    return report.Outcome("t", frame, jobs.named(found), best, long=True, held_out=False, several_pools=False)


def test_a_baseline_that_costs_less_at_no_less_attainment_is_said_to_beat_ours() -> None:
    found = outcome(made("ours", 0.992, 5.0), made("hpa*", 0.993, 4.5), made("kubeai", 0.95, 3.0))
    assert found.beaten_by == ("hpa*",)
    text = report.section(found)
    assert "HPA, concurrency, tuned" in text
    assert "beats ours" in text
    assert "misses the goal" in text


def test_ratios_are_over_the_confirmed_schedule_the_bound_and_the_static_fleet() -> None:
    found = report.figures([outcome(made("ours", 0.992, 5.0))])
    assert found["t_over_optimum"] == found["worst_over_optimum"] == 1.25
    assert found["worst_over_bound"] == pytest.approx(1.667)
    assert found["worst_over_static"] == 0.5
    assert found["worst_attainment_percent"] == 99.2


def test_a_promise_that_was_missed_is_said_to_be() -> None:
    text = report.promises({"worst_over_optimum": 1.2, "decide_100_models_ms": 40.0})
    assert "missed" in text
    assert "kept" in text
    assert "ramp_replicas" not in text


def test_the_mean_of_seeds_stands_with_the_least_and_the_most() -> None:
    cells_ = [made("ours", share, 5.0, seed) for seed, share in enumerate((0.99, 0.992, 0.994))]
    assert "99.20 (99.00 to 99.40)" in report.section(outcome(*cells_))


def test_every_arm_has_a_title_and_rising_levels() -> None:
    for name, arm in arms().items():
        assert report.titled(name) == arm.title
        assert report.titled(f"{name}*").startswith(arm.title)
        assert list(arm.grid) == sorted(arm.grid)


def test_the_largest_setting_that_reaches_the_goal_is_the_best_one() -> None:
    scenario = small(rate=8.0, seconds=900.0, start=8)
    level = jobs.best_level(arms()["hpa"], scenario, 0.98)
    assert level in arms()["hpa"].grid
    found = cells.play(scenario, arms()["hpa"].make(level, jobs.bounds(scenario), scenario.slo), 5.0)
    assert found.attainment(scenario.slo) >= 0.98


@given(st.integers(1, 60), st.integers(0, 80), st.integers(0, 5))
def test_the_smallest_fleet_is_found_whatever_the_guess(least: int, guess: int, minimum: int) -> None:
    assert jobs.smallest(lambda n: n >= least, guess, minimum, 64) == max(least, minimum)


def test_the_picture_is_well_formed_and_names_what_it_draws() -> None:
    trace = scripted.drawn(scripted.steps((2.0, 600.0)), 600.0, 0)
    text = picture("a < b", trace, 600.0, {"Inferfleet": [(0.0, 2), (300.0, 4)], "static": [(0.0, 3)]})
    root = ElementTree.fromstring(text)
    drawn = "".join(root.itertext())
    assert "replicas, Inferfleet" in drawn
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_what_is_not_in_the_folder_is_left_out_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from e2e.bench.autoscaler.__main__ import available  # not imported where only parts are tested

    names, absent = available(tmp_path, None, quick=False)
    assert "ramp" in names
    assert "azure_conv" not in names
    assert any("AzureLLMInferenceTrace_conv.csv is not in the folder" in sentence for sentence in absent)
    assert "its row is left out" in capsys.readouterr().err
