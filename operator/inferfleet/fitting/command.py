"""From a folder of measurements to the file of coefficients. Reads the folder."""

import csv
from pathlib import Path

from inferfleet.catalog.loader import Catalog
from inferfleet.fitting.caution import cautioned, chosen
from inferfleet.fitting.crossing import CALIBRATION, Fit, errors, limits, prepared
from inferfleet.fitting.power import drawn, fit_power
from inferfleet.performance.coefficients import Remembered, dump
from inferfleet.performance.silicon import Row, read_rows

SILICON = Path("aiconfigurator/silicon_sample.csv")
POWER = Path("splitwise_perf/perf_model.csv")
PROVENANCE = {
    "data": "silicon_sample.csv of ai-dynamo/aiconfigurator at commit 095f58a51c4ca8e61b66ec108d86f223f8d559ce "
    "(aggregated rows measured 2025-10-29 to 2026-03-31, without B300 and GB300)",
    "licence": "Apache-2.0, Copyright (c) 2025-2026 NVIDIA CORPORATION & AFFILIATES",
    "power": "perf_model.csv of Mutinifni/splitwise-sim at commit 8f99e7dc9b407f4ce2488d03dd44c0b8b946dab0 (MIT)",
    "date": "2026-11-22",
    "command": "inferfleet fit --data DIR --out operator/inferfleet/catalog",
}


def measured(folder: Path, catalog: Catalog) -> list[Row]:
    """Rows of the silicon sample; raises OSError, RowError."""
    with (folder / SILICON).open(newline="", encoding="utf-8") as file:
        return read_rows(csv.DictReader(file), catalog)


def coefficients_text(folder: Path, catalog: Catalog) -> str:
    """The file; the same data give the same bytes on one machine."""
    with (folder / POWER).open(newline="", encoding="utf-8") as file:
        power = fit_power(drawn(list(csv.DictReader(file)), catalog))
    fit = prepared(measured(folder, catalog))
    found = {split: errors(fit, split) for split in CALIBRATION}
    reach = limits(cautioned(found, fit.rows), fit.rows)
    return dump(remembered(fit), (fit.fitted.tpot, fit.fitted.ttft), chosen(found), reach, power, PROVENANCE)


def remembered(fit: Fit) -> Remembered:
    """The rows that the kernels compare with."""
    return Remembered(fit.found.shapes, tuple(row.load for row in fit.found.rows), fit.runs)
