"""The measurements that LLM-Pilot published (CDLA-Permissive-2.0), from a folder. Reads."""

import csv
from pathlib import Path
from typing import Final

from inferfleet.fitting.pilot import Cell, Language, Profile

_GB: Final = 1e9
_CELLS, _GPUS, _LLMS, _PRICES = "llm_pilot_cells.csv", "gpu_features.csv", "llm_features.csv", "prices.csv"
_PUBLISHED_SCORES, _PUBLISHED_PREDICTIONS = "expected_recommendation_scores.csv", "expected_predictions_LLM-Pilot.csv"
_SPARSE_CHIPS: Final = {"H100": 0.5}  # the table gives its FLOP/s with 2:4 sparsity, the others' dense

# KV heads x head dimension in each model's public configuration; the published table of features lacks it.
_KV_WIDTH: Final = {
    "google/flan-t5-xl": 2048,
    "google/flan-t5-xxl": 4096,
    "google/flan-ul2": 4096,
    "ibm/mpt-7b-instruct2": 4096,
    "bigscience/mt0-xxl": 4096,
    "Salesforce/codegen2-16B": 6144,
    "llama-7b": 4096,
    "llama-13b": 5120,
    "EleutherAI/gpt-neox-20b": 6144,
    "bigcode/starcoder": 128,  # one KV head for all
}


def cells(folder: Path) -> tuple[Cell, ...]:
    """Every measured cell, in order of language model, profile and users."""
    languages = {row["model"]: _language(row) for row in _rows(folder / _LLMS)}
    prices = {row["GPU"]: float(row["price"]) for row in _rows(folder / _PRICES)}
    profiles = {row["gpu"]: _profile(row, prices[row["gpu"]]) for row in _rows(folder / _GPUS)}
    found = [
        Cell(
            languages[row["model"]],
            profiles[f"{row['n_gpus']} x {row['gpu']}"],
            int(row["users"]),
            float(row["nttft_p50_ms_per_intok"]),
            float(row["itl_p50_ms"]),
        )
        for row in _rows(folder / _CELLS)
    ]
    return tuple(sorted(found, key=lambda c: (c.language.name, c.profile.name, c.users)))


def published_scores(folder: Path) -> dict[str, tuple[float, float, float]]:
    """By method: success rate, overspend (shares), and the S/O score, unrounded."""
    return {
        row[""]: (float(row["success_rate"]) / 100, float(row["overspend"]) / 100, float(row["so_score"]))
        for row in _rows(folder / _PUBLISHED_SCORES)
    }


def published_predictions(folder: Path) -> list[tuple[Cell, Cell]] | None:
    """What was measured, and what LLM-Pilot predicted of it, of every cell; none where the file is not handed out."""
    if not (folder / _PUBLISHED_PREDICTIONS).is_file():
        return None
    languages = {row["model"]: _language(row) for row in _rows(folder / _LLMS)}
    prices = {row["GPU"]: float(row["price"]) for row in _rows(folder / _PRICES)}
    profiles = {row["gpu"]: _profile(row, prices[row["gpu"]]) for row in _rows(folder / _GPUS)}
    pairs = []
    for row in _rows(folder / _PUBLISHED_PREDICTIONS):
        where = languages[row["model"]], profiles[row["gpu"]], int(row["num_users"])
        measured = Cell(*where, float(row["median_nttft"]), float(row["median_itl"]))
        predicted = Cell(*where, float(row["prediction_median_nttft"]), float(row["prediction_median_itl"]))
        pairs.append((measured, predicted))
    return pairs


def _language(row: dict[str, str]) -> Language:
    return Language(
        row["model"],
        float(row["model_n_parameters"]) * 1e9,
        int(row["model_n_layers"]),
        _KV_WIDTH[row["model"]],
        row["model_is_flash_attention"] == "TRUE",
        row["model_is_encoder_decoder"] == "TRUE",
    )


def _profile(row: dict[str, str], price: float) -> Profile:
    chip = row["gpu"].split(" x ")[1]
    flops = max(float(row["gpu_tflops_tc_fp16"]), float(row["gpu_tflops_cuda_mixed"])) * 1e12
    return Profile(
        row["gpu"],
        chip,
        int(row["gpu_n_gpus"]),
        float(row["gpu_memory_capacity_gb"]) * _GB,
        float(row["gpu_memory_bandwidth"]) * 1e9,
        flops * _SPARSE_CHIPS.get(chip, 1.0),
        price,
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
