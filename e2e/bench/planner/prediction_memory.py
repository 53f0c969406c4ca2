"""How many tokens of KV cache fit: the formula beside 76 capacities that DistServe measured. Reads one file."""

import csv
from pathlib import Path

import numpy as np

from inferfleet.catalog.loader import Catalog
from inferfleet.catalog.model_entries import ModelArchitecture
from inferfleet.performance.columns import columns, numbers_of
from inferfleet.performance.shape import shape_of
from inferfleet.performance.terms import capacity
from inferfleet.performance.types import Load, Parallelism, Setup

FILE = Path("distserve/max_num_tokens.csv")
SIZES = {"facebook/opt-13b": (40, 5120, 40), "facebook/opt-66b": (64, 9216, 72), "facebook/opt-175b": (96, 12288, 96)}
"""Layers, hidden size, heads (OPT, arXiv:2205.01068, table 1)."""
TOKENS = 10_000


def capacity_errors(data: Path, catalog: Catalog) -> list[float]:
    """Percent that the formula is above (positive) or below each measured capacity on A100 with 80 GB."""
    with (data / FILE).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    setups = [_setup(row, catalog) for row in rows]
    cols = columns(numbers_of([shape_of(setup) for setup in setups]), [Load(TOKENS, 1, 1)] * len(rows))
    fits = capacity(cols) * TOKENS
    return [100 * (float(a) / float(row["max_num_tokens"]) - 1) for a, row in zip(fits, rows, strict=True)]


def words(found: list[float]) -> str:
    """One sentence for the report."""
    size = np.abs(found)
    return (
        f"Tokens of KV cache that fit on A100 80 GB (DistServe, {len(found)} measured capacities of OPT 13B to 175B): "
        f"median error {np.median(size):.1f} %, mean {size.mean():.1f} %, largest {size.max():.1f} %."
    )


def _setup(row: dict[str, str], catalog: Catalog) -> Setup:
    return Setup(
        _model(row["model"]),
        catalog.quantizations["F16"],
        catalog.accelerators["nvidia-a100-80gb"],
        "vllm",
        Parallelism(int(row["tp"]), int(row["pp"])),
    )


def _model(name: str) -> ModelArchitecture:
    layers, hidden, heads = SIZES[name]
    return ModelArchitecture(
        name=name,
        layers=layers,
        hidden=hidden,
        feed_forward=4 * hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=128,
        vocabulary=50272,
        gated=False,
        tied_embeddings=True,
    )
