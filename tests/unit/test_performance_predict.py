"""Predictions with the coefficients that ship: intervals, envelope, what nothing was measured of."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from inferfleet.__main__ import main
from inferfleet.catalog.loader import load
from inferfleet.performance.coefficients import CoefficientsError, parse
from inferfleet.performance.load import coefficients
from inferfleet.performance.onsite import corrections
from inferfleet.performance.predict import predict, predict_many
from inferfleet.performance.types import Estimate, Load, Parallelism, Setup, Speculation

CATALOG = load()


def setup(
    model: str = "llama-3.1-70b", quantization: str = "FP8", where: str = "nvidia-h200-141gb", **more: object
) -> Setup:
    known = {"engine": "vllm", "parallelism": Parallelism(4), "kv_bytes_per_element": 1.0, **more}
    return Setup(CATALOG.models[model], CATALOG.quantizations[quantization], CATALOG.accelerators[where], **known)  # type: ignore[arg-type]


def of(asked: Setup, load: Load = Load(1024, 1024, 16)) -> Estimate:  # noqa: B008  frozen
    return predict(asked, load, coefficients())


def test_intervals_contain_the_prediction() -> None:
    for model, quantization in (
        ("llama-3.1-70b", "FP8"),
        ("deepseek-r1", "NVFP4"),
        ("qwen3-8b", "BF16"),
        ("glm-4.5", "FP8"),
    ):
        for where in ("nvidia-h100-80gb", "nvidia-b200-180gb", "nvidia-b300-288gb"):
            found = of(setup(model, quantization, where, parallelism=Parallelism(8)))
            for interval in (found.ttft, found.tpot, found.tokens_per_second):
                assert 0 < interval.low < interval.mid < interval.high


def test_a_measured_configuration_is_predicted_within_its_interval() -> None:
    """vLLM with Llama 3.1 70B in FP8 on four H200: 10.94 ms a token were measured at 16 requests of 1024 + 1024."""
    found = of(setup())
    assert found.regime == "Configuration"
    assert found.abstained is None
    assert found.tpot.low < 0.01094 < found.tpot.high
    assert found.tpot.mid == pytest.approx(0.01094, rel=0.1)


def test_farther_from_measurements_intervals_are_wider() -> None:
    def width(found: Estimate) -> float:
        return found.tpot.high / found.tpot.low

    near, far = of(setup()), of(setup("qwen2.5-32b"))
    assert (near.regime, far.regime) == ("Configuration", "NewModel")
    assert width(near) < width(far)


def test_prediction_is_the_same_alone_and_among_others() -> None:
    setups = [
        setup(),
        setup("qwen3-32b"),
        setup("flux.1-dev", "BF16"),
        setup("deepseek-v3", parallelism=Parallelism(8)),
    ]
    loads = [Load(1024, 1024, n) for n in (1, 8, 1, 64)]
    together = predict_many(setups, loads, coefficients())
    for asked, asked_load, found in zip(setups, loads, together, strict=True):
        alone = predict(asked, asked_load, coefficients())
        assert found.ttft.mid == pytest.approx(alone.ttft.mid, rel=1e-9)
        assert (found.regime, found.abstained) == (alone.regime, alone.abstained)


def test_nothing_asked_is_nothing_answered() -> None:
    assert predict_many([], [], coefficients()) == []


@pytest.mark.parametrize(
    ("asked", "load", "words"),
    [
        (setup(engine="lmdeploy"), Load(1024, 1024, 8), "no measurement of lmdeploy"),
        (setup(quantization="INT8"), Load(1024, 1024, 8), "no measurement with INT8 weights"),
        (setup(), Load(200_000, 1024, 1), "input tokens: measured were 128 to"),
        (setup(where="nvidia-l4", parallelism=Parallelism(8)), Load(1024, 1024, 1), "bytes of memory a second"),
    ],
)
def test_outside_of_what_was_measured_it_abstains_and_says_why(asked: Setup, load: Load, words: str) -> None:
    found = of(asked, load)
    assert found.abstained is not None
    assert words in found.abstained
    assert found.regime == "Outside"
    assert found.tpot.high / found.tpot.low == pytest.approx(9)


def test_more_requests_make_more_tokens_and_slower_ones() -> None:
    few, many = of(setup(), Load(1024, 1024, 4)), of(setup(), Load(1024, 1024, 64))
    assert many.tpot.mid > few.tpot.mid
    assert many.tokens_per_second.mid > few.tokens_per_second.mid


def test_a_prefix_found_in_the_cache_shortens_the_first_token() -> None:
    cold, warm = (of(setup(), Load(8192, 512, 16, prefix_hit=hit)) for hit in (0.0, 0.9))
    assert warm.ttft.mid < cold.ttft.mid
    assert warm.tpot.mid < cold.tpot.mid


def test_guessing_ahead_shortens_tokens_of_few_requests() -> None:
    plain = of(setup(), Load(1024, 1024, 1))
    ahead = of(setup(speculation=Speculation("eagle", 3, 0.7)), Load(1024, 1024, 1))
    assert ahead.tpot.mid < 0.8 * plain.tpot.mid


def test_power_is_between_idle_and_the_design_power() -> None:
    found = of(setup())
    assert found.watts is not None
    assert 0.1 * 4 * 700 < found.watts < 4 * 700
    assert of(setup(where="nvidia-h200-141gb", parallelism=Parallelism(8))).watts != found.watts


def test_on_cpus_the_catalogs_measured_speed_is_the_prediction() -> None:
    model, where = CATALOG.models["tinyllama-1.1b"], CATALOG.accelerators["cpu-x86-avx2"]
    asked = Setup(model, CATALOG.quantizations["Q8_0"], where, "llama-cpp", cores=2.0)
    found = of(asked, Load(256, 64, 1))
    read = model.block_parameters * CATALOG.quantizations["Q8_0"].bytes_per_weight + model.kv_bytes(288)
    assert found.tpot.mid == pytest.approx(read / (2 * 13.0e9))
    assert found.abstained is None


def test_more_cores_are_faster_on_cpus() -> None:
    def tpot(cores: float) -> float:
        where = CATALOG.accelerators["cpu-x86-avx2"]
        asked = Setup(CATALOG.models["qwen3-0.6b"], CATALOG.quantizations["Q4_0"], where, "llama-cpp", cores=cores)
        return of(asked, Load(256, 64, 2)).tpot.mid

    assert tpot(4) == pytest.approx(tpot(2) / 2)


def test_pictures_take_steps_times_pixels() -> None:
    asked = setup("flux.1-dev", "BF16", parallelism=Parallelism())
    small, large, more = (
        of(asked, Load(0, 0, 1, steps=steps, pixels=pixels)).ttft.mid
        for steps, pixels in ((20, 512 * 512), (20, 1024 * 1024), (40, 1024 * 1024))
    )
    assert large == pytest.approx(4 * small)
    assert more == pytest.approx(2 * large)
    assert of(asked, Load(0, 0, 1)).abstained is not None


def test_throughput_counts_pictures_and_of_what_has_a_text_its_tokens() -> None:
    asked = setup("flux.1-dev", "BF16", parallelism=Parallelism())
    picture, told = (of(asked, Load(0, tokens, 1, steps=20, pixels=512 * 512)) for tokens in (1, 100))
    assert picture.tokens_per_second.mid == pytest.approx(1 / picture.ttft.mid)
    assert told.tokens_per_second.mid == pytest.approx(100 * picture.tokens_per_second.mid)


def test_embeddings_answer_once_and_count_prompt_tokens() -> None:
    found = of(setup("bge-m3", "BF16", parallelism=Parallelism()), Load(512, 0, 8))
    assert found.tpot.mid == 0
    assert found.tokens_per_second.mid == pytest.approx(8 * 512 / found.ttft.mid)


def test_measurements_on_site_correct_other_loads_less_the_farther_they_are() -> None:
    c = coefficients()
    near, far = corrections(c.tpot, [(Load(1024, 1024, 16), 1.3)], [Load(1024, 1024, 16), Load(15_000, 128, 512)])
    assert 1 < far < near < 1.3 + 1e-9
    assert corrections(c.tpot, [], [Load(1, 1, 1)]).tolist() == [1.0]


def test_a_damaged_or_foreign_file_is_told_in_words() -> None:
    with pytest.raises(CoefficientsError, match="cannot be read"):
        parse("{")
    with pytest.raises(CoefficientsError, match="format 99"):
        parse('{"format": 99}')


def test_what_ships_says_where_it_comes_from() -> None:
    where = coefficients().provenance
    assert "095f58a51c4ca8e61b66ec108d86f223f8d559ce" in where["data"]
    assert where["licence"].startswith("Apache-2.0")
    assert where["command"].startswith("inferfleet fit --data")


HEAD = "id,silicon_data_source,backend,backend_version,model_path,system,precision,mode,isl,osl,batch_size,tp_size"
LINE = (
    "x1,source_file=2026-04-06.csv; silicon_concurrency=16,vllm,0.17.0,meta-llama/Llama-3.1-70B,"
    "h200_sxm,fp8,agg,1024,1024,16,4"
)


def test_the_command_line_predicts_rows_of_a_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"{HEAD}\n{LINE}\n")
    assert main(["predict", "--csv", str(file)]) == 0
    row = next(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    found = of(setup())
    assert row["id"] == "x1"
    assert float(row["tpot_ms"]) == pytest.approx(1000 * found.tpot.mid, rel=1e-4)
    assert float(row["ttft_low_ms"]) < float(row["ttft_ms"]) < float(row["ttft_high_ms"])
    assert (row["regime"], row["abstained"]) == ("Configuration", "")


def test_the_command_line_names_the_line_it_cannot_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"{HEAD}\n{LINE.replace('1024', 'long')}\n")
    assert main(["predict", "--csv", str(file)]) == 2
    assert "line 2, isl: 'long' is not a whole number above 0" in capsys.readouterr().err


def test_equal_numbers_under_other_names_are_the_same_architecture() -> None:
    other = replace(setup("deepseek-v3", parallelism=Parallelism(8)), model=CATALOG.models["deepseek-r1"])
    assert of(other).tpot == of(setup("deepseek-v3", parallelism=Parallelism(8))).tpot
