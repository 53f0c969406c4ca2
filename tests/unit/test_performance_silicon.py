"""Rows of measured deployments become setups; what cannot be understood is told with line and column."""

import pytest

from inferfleet.catalog.loader import load
from inferfleet.performance.silicon import Row, RowError, read_possible, read_rows
from inferfleet.performance.types import Parallelism, Run

CATALOG = load()
RAW = {
    "id": "a",
    "silicon_data_source": "x.csv; silicon_concurrency=64; measured=2026-03-18T00:00:00Z",
    "backend": "vllm",
    "backend_version": "0.17.0",
    "model_path": "meta-llama/Llama-3.1-70B",
    "system": "h200_sxm",
    "precision": "fp8",
    "mode": "agg",
    "isl": "1024",
    "osl": "8192",
    "gemm_quant_mode": "fp8",
    "moe_quant_mode": "fp8",
    "batch_size": "64",
    "tp_size": "4",
    "pp_size": "1",
    "attention_dp_size": "1",
    "moe_tp_size": "4",
    "moe_ep_size": "1",
    "silicon_ttft_ms": "250.5",
    "silicon_tpot_ms": "12.25",
}


def read(**changed: str) -> Row:
    return read_rows([{**RAW, **changed}], CATALOG)[0]


def refused(**changed: str) -> str:
    with pytest.raises(RowError) as caught:
        read(**changed)
    return str(caught.value)


def test_a_row_is_a_setup_a_load_and_what_was_measured() -> None:
    row = read()
    assert (row.setup.model.name, row.setup.accelerator.name, row.setup.engine) == (
        "llama-3.1-70b",
        "nvidia-h200-141gb",
        "vllm",
    )
    assert (row.setup.quantization.name, row.setup.parallelism.tensor, row.setup.parallelism.accelerators) == (
        "FP8",
        4,
        4,
    )
    assert (row.load.input_tokens, row.load.output_tokens, row.load.concurrency) == (1024, 8192, 64)
    assert (row.ttft, row.tpot, row.measured) == (0.2505, 0.01225, "2026-03-18")


def test_disaggregated_rows_are_left_out() -> None:
    assert read_rows([{**RAW, "mode": "disagg"}], CATALOG) == []


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (("8", "1", "8", "1"), (8, 1, 1)),
        (("64", "1", "8", "8"), (8, 1, 8)),  # a product of tensor and expert ranks
        (("16", "1", "4", "4"), (4, 1, 4)),
        (("1", "64", "8", "8"), (1, 8, 8)),
        (("1", "8", "1", "8"), (1, 8, 8)),
        (("4", "4", "1", "16"), (4, 1, 4)),
        (("8", "", "2", "4"), (8, 1, 4)),
        (("2", "0", "0", "0"), (2, 1, 1)),
    ],
)
def test_sizes_of_all_sources_are_ranks_of_one_replica(sizes: tuple[str, ...], expected: tuple[int, int, int]) -> None:
    named = dict(zip(("tp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size"), sizes, strict=True))
    found = read(**named).setup.parallelism
    assert (found.tensor, found.data, found.expert) == expected


def test_concurrency_is_that_of_one_replica() -> None:
    assert read(attention_dp_size="", batch_size="16").load.concurrency == 16
    assert (
        read(attention_dp_size="4", tp_size="1", moe_ep_size="4", moe_tp_size="1", batch_size="16").load.concurrency
        == 64
    )
    assert read(silicon_data_source="", batch_size="7").load.concurrency == 7


def test_weights_of_gpt_oss_are_what_they_are_published_in() -> None:
    assert read(model_path="openai/gpt-oss-120b", precision="fp8").setup.quantization.name == "MXFP4"
    assert read(model_path="nvidia/DeepSeek-R1-NVFP4", precision="fp4").setup.quantization.name == "NVFP4"


def test_rows_that_must_guess_ahead_are_marked() -> None:
    fast = {"system": "b200_sxm", "model_path": "deepseek-ai/DeepSeek-R1", "backend": "trtllm"}
    assert read(**fast, backend_version="1.2.0rc6.post3").setup.speculation is not None
    assert read(**fast, backend_version="1.2.0rc6.post2").setup.speculation is None
    assert read(**{**fast, "system": "b300_sxm"}, backend_version="1.2.0rc6.post3").setup.speculation is not None


def test_days_and_sources_tell_measurements_apart() -> None:
    sweep = read(silicon_data_source="source_file=2026-04-06.csv; silicon_concurrency=64; measured=2026-03-18T00:00")
    assert sweep.run == Run("0.17.0", "2026-03-18", False)
    assert read(silicon_data_source="mine.csv", backend_version="0.12.0").run == Run("0.12.0", "2025-12-03", True)
    assert read(silicon_data_source="").run == Run("0.17.0", "", False)


def test_ranks_beyond_a_node_of_a_rack_are_workers_apart() -> None:
    rack = {"system": "gb200", "model_path": "deepseek-ai/DeepSeek-R1", "tp_size": "36", "moe_tp_size": "36"}
    assert read(**rack).setup.apart
    assert read(**rack).setup.parallelism == Parallelism(1, 1, 36, 36)
    assert not read(**{**rack, "tp_size": "8", "moe_tp_size": "8"}).setup.apart


def test_hardware_that_differs_from_its_entry_is_known() -> None:
    assert read(system="gb300").setup.accelerator.memory_bandwidth == 8e12
    assert read(system="mi355x").setup.accelerator.memory == 288e9


def test_a_row_that_cannot_be_read_does_not_keep_the_others() -> None:
    bad = {**RAW, "model_path": "acme/unheard-of"}
    rows, wrong = read_possible([RAW, bad, RAW, {**RAW, "isl": "x"}], CATALOG)
    assert len(rows) == 2
    assert [sentence[:7] for sentence in wrong] == ["line 3,", "line 5,"]


def test_what_is_wrong_is_told_with_line_and_column() -> None:
    assert refused(isl="many") == "line 2, isl: 'many' is not a whole number above 0"
    assert refused(system="tpu_v9").startswith("line 2, system: 'tpu_v9' is not one of a100_sxm")
    assert refused(model_path="acme/unheard-of").startswith("line 2, model_path: 'acme/unheard-of' is no model of the")
    assert refused(backend="triton").startswith("line 2, backend: 'triton' is not one of trtllm")
    assert refused(silicon_tpot_ms="-1") == "line 2, silicon_tpot_ms: '-1' is not a number of milliseconds above 0"


def test_the_line_of_the_file_is_named() -> None:
    with pytest.raises(RowError, match="line 3, osl"):
        read_rows([RAW, {**RAW, "osl": "0"}], CATALOG)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(RowError, match="line 1: no column tp_size"):
        read_rows([{key: value for key, value in RAW.items() if key != "tp_size"}], CATALOG)


def test_rows_to_predict_need_no_measurement() -> None:
    row = read(silicon_ttft_ms="", silicon_tpot_ms="")
    assert (row.ttft, row.tpot) == (None, None)
