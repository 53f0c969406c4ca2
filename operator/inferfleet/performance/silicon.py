"""Rows of measured deployments, as the silicon sample of aiconfigurator writes them: to setups and loads. Pure.

Its columns tp_size, attention_dp_size, moe_tp_size and moe_ep_size come from several sources that count differently;
`_parallelism` says how they are read. Errors name the line and the column.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from inferfleet.catalog.hardware_entries import Accelerator
from inferfleet.catalog.loader import Catalog
from inferfleet.catalog.model_entries import ModelArchitecture
from inferfleet.performance.shape import shape_of
from inferfleet.performance.silicon_names import (
    ENGINES,
    GUESSED,
    NODE,
    RACKS,
    RELEASED,
    SWEEP,
    SYSTEMS,
    accelerator_of,
    guesses,
    model_of,
    name_of,
)
from inferfleet.performance.types import Load, Parallelism, Run, Setup

COLUMNS = ("backend", "model_path", "system", "precision", "mode", "isl", "osl", "batch_size", "tp_size")
"""Without which a row cannot be understood."""
LABEL = (
    "backend",
    "model_path",
    "system",
    "precision",
    "tp_size",
    "pp_size",
    "attention_dp_size",
    "moe_tp_size",
    "moe_ep_size",
)


class RowError(ValueError):
    """A row that cannot be understood: line, column and what was wrong."""


@dataclass(frozen=True)
class Row:
    """One deployment and, where it was measured, how fast it was. Milliseconds became seconds."""

    id: str
    setup: Setup
    load: Load
    model_path: str
    system: str
    precision: str
    version: str
    measured: str
    """Day of the measurement, ISO 8601; empty: not known."""
    ttft: float | None
    tpot: float | None
    label: tuple[str, ...] = ()
    """Backend, model, system, precision and sizes as the row gives them: what the sample calls a configuration."""
    brief: bool = False
    """Whether the load was not the closed loop that most measurements are, as far as the source tells."""

    @property
    def config(self) -> tuple[str, ...]:
        """Backend, model, system, precision and parallelism: what is deployed."""
        spread = self.setup.parallelism
        sizes = (spread.tensor, spread.pipeline, spread.data, spread.expert)
        return (self.setup.engine, self.model_path, self.system, self.precision, *map(str, sizes))

    @property
    def run(self) -> Run:
        """What tells apart measurements of one configuration."""
        return Run(self.version, self.measured or RELEASED.get(self.version, ""), self.brief)

    @property
    def cell(self) -> tuple[str, ...]:
        """A configuration under one load."""
        load = self.load
        return (*self.config, str(load.input_tokens), str(load.output_tokens), str(load.concurrency))


def read_rows(lines: Iterable[Mapping[str, str]], catalog: Catalog) -> list[Row]:
    """Aggregated deployments of the sample; disaggregated ones (`mode` disagg) are left out.

    Raises RowError on the first that cannot be understood.
    """
    found = []
    for row in _each(lines, catalog):
        if isinstance(row, RowError):
            raise row
        found.append(row)
    return found


def read_possible(lines: Iterable[Mapping[str, str]], catalog: Catalog) -> tuple[list[Row], list[str]]:
    """Those that can be predicted, and why the others cannot; raises RowError where a column is missing."""
    found, wrong = [], []
    for row in _each(lines, catalog):
        if isinstance(row, Row):
            found.append(row)
        else:
            wrong.append(str(row))
    return found, wrong


def _each(lines: Iterable[Mapping[str, str]], catalog: Catalog) -> Iterator[Row | RowError]:
    for number, raw in enumerate(lines, 2):
        if number == 2 and (missing := [name for name in COLUMNS if name not in raw]):
            raise RowError(f"line 1: no column {', '.join(missing)}: needed are {', '.join(COLUMNS)}")
        if raw["mode"] in ("agg", ""):
            yield _possible(number, raw, catalog)


def _possible(line: int, raw: Mapping[str, str], catalog: Catalog) -> Row | RowError:
    try:
        row = _row(line, raw, catalog)
        shape_of(row.setup)
    except RowError as error:
        return error
    except ValueError as error:
        return RowError(f"line {line}: {error}")
    return row


def _row(line: int, raw: Mapping[str, str], catalog: Catalog) -> Row:
    model = _model(line, raw["model_path"], catalog)
    accelerator = _accelerator(line, raw["system"], catalog)
    if raw["backend"] not in ENGINES:
        raise RowError(f"line {line}, backend: {raw['backend']!r} is not one of {', '.join(ENGINES)}")
    precision = _precision(raw, model)
    source = raw.get("silicon_data_source", "")
    version = raw.get("backend_version", "")
    day = _first(r"measured=(\d{4}-\d\d-\d\d)", source)
    setup = Setup(
        model=model,
        quantization=catalog.quantizations[precision],
        accelerator=accelerator,
        engine=ENGINES[raw["backend"]],
        parallelism=_parallelism(line, raw),
        kv_bytes_per_element=_kv_bytes(precision),
        speculation=GUESSED if guesses(raw["backend"], raw["model_path"], version, day) else None,
        apart=_apart(raw),
    )
    return Row(
        id=raw.get("id", str(line)),
        setup=setup,
        load=Load(_integer(line, raw, "isl"), _integer(line, raw, "osl"), _concurrency(line, raw, source)),
        model_path=raw["model_path"],
        system=raw["system"],
        precision=precision,
        version=version,
        measured=day,
        ttft=_measured(line, raw, "silicon_ttft_ms"),
        tpot=_measured(line, raw, "silicon_tpot_ms"),
        brief=not SWEEP.match(source),
        label=tuple(raw.get(name, "") for name in LABEL),
    )


def _apart(raw: Mapping[str, str]) -> bool:
    """Racks that are said to split attention beyond a node: the accelerators of disaggregated workers, summed up."""
    sizes = [_size(raw, name) for name in ("tp_size", "attention_dp_size", "moe_ep_size")]
    return raw["system"] in RACKS and sizes[0] > NODE and sizes[1:] == [1, 1]


def _size(raw: Mapping[str, str], column: str) -> int:
    """0 where it is no number: who reads it in earnest says so."""
    text = raw.get(column) or "1"
    return int(float(text)) or 1 if text.replace(".", "", 1).isdigit() else 0


def _model(line: int, path: str, catalog: Catalog) -> ModelArchitecture:
    entry = model_of(path, catalog)
    if entry is None:
        raise RowError(
            f"line {line}, model_path: {path!r} is no model of the catalog; `inferfleet catalog models` lists"
        )
    return catalog.models[entry]


def _accelerator(line: int, system: str, catalog: Catalog) -> Accelerator:
    entry = accelerator_of(system, catalog)
    if entry is None:
        raise RowError(f"line {line}, system: {system!r} is not one of {', '.join(SYSTEMS)} nor an accelerator's name")
    return entry


def _precision(raw: Mapping[str, str], model: ModelArchitecture) -> str:
    """The catalog's name of the format; weights of gpt-oss are MXFP4 whatever a row says."""
    if model.name.startswith("gpt-oss"):
        return "MXFP4"
    said, experts = raw["precision"], raw.get("moe_quant_mode", "")
    if said == "fp4" or "nvfp4" in name_of(raw["model_path"]):
        return "NVFP4"
    if said == "int4":
        return "INT4-AWQ"
    if said == "fp8" or name_of(raw["model_path"]).endswith("fp8"):
        return "FP8-BLOCK" if experts == "fp8_block" else "FP8"
    return "BF16"


def _kv_bytes(precision: str) -> float:
    """No column says it; where queues show how many requests fit, 8 bits go with weights and activations of 8 or 4."""
    return 2.0 if precision in ("BF16", "MXFP4", "INT4-AWQ") else 1.0


def _parallelism(line: int, raw: Mapping[str, str]) -> Parallelism:
    """Some sources give the product of tensor and expert ranks as tp_size (64 is 8 x 8 on 8 accelerators)."""
    tensor, data = _integer(line, raw, "tp_size", 1), _integer(line, raw, "attention_dp_size", 1)
    experts, expert_tensor = _integer(line, raw, "moe_ep_size", 1), _integer(line, raw, "moe_tp_size", 1)
    pipeline = _integer(line, raw, "pp_size", 1)
    said = raw.get("attention_dp_size", "") not in ("", "0")
    if said and experts > 1 and expert_tensor > 1 and tensor * data == expert_tensor * experts:
        total = expert_tensor
    elif said and tensor == data > 1 and experts == tensor * data:
        total = tensor
    else:
        total = max(tensor * data, expert_tensor * experts)
    if _apart(raw):
        return Parallelism(1, pipeline, total, total)
    if data > 1 and total % data:
        data = total
    spread = total if data > 1 and tensor == 1 else min(data, total) if tensor * data <= total else 1
    return Parallelism(max(1, total // spread), pipeline, min(experts, total), spread)


def _concurrency(line: int, raw: Mapping[str, str], source: str) -> int:
    """Of one replica: batch_size is that of one attention rank, silicon_concurrency sums over replicas."""
    ranks = _integer(line, raw, "attention_dp_size", 1)
    batch, said = _integer(line, raw, "batch_size"), _first(r"silicon_concurrency=(\d+)", source)
    return int(said) if said and ceil(int(said) / ranks) == batch else batch * ranks


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def _integer(line: int, raw: Mapping[str, str], column: str, default: int | None = None) -> int:
    """Sizes of 0 and empty ones are the default."""
    text = raw.get(column) or ""
    if default is not None and text in ("", "0", "0.0"):
        return default
    try:
        value = int(float(text))
    except ValueError:
        value = 0
    if value < 1:
        raise RowError(f"line {line}, {column}: {text!r} is not a whole number above 0")
    return value


def _measured(line: int, raw: Mapping[str, str], column: str) -> float | None:
    text = raw.get(column) or ""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise RowError(f"line {line}, {column}: {text!r} is not a number of milliseconds above 0")
    return value / 1000
