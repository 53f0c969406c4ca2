"""The placement benchmark's own parts: baselines and cases must be what they say."""

from pathlib import Path

import pytest

from e2e.bench.planner.placement_baselines import best_single, cheapest_per_token
from e2e.bench.planner.placement_cases import BOOKS, cut, silicon_case, silicon_points, trt_cases
from e2e.bench.planner.placement_fleet import fleet
from e2e.bench.planner.placement_quality import quality, report, scores
from inferfleet.placing.place import place
from inferfleet.placing.types import Demand, Option, Pool, Problem

TWO = Problem(
    (Demand("a", 150.0), Demand("b", 40.0)),
    (
        Option("small", "x", {"a": 60.0, "b": 60.0}, 1.0),
        Option("large", "y", {"a": 200.0, "b": 200.0}, 2.5),
    ),
    (Pool("x"), Pool("y")),
)


def test_the_naive_baseline_buys_whole_replicas_of_what_is_cheapest_per_token() -> None:
    assert cheapest_per_token(TWO) == pytest.approx(2.5)
    alone = Problem(TWO.demands[1:], TWO.options, TWO.pools)
    assert cheapest_per_token(alone) == pytest.approx(2.5)
    assert place(alone).objective == pytest.approx(1.0)


def test_the_naive_baseline_spills_and_gives_up_where_nothing_is_left() -> None:
    scarce = Problem(TWO.demands, TWO.options, (Pool("x", 1.0), Pool("y", 0.0)))
    assert cheapest_per_token(scarce) is None
    mixed = Problem(TWO.demands[:1], TWO.options, (Pool("x", 3.0), Pool("y", 0.0)))
    assert cheapest_per_token(mixed) == pytest.approx(3.0)


def test_the_best_single_type_is_the_cheapest_that_serves_all() -> None:
    assert best_single(TWO) == ("y", pytest.approx(2.5))
    assert best_single(Problem(TWO.demands, TWO.options, (Pool("x"), Pool("y", 0.0)))) == ("x", pytest.approx(4.0))


def test_a_cut_leaves_half_of_what_was_used_most() -> None:
    assert [pool.accelerators for pool in cut(TWO, place(TWO), 0.5).pools] == [1.0, 0.0]


def test_a_drawn_fleet_is_the_same_every_time() -> None:
    assert fleet(4, 5, seed=1) == fleet(4, 5, seed=1)
    assert fleet(4, 5, seed=1) != fleet(4, 5, seed=2)


def tables(data: Path) -> Path:
    """Folders with a few rows of the columns that are read."""
    rows = {
        "trtllm_perf_overview/max_throughput.csv": [
            "trtllm_version,model,gpu,weights_precision,tp,pp,isl,osl,total_output_tok_s",
            "0.14.0,Mixtral-8x22B,H200_SXM_141GB,fp8,8,1,128,128,4000",
            "0.14.0,Mixtral-8x22B,L40S,fp8,8,1,128,128,1200",
            "0.14.0,Mixtral-8x22B,L40S,fp8,8,1,2048,128,400",
            "1.0,Mixtral-8x22B,L40S,fp8,8,1,128,128,9999",
        ],
        "token_lengths/sharegpt-vicuna.csv": ["input_length,output_length", "100,120", "150,90", "1900,140"],
        "token_lengths/llama3-1-405b.csv": ["input_length,output_length", "3000,100"],
        "aiconfigurator/silicon_sample.csv": [
            "mode,system,model_path,isl,osl,backend,precision,tp_size,pp_size,attention_dp_size,moe_ep_size,"
            "silicon_data_source,silicon_ttft_ms,silicon_tpot_ms",
            *(
                f"agg,{system},m{k},1024,1024,vllm,fp8,4,0,0,,x; silicon_concurrency={count},{100 * count},{count}"
                for system in ("b200_sxm", "h200_sxm")
                for k in range(12)
                for count in (4, 8, 32)
            ),
        ],
    }
    for name, lines in rows.items():
        file = data / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")
    return data


def test_the_throughput_table_becomes_demands_by_length_and_options_by_hardware(tmp_path: Path) -> None:
    cases = {case.name: case.problem for case in trt_cases(tables(tmp_path))}
    problem = cases["Mixtral-8x22B chat mid AWS"]
    assert [(d.key, round(d.load, 3)) for d in problem.demands] == [
        ("128/128", round(8 * 128 * 2 / 3, 3)),
        ("2048/128", round(8 * 128 / 3, 3)),
    ]
    cheap = next(option for option in problem.options if option.pool == "L40S")
    assert dict(cheap.capacity) == {"128/128": 1200.0, "2048/128": 400.0}
    assert cheap.cost == pytest.approx(8 * BOOKS["AWS"]["L40S"])
    assert cheap.accelerators == 8.0


def test_a_silicon_option_is_the_largest_concurrency_within_the_target(tmp_path: Path) -> None:
    points = silicon_points(tables(tmp_path))
    assert len(points) == 12
    problem = silicon_case(points, 3).problem
    assert problem == silicon_case(points, 3).problem
    assert {option.accelerators for option in problem.options} == {4.0}
    speeds = {n * 1024 / (0.1 * n + 1024 * n / 1000) for n in (4, 8, 32)}
    assert all(any(abs(s - x) < 1e-9 for x in speeds) for o in problem.options for s in o.capacity.values())


def test_the_scores_of_small_tables_are_told_by_kind(tmp_path: Path) -> None:
    found = scores(tables(tmp_path), seeds=1)
    figures = quality(found)
    assert 1.0 <= figures["placement_cost_ratio_mean"] <= 1.006
    assert figures["placement_infeasible_percent"] == 0.0
    assert "| AWS mid " in report(found)
