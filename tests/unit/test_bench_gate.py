"""The gate of the simulator: how recorded runs are read, and how a simulation is judged beside them."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2e.bench.autoscaler.gate.model import Speed, Trajectory, habits
from e2e.bench.autoscaler.gate.model import replay as simulated
from e2e.bench.autoscaler.gate.runs import FOLDER, Recorded, read
from e2e.bench.autoscaler.gate.score import LIMITS, Score, figures_of, folds, section
from inferfleet.sim.types import Seen

START = 1_000_000.0
SPEED = Speed(base=0.0095, per_sequence=0.0001, prefill_rate=40_000, overhead=0.009)


def _bundle(requests: list[dict[str, Any]], ready: list[int], pods: dict[str, list[tuple[float, int]]]) -> Any:
    return {
        "meta": {"harness_start_epoch": START},
        "requests": requests,
        "replicas": [{"t": START + 16.0 * i, "ready": n} for i, n in enumerate(ready)],
        "pods": {
            name: {"series": [{"t": START + at, "run": run, "wait": 0} for at, run in looks]}
            for name, looks in pods.items()
        },
        "derived": {"capacity": {"pfx_hit": 0.2, "kv_tokens": 400_000, "block_size": 64}},
    }


def _request(at: float, **changes: Any) -> dict[str, Any]:
    return {"t_arr": START + at, "in_tok": 2000, "out_tok": 500, "ttft": 0.1, "itl_true": 15.0} | changes


def _write(folder: Path, name: str, bundle: Any) -> None:
    (folder / FOLDER).mkdir(exist_ok=True)
    (folder / FOLDER / f"{name}.bundle.json.gz").write_bytes(gzip.compress(json.dumps(bundle).encode()))


def test_pods_came_between_the_looks_that_saw_them_idle_and_busy(tmp_path: Path) -> None:
    pods = {"a": [(0.0, 0), (16.0, 5)], "b": [(35.0, 0), (45.0, 0), (61.0, 9)]}
    _write(tmp_path, "r", _bundle([_request(10.0)], [1, 1, 1, 1, 2, 2, 1], pods))
    (run,) = read(tmp_path)
    assert run.initial == 1
    assert run.ups.tolist() == [54.5], "counted ready between 48 and 64, busy between 45 and 61"
    assert run.downs.tolist() == [88.0]
    controller = Trajectory(run)
    wanted = [controller.decide(Seen(at, (), (), 0))["h100"] for at in (50.0, 54.5, 87.0, 88.0)]
    assert wanted == [1, 2, 2, 1]


def test_requests_are_sorted_and_one_without_a_token_has_no_time(tmp_path: Path) -> None:
    requests = [_request(20.0), _request(10.0, ttft=None, itl_true=None)]
    _write(tmp_path, "r", _bundle(requests, [1, 1], {"a": [(0.0, 0)]}))
    (run,) = read(tmp_path)
    assert run.at.tolist() == [10.0, 20.0]
    assert np.isnan(run.ttft[0])
    assert run.itl[1] == pytest.approx(0.015)
    assert figures_of(run.ttft, run.itl)["attainment"] == 0.5


def test_runs_without_requests_are_left_out_and_none_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no \*\.bundle\.json\.gz with requests"):
        read(tmp_path)
    _write(tmp_path, "dwell", _bundle([], [1], {}))
    with pytest.raises(FileNotFoundError):
        read(tmp_path)


def _recorded(seed: int) -> Recorded:
    """As if recorded: its latencies are those of a simulation with `SPEED`."""
    random = np.random.default_rng(seed)
    count = 960
    blank = Recorded(
        name=f"run-{seed}",
        at=np.sort(random.uniform(0, 240, count)),
        input=random.integers(2000, 2100, count),
        output=random.integers(480, 550, count),
        ttft=np.full(count, 0.08),
        itl=np.full(count, 0.015),
        ups=np.array([120.0]),
        downs=np.array([]),
        initial=1,
        hit=0.2,
        kv_tokens=400_000,
        block=64,
    )
    made = simulated(blank, SPEED, habits([blank]), seed)
    return replace(blank, ttft=made.ttft, itl=made.itl)


def test_a_run_that_is_simulated_as_it_was_made_differs_in_nothing() -> None:
    run = _recorded(1)
    again = simulated(run, SPEED, habits([replace(run, ttft=np.full(len(run.at), 0.08))]), 1)
    mine, theirs = figures_of(again.ttft, again.itl), figures_of(run.ttft, run.itl)
    assert Score(run.name, (), SPEED, mine, theirs).errors == dict.fromkeys(LIMITS, 0.0)


def test_a_slower_engine_shows_in_every_figure() -> None:
    run = _recorded(1)
    slow = replace(SPEED, base=0.012, prefill_rate=20_000)
    again = simulated(run, slow, habits([run]), 1)
    errors = Score("r", (), slow, figures_of(again.ttft, again.itl), figures_of(run.ttft, run.itl)).errors
    assert errors["itl_p50_percent"] > LIMITS["itl_p50_percent"]
    assert errors["ttft_p50_percent"] > LIMITS["ttft_p50_percent"]


def test_a_request_that_others_sent_late_is_sent_late() -> None:
    run = _recorded(2)
    pause = np.where(run.at < 100, run.at, run.at + 20)
    late = np.where((pause > 120) & (pause < 130), 3.0, 0.1)
    teacher = replace(run, at=pause, ttft=late)
    with_late = simulated(replace(run, at=pause), SPEED, habits([teacher]), 1)
    without = simulated(replace(run, at=pause), SPEED, habits([replace(teacher, ttft=np.full(len(late), 0.1))]), 1)
    inside = (pause > 120) & (pause < 128)
    assert with_late.ttft[inside].mean() > without.ttft[inside].mean() + 1.5


def test_no_run_is_judged_by_itself() -> None:
    runs = [replace(_recorded(1), name=name) for name in "abcd"]
    for one, teachers in folds(runs):
        assert len(teachers) == 2
        assert one.name not in {t.name for t in teachers}
    with pytest.raises(ValueError, match="two recorded runs"):
        folds(runs[:1])


def test_the_table_names_every_run_and_the_worst_difference() -> None:
    figures = {"attainment": 0.99, "itl_p50": 0.015, "itl_p99": 0.02, "ttft_p50": 0.1, "ttft_p95": 0.2}
    worse = {**figures, "attainment": 0.97, "ttft_p95": 0.25}
    text = section([Score("a_one", (), SPEED, figures, figures), Score("b_two", (), SPEED, worse, figures)])
    assert "| a_one | 0.990 / 0.990 (+0.0)" in text
    assert "0.250 / 0.200 (+25.0 %)" in text
    assert "2.0 (allowed 2)" in text
