"""The catalog as tables for people. Pure.

Units are in the headings. A dash is a number that the entry does not have; n/p was not published by the vendor, n/f
looked for in vain, n/v not verified, n/a makes no sense there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from inferfleet.api.figures import figures
from inferfleet.catalog.engine_entries import EngineEntry
from inferfleet.catalog.entry import Entry, Value
from inferfleet.catalog.hardware_entries import Accelerator
from inferfleet.catalog.model_entries import ModelArchitecture
from inferfleet.catalog.quantization_entries import Quantization
from inferfleet.catalog.workload_entries import WorkloadPreset

SHORT: Mapping[str, str] = {"NotPublished": "n/p", "NotFound": "n/f", "NotVerified": "n/v", "NotApplicable": "n/a"}
LEGEND = "-: not stated, n/p: not published, n/f: not found, n/v: not verified, n/a: not applicable"

Row = tuple[str, ...]


def table(kind: str, entries: Iterable[Entry]) -> str:
    """Aligned columns under headings; `kind` is a name of `loader.FILES`."""
    headings, row = _TABLES[kind]
    rows = [headings, *(row(entry) for entry in entries)]
    legend = [LEGEND] if any(cell in SHORT.values() for cells in rows for cell in cells) else []
    return "\n".join([*aligned(rows), *legend])


def aligned(rows: Sequence[Row]) -> list[str]:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def scaled(value: Value | None, unit: float) -> str:
    """Three significant digits of a number in units, or why there is none."""
    if value is None:
        return "-"
    return SHORT[value] if isinstance(value, str) else figures(value / unit)


def _accelerator(a: Accelerator) -> Row:
    operations = [scaled(a.operations.get(kind), 1e12) for kind in ("BF16", "FP8", "INT8", "FP4")]
    speeds = (scaled(a.memory, 1e9), scaled(a.memory_bandwidth, 1e9), *operations)
    return (a.name, a.kind, a.tier, *speeds, scaled(a.tdp_watts, 1), scaled(a.on_demand_price, 1))


def _engine(e: EngineEntry) -> Row:
    platforms = ", ".join(dict.fromkeys(platform.name for platform in e.platforms))
    return e.name, e.tier, "yes" if e.bundled else "no", ", ".join(e.modalities), platforms


def _quantization(q: Quantization) -> Row:
    bits, size = figures(q.bytes_per_weight * 8), figures(q.bytes_per_weight, 4)
    return q.name, q.family or "-", bits, size, q.compute_type or "-", ", ".join(q.containers)


def _model(m: ModelArchitecture) -> Row:
    parameters = [figures(value / 1e9) for value in (m.parameters, m.active_parameters)]
    cache = "-" if m.media or not m.kv_values_per_token else figures(m.kv_bytes_per_token() / 1024)
    return m.name, m.modality, *parameters, m.attention_kind or "-", cache, str(m.context_tokens or "-")


def _workload(w: WorkloadPreset) -> Row:
    traffic: Any = w.spec.traffic
    lengths = [str(tokens.p50) if tokens else "-" for tokens in (traffic.input_tokens, traffic.output_tokens)]
    both = " / ".join(lengths) if set(lengths) != {"-"} else "-"
    return w.name, w.spec.modality, both, w.spec.objective, str(w.spec.priority), w.title


_TABLES: Mapping[str, tuple[Row, Callable[[Any], Row]]] = {
    "hardware": (
        ("NAME", "KIND", "TIER", "GB", "GB/s", "BF16 TFLOP/s", "FP8", "INT8", "FP4", "W", "USD/h"),
        _accelerator,
    ),
    "engines": (("NAME", "TIER", "BUNDLED", "MODALITIES", "PLATFORMS"), _engine),
    "quantizations": (("NAME", "FAMILY", "BITS/WEIGHT", "BYTES/WEIGHT", "ARITHMETIC", "CONTAINERS"), _quantization),
    "models": (
        ("NAME", "MODALITY", "BILLION WEIGHTS", "ACTIVE", "ATTENTION", "KV KiB/TOKEN (BF16)", "CONTEXT"),
        _model,
    ),
    "workloads": (("NAME", "MODALITY", "TOKENS IN / OUT (p50)", "OBJECTIVE", "PRIORITY", "TITLE"), _workload),
}
