"""The autoscaler benchmark's traces must have the rates, the variation and the lengths of what they stand for."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.bench.autoscaler.traffic import recorded, scripted, servegen, traces
from inferfleet.sim.types import Trace

DAYS = 8
LENGTHS = "client,window_start_s,field,mean,std,p1,p5,p10,p25,p50,p75,p90,p95,p99,max"
QUANTILES = "100,100,100,100,100,100,100,100,200,400"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two clients over eight days: one steady with known lengths, one bursty (cv 3) without; a gap of an hour."""
    folder = tmp_path / "servegen"
    folder.mkdir()
    rows = ["client,window_start_s,rate_rps,cv,dist,param1,param2"]
    for window in range(int(DAYS * servegen.DAY / servegen.WINDOW)):
        if 300 <= window < 306:
            continue
        rows += [
            f"0,{window * 600},{60 if window % 144 < 72 else 20},1.0,Gamma,1,1",
            f"1,{window * 600},20,3.0,Gamma,1,1",
        ]
    lengths = [LENGTHS, f"0,0,input_tokens,100,1,{QUANTILES}", f"0,0,output_tokens,100,1,{QUANTILES}"]
    lengths += [f"7,0,input_tokens,9,1,{QUANTILES}"]
    for name, text in (("trace", rows), ("lengths", lengths)):
        with gzip.open(folder / f"language_m-x_{name}.csv.gz", "wt") as file:
            file.write("\n".join(text) + "\n")
    return tmp_path


def test_a_day_is_thinned_to_the_rate_and_keeps_its_hours(data: Path) -> None:
    found = servegen.load(data, "m-x")
    trace = servegen.sample(found, 0.0, servegen.DAY, seed=1)
    hours = np.histogram(trace.at, bins=np.arange(0.0, servegen.DAY + 1, 3600.0))[0] / 3600.0
    assert len(trace) / servegen.DAY == pytest.approx(10.0, rel=0.03)
    assert hours[3] / hours[18] == pytest.approx(2.0, rel=0.1)


def test_minutes_vary_as_the_clients_cv_says_and_not_as_much_as_a_poisson_process_alone(data: Path) -> None:
    found = servegen.load(data, "m-x")
    steady = servegen.sample(found, 0.0, servegen.DAY / 2, seed=2).at
    counts = np.histogram(steady, bins=np.arange(1200.0, servegen.DAY / 2 - 1200.0, 60.0))[0]
    dispersion = (60 * 1.0 + 20 * 9.0) / 80
    rate = float(counts.mean())
    reference = rate * servegen.REFERENCE_RATE / 10.0
    expected = rate + rate**2 * (dispersion - 1) / reference
    assert counts.var() == pytest.approx(expected, rel=0.15)
    assert counts.var() > 1.1 * rate


def test_equal_seeds_draw_equal_requests_and_others_do_not(data: Path) -> None:
    found = servegen.load(data, "m-x")
    one, same, other = (servegen.sample(found, 0.0, 7200.0, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.at, same.at)
    assert np.array_equal(one.input, same.input)
    assert not np.array_equal(one.at[:100], other.at[:100])


def test_a_gap_of_the_record_is_interpolated_and_beyond_its_end_nothing_is_made_up(data: Path) -> None:
    found = servegen.load(data, "m-x")
    assert found.rate[302] == pytest.approx(found.rate[299])
    with pytest.raises(ValueError, match="of a record of 0 to"):
        servegen.sample(found, 0.0, found.end + 1, seed=0)


def test_a_client_needs_both_lengths_to_lend_its_own(data: Path) -> None:
    found = servegen.load(data, "m-x")
    assert set(found.lengths) == {0}
    assert set(servegen.sample(found, 0.0, 3600.0, seed=5).input) <= set(range(100, 401))


def test_a_model_that_is_not_there_is_said_to_be_absent_with_the_names_that_were_looked_for(data: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no servegen/\*_m-y_trace.csv.gz"):
        servegen.load(data, "m-y")


def test_the_day_after_the_first_week_is_scored_where_it_is_there(data: Path) -> None:
    found = servegen.load(data, "m-x")
    assert traces.scored_day(found) == (7 * servegen.DAY, True)
    made = traces.day(data, "m-x", 0)
    assert made.held_out
    assert made.long


@given(st.lists(st.floats(0.0, 1.0), min_size=1))
def test_lengths_keep_within_their_quantiles_and_rise_with_the_level(levels: list[float]) -> None:
    curve = np.array([3.0, 5, 8, 13, 21, 34, 55, 89, 144, 10_000])
    drawn = servegen.draw(curve, np.sort(np.array(levels)))
    assert drawn.min() >= 3
    assert drawn.max() <= 10_000
    assert np.all(np.diff(drawn) >= 0)


def test_copies_of_a_trace_move_by_half_a_second_at_most_and_keep_its_lengths() -> None:
    trace = Trace(np.array([0.0, 10.0, 20.0]), np.array([5, 6, 7]), np.array([1, 2, 3]))
    twice = recorded.replicated(trace, 2, seed=0)
    assert sorted(twice.input) == [5, 5, 6, 6, 7, 7]
    assert np.all(np.diff(twice.at) >= 0)
    assert np.abs(twice.at - np.repeat(trace.at, 2)).max() <= recorded.JITTER
    assert [list(twice.output[twice.input == i]) for i in (5, 6, 7)] == [[1, 1], [2, 2], [3, 3]]


def test_azures_log_is_read_with_a_blank_last_line(tmp_path: Path) -> None:
    file = tmp_path / "conv.csv"
    file.write_bytes(
        b"TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n"
        b"2023-11-16 18:15:50.6805900,396,109\r\n\r\n"
    )
    trace = recorded.azure(file, 1, seed=0)
    assert list(trace.at) == [0.0, 4.0]
    assert list(trace.input) == [374, 396]
    assert list(trace.output) == [44, 109]


def test_mooncakes_log_keeps_prefixes(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    rows = [{"timestamp": at, "input_length": 600, "output_length": 6, "hash_ids": [0, at]} for at in (3000, 1000)]
    file.write_text("\n".join(map(json.dumps, rows)))
    trace = recorded.mooncake(file)
    assert list(trace.at) == [1.0, 3.0]
    assert trace.prefix == ((0, 1000), (0, 3000))


def test_the_staged_ramp_is_the_published_one() -> None:
    made = traces.ramp(0)
    assert len(made.trace) == 12_480
    assert made.trace.input.mean() == pytest.approx(4000, rel=0.01)
    assert made.trace.output.min() >= 900
    assert made.trace.at[-1] < 2430
    assert np.sum(made.trace.at < 330) == 660


def test_stages_follow_one_another_and_end() -> None:
    rate = scripted.steps((1.0, 10.0), (3.0, 5.0))
    assert list(rate(np.array([0.0, 9.9, 10.0, 14.9, 15.0]))) == [1.0, 1.0, 3.0, 3.0, 0.0]


def test_the_first_part_of_a_scenario_ends_where_it_says() -> None:
    part = traces.constant(0).until(600.0)
    assert part.seconds == 600.0
    assert part.trace.at[-1] < 600.0
    assert len(part.trace) == pytest.approx(6000, rel=0.1)


def test_offline_requests_come_at_once_and_are_named() -> None:
    made = traces.mixed(0)
    assert made.trace.class_ is not None
    offline = made.trace.at[made.trace.class_ == made.trace.classes.index("batch")]
    assert np.all(offline % 3600 < 10.0)
    assert len(offline) / 5 == pytest.approx(1500, rel=0.1)
